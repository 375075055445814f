//! The view of bisects for templates: the report itself, its likeliest commits, each culprit with
//! its changes, and sentences about the whole bisect.

mod code;
mod commits;
mod culprit;
mod texts;

use crate::bisect::rest::RangePart;
use crate::bisect::{BisectReport, CommitState, OpenChangeReport, ProbeState};
use crate::comparison::MetricEntry;
use crate::model::metric::Metric;
use commits::{CommitLists, LikelyCommit};
use culprit::ExplainedCulprit;
use orch_core::format;
use serde::Serialize;
use texts::{BisectText, ExaminedCommits};

/// The view that a template gets.
#[derive(Serialize)]
pub(super) struct BisectView<'a> {
    report: &'a BisectReport,
    /// Likely commits, the likeliest first.
    likely: Vec<LikelyCommit<'a>>,
    culprits: Vec<ExplainedCulprit<'a>>,
    /// Number of commits that were built or found, and measured or compared.
    looked: usize,
    /// Number of commits that run the code of an earlier one.
    same_code: usize,
    /// Number of different codes among the examined commits, including the good end.
    versions: usize,
    /// Entries of the verified revert: time, or the counted metrics.
    reverted: Vec<RevertedEntry<'a>>,
    /// Ranges in which something certainly or possibly changed, and no commit could be named.
    open_ranges: Vec<OpenRange<'a>>,
    /// Parts of the range in which something else may have changed.
    open_parts: Vec<PartLine<'a>>,
    skipped: CommitLists<'a>,
    /// Sentences about the whole bisect.
    text: BisectText,
}

/// A metric of the bad end without the culprit.
#[derive(Serialize)]
struct RevertedEntry<'a> {
    #[serde(flatten)]
    entry: &'a MetricEntry,
    line: String,
    /// The verdict and the change only.
    finding: String,
}

/// A range in which no commit could be named.
#[derive(Serialize)]
struct OpenRange<'a> {
    open: &'a OpenChangeReport,
    /// Its ends: `1234567890 to abcdef1234`.
    title: String,
    /// The title with the reason and the probability.
    line: String,
    probability: String,
    commits: CommitLists<'a>,
}

/// An open part of the range in words.
#[derive(Serialize)]
struct PartLine<'a> {
    part: &'a RangePart,
    words: String,
    line: String,
}

/// Makes the view.
pub(super) fn view(report: &BisectReport) -> BisectView<'_> {
    let examined = examined(&report.commits);
    let metric = &report.metric;
    let open_parts = report.rest.iter().filter(|part| part.state.is_open());
    BisectView {
        likely: commits::likely(&report.commits, metric),
        culprits: report
            .culprits
            .iter()
            .map(|one| culprit::explained(one, metric))
            .collect(),
        reverted: reverted(report),
        open_ranges: report.undecided.iter().map(open_range).collect(),
        open_parts: open_parts.map(|part| part_line(part, metric)).collect(),
        skipped: CommitLists::of_skipped(&report.skipped),
        text: BisectText::of(report, &examined),
        looked: examined.looked,
        same_code: examined.same_code,
        versions: examined.versions,
        report,
    }
}

fn examined(commits: &[CommitState]) -> ExaminedCommits {
    let count = |is_wanted: fn(&CommitState) -> bool| {
        commits.iter().filter(|commit| is_wanted(commit)).count()
    };
    let looked = count(|commit| commit.state == ProbeState::Looked);
    let same_code = count(|commit| commit.same_code_as.is_some());
    ExaminedCommits {
        looked,
        same_code,
        versions: 1 + looked - same_code,
    }
}

fn reverted(report: &BisectReport) -> Vec<RevertedEntry<'_>> {
    let Some(reverted) = &report.reverted else {
        return Vec::new();
    };
    let is_shown =
        |entry: &&MetricEntry| entry.metric == Metric::Time || entry.metric == report.metric;
    let entries = reverted.entries.iter().filter(is_shown);
    let shown = entries.map(|entry| {
        let change = entry
            .change
            .map(|change| texts::sized(change, &entry.metric));
        let word = entry.verdict.word();
        RevertedEntry {
            entry,
            line: texts::reverted_line(&reverted.culprit, entry),
            finding: change.map_or_else(|| word.to_owned(), |change| format!("{word}, {change}")),
        }
    });
    shown.collect()
}

fn open_range(open: &OpenChangeReport) -> OpenRange<'_> {
    OpenRange {
        open,
        title: texts::ends_of(&open.reference, &open.end, "to"),
        line: texts::open_line(open),
        probability: format::percent(open.probability),
        commits: CommitLists::of_open(&open.commits),
    }
}

fn part_line<'a>(part: &'a RangePart, metric: &Metric) -> PartLine<'a> {
    let words = texts::part_words(part, metric);
    PartLine {
        line: format!("{}: {words}", texts::between(&part.reference, &part.end)),
        part,
        words,
    }
}
