//! The view of imported results for templates: their rows, each below the row around it, and
//! sentences about all of them.

use super::super::shown;
use super::{EntriesById, SeverityCounts};
use crate::comparison::imported::{
    ImportedFormat, ImportedRow, ImportedSession, ImportedSource, ImportedTable,
};
use crate::comparison::{Comparison, MetricEntry};
use crate::model::metric::Metric;
use orch_core::format::{self, change};
use serde::Serialize;
use serde_json::Value;

/// Depth from which rows are no longer indented further.
const MOST_DEPTH: usize = 8;

/// An imported row in its place.
#[derive(Clone, Serialize)]
pub(super) struct TableBranch<'a> {
    depth: usize,
    pub(super) row: &'a ImportedRow,
    time: Option<&'a MetricEntry>,
    text: BranchText,
}

/// The cells of an imported row. A figure that the table lacks is an empty text.
#[derive(Clone, Serialize)]
struct BranchText {
    /// Two spaces for each row around this one.
    indent: String,
    /// Name of the row, without the indent.
    name: String,
    /// Change of the time.
    change: String,
    before: String,
    after: String,
    /// Difference of the printed times, with as many digits; empty for sessions.
    difference: String,
    /// The verdict on the time, in words.
    verdict: &'static str,
    before_mb: String,
    after_mb: String,
    /// Allocated memory of both sides, or the one figure that both print.
    memory: String,
    /// The table's own word for the change.
    status: String,
    /// Number of samples, and their standard deviation as a share of the time; of both sides, if
    /// they differ.
    samples: String,
    scatter: String,
}

/// Sentences about imported results.
#[derive(Serialize)]
pub(super) struct ImportedText {
    /// The files, the number of rows, and the conclusions that they allow.
    headline: String,
    /// What was not read; null if everything was.
    ignored: Option<String>,
    /// Number of contradictions by severity, or a sentence if there are none.
    contradictions: String,
    /// Whether a benchmark tool measured the rows.
    is_measured: bool,
    titles: ColumnTitles,
    /// What each file of a benchmark tool states about its session.
    sources: Vec<String>,
    /// Reason why no row has a verdict.
    conclusion: &'static str,
}

/// Titles of the columns; empty for a column without values.
#[derive(Serialize)]
struct ColumnTitles {
    before: &'static str,
    after: &'static str,
    change: &'static str,
    samples: &'static str,
    scatter: &'static str,
}

impl ImportedText {
    /// Returns the sentences about imported results. `rows` is the number of rows in the tree.
    pub(super) fn of(
        comparison: &Comparison,
        rows: usize,
        severities: &SeverityCounts,
    ) -> Option<Self> {
        let table = comparison.imported.as_ref()?;
        let is_whole = table.ignored.is_empty();
        let is_measured = table.format != ImportedFormat::Table;
        let ignored = if is_measured {
            format!("not imported: {}", format::listed(&table.ignored))
        } else {
            format!("ignored columns: {}", table.ignored.join(", "))
        };
        Some(Self {
            headline: headline(comparison, table, rows),
            ignored: (!is_whole).then_some(ignored),
            contradictions: match comparison.contradictions.len() {
                0 if is_whole => "no contradictions: the figures agree with each other".to_owned(),
                0 => "no contradictions: the imported figures agree with each other".to_owned(),
                count => format!(
                    "{}: {} impossible, {} misleading (may be true, but does not mean what it \
                     seems to), {} unresolved (the figures are too coarse)",
                    format::counted(count, "contradiction"),
                    severities.impossible,
                    severities.misleading,
                    severities.unresolved
                ),
            },
            is_measured,
            titles: ColumnTitles::of(table),
            sources: table.sources.iter().filter_map(describe_source).collect(),
            conclusion: match table.sources.len() {
                0 => {
                    "One sample per side supports no verdict: every row is inconclusive, whatever \
                     its percentage."
                }
                1 => "One session supports no verdict: there is nothing to compare it with.",
                _ => {
                    "One session per side supports no verdict: a change of the machine between \
                     the two looks like a change of the code."
                }
            },
        })
    }
}

fn headline(comparison: &Comparison, table: &ImportedTable, rows: usize) -> String {
    let rows = format::counted(rows, "row");
    let tool = table.format.name();
    match &table.sources[..] {
        [] => format!(
            "{}: {rows}, one sample per side: every verdict is inconclusive",
            table.file
        ),
        [_] => format!(
            "{} ({tool}): {rows}, one session and nothing to compare it with",
            table.file
        ),
        [before, after, ..] => {
            let alone = |is_alone: &dyn Fn(&ImportedRow) -> bool, source: &ImportedSource| {
                let count = table.rows.iter().filter(|row| is_alone(row)).count();
                match count {
                    0 => String::new(),
                    count => format!(", {count} only in {}", source.file),
                }
            };
            format!(
                "{} -> {} ({tool}): {rows}{}{}, one session per side: every verdict is \
                 inconclusive",
                comparison.a.name,
                comparison.b.name,
                alone(&|row| row.after.is_none(), before),
                alone(&|row| row.before.is_none(), after),
            )
        }
    }
}

/// Words what a file states about its session; `None` if it states nothing.
fn describe_source(source: &ImportedSource) -> Option<String> {
    let state = match source.dirty {
        Some(true) => " with changed files",
        _ => "",
    };
    let commit = source.commit.as_ref();
    let commit = commit.map(|commit| format!("commit {}{state}", format::shortened(commit)));
    let named = |(name, value): (&String, &String)| format!("{name} {}", format::shortened(value));
    let facts: Vec<String> = source
        .date
        .iter()
        .cloned()
        .chain(commit)
        .chain(source.versions.iter().map(named))
        .chain(source.machine.iter().map(named))
        .collect();
    (!facts.is_empty()).then(|| format!("{}: {}", source.file, facts.join(", ")))
}

impl ColumnTitles {
    fn of(table: &ImportedTable) -> Self {
        let is_measured = table.format != ImportedFormat::Table;
        let [before, after, change] = match table.sources.len() {
            _ if !is_measured => ["before (ms)", "after (ms)", "change"],
            1 => ["time", "", ""],
            _ => ["before", "after", "change"],
        };
        let has = |is_there: &dyn Fn(&ImportedSession) -> bool| {
            let mut sessions = table.rows.iter().flat_map(|row| [&row.before, &row.after]);
            sessions.any(|session| session.as_ref().is_some_and(is_there))
        };
        let shown_if = |is_shown: bool, title| if is_shown { title } else { "" };
        Self {
            before,
            after,
            change,
            samples: shown_if(has(&|session| session.samples.is_some()), "samples"),
            scatter: shown_if(
                has(&|session| session.deviation_ns.is_some()),
                "deviation / median",
            ),
        }
    }
}

/// Formats a figure of both sessions of a row: one text if they are equal, or both.
fn of_sessions(row: &ImportedRow, form: impl Fn(&ImportedSession) -> Option<String>) -> String {
    let text = |session: &Option<ImportedSession>| session.as_ref().map(&form);
    let texts =
        [text(&row.before), text(&row.after)].map(|text| text.map(Option::unwrap_or_default));
    match texts {
        [Some(before), Some(after)] if before != after => format!("{before}, {after}"),
        [Some(text), _] | [None, Some(text)] => text,
        [None, None] => String::new(),
    }
}

fn scatter(session: &ImportedSession) -> Option<String> {
    let time = session.median_ns.or(session.mean_ns)?;
    let share = session.deviation_ns? / time;
    share.is_finite().then(|| format::percent(share))
}

/// Returns the imported rows, each below the row around it.
pub(super) fn tree<'a>(
    comparison: &'a Comparison,
    entries: &EntriesById<'a>,
) -> Vec<TableBranch<'a>> {
    let Some(imported) = &comparison.imported else {
        return Vec::new();
    };
    let mut inside = shown::grouped(imported.rows.iter().map(|row| (row.inside.as_deref(), row)));
    let mut tree = Vec::new();
    // A file that a person wrote may have rows inside each other. The tree leaves them out.
    let mut open: Vec<(&ImportedRow, usize)> = Vec::new();
    let mut below =
        |name: Option<&'a str>, depth: usize, open: &mut Vec<(&'a ImportedRow, usize)>| {
            let rows = inside.swap_remove(&name).unwrap_or_default();
            open.extend(rows.into_iter().rev().map(|row| (row, depth)));
        };
    below(None, 0, &mut open);
    while let Some((row, depth)) = open.pop() {
        let own = entries.get(row.name.as_str()).into_iter().flatten();
        let time = own.copied().find(|entry| entry.metric == Metric::Time);
        let shown_depth = depth.min(MOST_DEPTH);
        tree.push(TableBranch {
            depth: shown_depth,
            row,
            time,
            text: BranchText::of(row, time, shown_depth),
        });
        below(Some(&row.name), depth + 1, &mut open);
    }
    tree
}

/// Subtracts two printed times. The result has the digits of the longer one.
fn difference(row: &ImportedRow) -> Option<String> {
    let (before, after) = (row.previous_ms.as_ref()?, row.current_ms.as_ref()?);
    let digits = |figure: &str| figure.split_once('.').map_or(0, |(_, digits)| digits.len());
    let digits = digits(before).max(digits(after));
    let [before, after]: [f64; 2] = [before.parse().ok()?, after.parse().ok()?];
    // Equal figures have no sign.
    let difference = after - before + 0.0;
    Some(format!("{difference:+.digits$}"))
}

impl BranchText {
    fn of(row: &ImportedRow, time: Option<&MetricEntry>, depth: usize) -> Self {
        let indent = "  ".repeat(depth);
        let memory = match (&row.previous_alloc_mb, &row.current_alloc_mb) {
            (Some(before), Some(after)) if before == after => before.clone(),
            (Some(before), Some(after)) => format!("{before} -> {after}"),
            _ => String::new(),
        };
        let printed = |figure: &Option<String>| figure.clone().unwrap_or_default();
        // Times of sessions are rounded here, and those of a table are shown as they were printed.
        let side = |figure: &Option<String>, value: fn(&MetricEntry) -> &Value| {
            let ns = || value(time?).as_f64();
            figure
                .clone()
                .or_else(|| ns().map(format::time))
                .unwrap_or_default()
        };
        Self {
            before: side(&row.previous_ms, |time| &time.a),
            after: side(&row.current_ms, |time| &time.b),
            samples: of_sessions(row, |session| {
                session.samples.map(|count| count.to_string())
            }),
            scatter: of_sessions(row, scatter),
            difference: difference(row).unwrap_or_default(),
            verdict: time.map_or("", |time| time.verdict.word()),
            before_mb: printed(&row.previous_alloc_mb),
            after_mb: printed(&row.current_alloc_mb),
            status: printed(&row.reported_status),
            name: format!("{indent}{}", row.name),
            indent,
            change: time
                .and_then(|time| time.change)
                .map(|change| change::claimed(change.estimate))
                .unwrap_or_default(),
            memory,
        }
    }
}
