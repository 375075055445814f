//! Commits of a bisect in lists: the likeliest ones, those of an open range, and those that could
//! not be measured.

use super::super::entries;
use super::super::origins;
use super::super::shown::ShownList;
use super::texts;
use crate::bisect::{CommitState, ProbeState, ReportedCommit, SkippedCommit};
use crate::model::metric::Metric;
use orch_core::format;
use orch_core::format::change;
use serde::Serialize;

/// Most commits that are listed as likely.
const LIKELY: usize = 8;
/// Probability below which a commit gets no line.
const LEAST: f64 = 0.001;
/// Most commits of a list in a terminal.
const FEW_COMMITS: usize = 10;
/// Most commits of an open range in a full report.
const MANY_COMMITS: usize = 20;
/// Most skipped commits in a full report.
const MANY_SKIPPED: usize = 50;

/// One list of commits for a terminal, and one for a full report.
#[derive(Serialize)]
pub(super) struct CommitLists<'a> {
    few: ShownList<CommitLine<'a>>,
    many: ShownList<CommitLine<'a>>,
}

/// A commit and a note about it.
#[derive(Serialize)]
pub(super) struct CommitLine<'a> {
    commit: &'a str,
    subject: &'a str,
    /// Its author, or the reason why it was skipped.
    about: String,
    line: String,
}

/// A commit that may have made the change.
#[derive(Serialize)]
pub(super) struct LikelyCommit<'a> {
    #[serde(flatten)]
    state: &'a CommitState,
    text: LikelyText,
}

/// The cells of such a commit; empty if a value is not known.
#[derive(Serialize)]
struct LikelyText {
    probability: String,
    /// Change or value against the good end.
    change: String,
    pairs: String,
    /// Reason why it was not measured.
    note: String,
}

/// Returns the likeliest commits, with the probability of having made the change.
pub(super) fn likely<'a>(commits: &'a [CommitState], metric: &Metric) -> Vec<LikelyCommit<'a>> {
    let mut likely: Vec<&CommitState> = commits
        .iter()
        .filter(|commit| commit.probability >= LEAST)
        .collect();
    likely.sort_by(|one, other| other.probability.total_cmp(&one.probability));
    let shown = likely.into_iter().take(LIKELY);
    shown
        .map(|state| LikelyCommit {
            text: LikelyText::of(state, metric),
            state,
        })
        .collect()
}

impl LikelyText {
    fn of(state: &CommitState, metric: &Metric) -> Self {
        let change = match state.change {
            Some(change) => change::size(metric.quantity(), change),
            None if state.value.is_null() => String::new(),
            None => texts::plain(&state.value),
        };
        let note = match &state.same_code_as {
            Some(other) => format!("same code as {}", origins::short(other)),
            None if state.state == ProbeState::Skipped => "skipped".to_owned(),
            None => String::new(),
        };
        Self {
            probability: texts::probability(state.probability),
            change,
            pairs: entries::some_number(state.pairs),
            note,
        }
    }
}

impl<'a> CommitLists<'a> {
    /// Lists the commits of a range, one of which made a change.
    pub(super) fn of_open(commits: &'a [ReportedCommit]) -> Self {
        Self::of(MANY_COMMITS, commits.iter().map(authored))
    }

    /// Lists the commits that could not be measured.
    pub(super) fn of_skipped(commits: &'a [SkippedCommit]) -> Self {
        Self::of(MANY_SKIPPED, commits.iter().map(skipped))
    }

    fn of(many: usize, all: impl Iterator<Item = CommitLine<'a>> + Clone) -> Self {
        Self {
            few: ShownList::first(FEW_COMMITS, all.clone()),
            many: ShownList::first(many, all),
        }
    }
}

/// Returns a commit whose line contains its author too.
pub(super) fn with_author(commit: &ReportedCommit) -> CommitLine<'_> {
    let mut line = authored(commit);
    line.line = format!("{}, {}", line.line, commit.author);
    line
}

fn authored(commit: &ReportedCommit) -> CommitLine<'_> {
    CommitLine {
        commit: &commit.commit,
        subject: &commit.subject,
        about: commit.author.clone(),
        line: texts::named(commit),
    }
}

fn skipped(skipped: &SkippedCommit) -> CommitLine<'_> {
    let about = format::brief(&skipped.reason);
    CommitLine {
        commit: &skipped.commit,
        subject: &skipped.subject,
        line: format!(
            "{}: {about}",
            texts::named_as(&skipped.commit, &skipped.subject)
        ),
        about,
    }
}
