//! The view of an imported table for templates: its rows, each below the row around it, and
//! sentences about the whole table.

use super::super::shown;
use super::{EntriesById, SeverityCounts};
use crate::comparison::imported::ImportedRow;
use crate::comparison::{Comparison, MetricEntry};
use crate::model::metric::Metric;
use orch_core::format::{self, change};
use serde::Serialize;

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
    before_mb: String,
    after_mb: String,
    /// Allocated memory of both sides, or the one figure that both print.
    memory: String,
    /// The table's own word for the change.
    status: String,
}

/// Sentences about an imported table.
#[derive(Serialize)]
pub(super) struct ImportedText {
    /// Its file, the number of its rows, and the conclusions that one sample per side allows.
    headline: String,
    /// Columns that were not read; null if all were.
    ignored: Option<String>,
    /// Number of contradictions by severity, or a sentence if there are none.
    contradictions: String,
}

impl ImportedText {
    /// Returns the sentences about a table. `rows` is the number of rows in the tree.
    pub(super) fn of(
        comparison: &Comparison,
        rows: usize,
        severities: &SeverityCounts,
    ) -> Option<Self> {
        let table = comparison.imported.as_ref()?;
        let is_whole = table.ignored.is_empty();
        Some(Self {
            headline: format!(
                "{}: {}, one sample per side: every verdict is inconclusive",
                table.file,
                format::counted(rows, "row")
            ),
            ignored: (!is_whole).then(|| format!("ignored columns: {}", table.ignored.join(", "))),
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
        })
    }
}

/// Returns the rows of an imported table, each below the row around it.
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

impl BranchText {
    fn of(row: &ImportedRow, time: Option<&MetricEntry>, depth: usize) -> Self {
        let indent = "  ".repeat(depth);
        let memory = match (&row.previous_alloc_mb, &row.current_alloc_mb) {
            (Some(before), Some(after)) if before == after => before.clone(),
            (Some(before), Some(after)) => format!("{before} -> {after}"),
            _ => String::new(),
        };
        let printed = |figure: &Option<String>| figure.clone().unwrap_or_default();
        Self {
            before: printed(&row.previous_ms),
            after: printed(&row.current_ms),
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
