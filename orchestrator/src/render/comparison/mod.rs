//! The view of comparisons for templates: the comparison itself, one row per workload, the bounded
//! lists of the reports, and sentences about the whole comparison.

mod comment;
mod explained;
mod imported;
mod listed;
mod rows;
mod texts;

pub(super) use explained::list_reasons;
pub(super) use rows::WorkloadRow;

use super::page::ComparisonPage;
use super::review::ComparisonReview;
use super::shown::{self, MOST_TEXTS, ShownList};
use super::warnings::{self, GatheredWarning, JobTexts};
use crate::comparison::{ComparedWorkload, Comparison, FILE, MetricEntry, verdict_words};
use crate::record::{Contradiction, Severity};
use comment::CommentView;
use imported::{ImportedText, TableBranch};
use indexmap::IndexMap;
use listed::ShownLists;
use serde::Serialize;
use texts::ComparisonText;

/// The view that a template gets.
#[derive(Serialize)]
pub(super) struct ComparisonView<'a> {
    comparison: &'a Comparison,
    /// Parameters that `--set` gave each side, as `name = value`.
    a_set: Vec<String>,
    b_set: Vec<String>,
    /// One row per workload; regressed ones first, and of those the largest changes of time first.
    rows: Vec<WorkloadRow<'a>>,
    warnings: Vec<GatheredWarning<'a>>,
    /// Number of warnings that are not shown.
    more_warnings: usize,
    left_out_warnings: Option<String>,
    shown: ShownLists<'a>,
    /// Message about a busy machine.
    busy: Option<String>,
    /// Workloads per verdict, in the words of the rows.
    headline: Vec<String>,
    /// Sentences about the whole comparison.
    text: ComparisonText,
    /// Sentences about an imported table; null for measurements of orch.
    imported: Option<ImportedText>,
    /// Rows of an imported comparison in the table's order, each below the row around it.
    tree: Vec<TableBranch<'a>>,
    /// Contradictions by severity.
    severities: SeverityCounts,
    /// Parts of the long report and of the one-page report.
    review: ComparisonReview,
    /// What the HTML page shows beside the rest.
    page: ComparisonPage,
    /// Parts of a comment on a pull request.
    comment: CommentView,
}

#[derive(Serialize)]
struct SeverityCounts {
    impossible: usize,
    misleading: usize,
    unresolved: usize,
    /// All three numbers with their meanings.
    line: String,
}

/// Makes the view.
pub(super) fn view(comparison: &Comparison) -> ComparisonView<'_> {
    let by_id = shown::grouped(
        comparison
            .jobs
            .iter()
            .map(|entry| (entry.id.as_str(), entry)),
    );
    let rows = sorted_rows(comparison, &by_id);
    let of_workloads = comparison.workloads.iter().map(|workload| JobTexts {
        id: &workload.id,
        texts: &workload.warnings,
        kinds: workload.warning_kinds.clone(),
    });
    let line = |id: &str, text: &str| format!("warning: {id}, {text}");
    let warnings = ShownList::first(MOST_TEXTS, warnings::gather_warnings(of_workloads, line))
        .counting("warning", FILE);
    let tree = imported::tree(comparison, &by_id);
    let headline = verdict_words::headline(&comparison.workloads);
    let shown = listed::shown_lists(comparison, &rows, &tree);
    let severities = SeverityCounts::of(&comparison.contradictions);
    let page = ComparisonPage::of(comparison, &rows);
    let review = ComparisonReview::of(comparison, &rows);
    let text = ComparisonText::of(comparison, &headline, shown.is_time_changed);
    let comment = CommentView::of(comparison, &rows, &warnings.items, &headline, text.sides());
    ComparisonView {
        comparison,
        a_set: texts::set_values(&comparison.a),
        b_set: texts::set_values(&comparison.b),
        rows,
        warnings: warnings.items,
        more_warnings: warnings.more,
        left_out_warnings: warnings.left_out,
        busy: comparison.load.and_then(|load| load.message()),
        text,
        headline,
        imported: ImportedText::of(comparison, tree.len(), &severities),
        shown,
        tree,
        severities,
        review,
        page,
        comment,
    }
}

/// Entries by the id of their workload.
type EntriesById<'a> = IndexMap<&'a str, Vec<&'a MetricEntry>>;

fn sorted_rows<'a>(comparison: &'a Comparison, by_id: &EntriesById<'a>) -> Vec<WorkloadRow<'a>> {
    let own =
        |workload: &ComparedWorkload| by_id.get(workload.id.as_str()).cloned().unwrap_or_default();
    let mut rows: Vec<WorkloadRow> = comparison
        .workloads
        .iter()
        .map(|workload| rows::row(workload, own(workload)))
        .collect();
    let size = |row: &WorkloadRow| {
        row.time
            .and_then(|time| time.change)
            .map_or(0.0, |change| change.estimate.abs())
    };
    rows.sort_by(|one, other| {
        (one.verdict, !one.trade_off)
            .cmp(&(other.verdict, !other.trade_off))
            .then(size(other).total_cmp(&size(one)))
    });
    rows
}

impl SeverityCounts {
    fn of(contradictions: &[Contradiction]) -> Self {
        let count = |severity| {
            contradictions
                .iter()
                .filter(|one| one.severity == severity)
                .count()
        };
        let [impossible, misleading, unresolved] = [
            Severity::Impossible,
            Severity::Misleading,
            Severity::Unresolved,
        ]
        .map(count);
        Self {
            impossible,
            misleading,
            unresolved,
            line: format!(
                "{impossible} impossible, {misleading} misleading (may be true, but do not mean \
                 what they seem to), {unresolved} unresolved (the figures are too coarse)"
            ),
        }
    }
}
