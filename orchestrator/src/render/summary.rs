//! What templates of runs see beside the record: the jobs to show, and what has to be said of the
//! others, in bounded lists.

use super::shown::{self, MOST_ROWS, MOST_TEXTS, ShownList};
use crate::format;
use crate::protocol::Phase;
use crate::record::anchored::{AnchorRecord, AnchoredChange, AnchoredJob};
use crate::record::{Contradiction, JobOutcome, JobRecord, Record, ScopeRecord, Verdict};
use serde::Serialize;
use std::collections::HashMap;

/// Outermost scopes of a job that the summary shows.
const MOST_SCOPES: usize = 5;

/// What the summary shows of a run.
#[derive(Serialize)]
pub(super) struct SummaryView<'a> {
    /// Number of jobs that were measured.
    measured: usize,
    /// Jobs that were measured, in the record's order.
    jobs: ShownList<&'a JobRecord>,
    scopes: ShownList<JobScope<'a>>,
    /// Jobs that were not measured, by message.
    lost: ShownList<LostJobs<'a>>,
    ties: Vec<AnchorTie<'a>>,
    contradictions: ShownList<&'a Contradiction>,
}

#[derive(Serialize)]
struct JobScope<'a> {
    job: &'a str,
    scope: &'a ScopeRecord,
}

/// Jobs that were lost for one reason.
#[derive(Serialize)]
struct LostJobs<'a> {
    /// The first ids, and how many more there are.
    ids: String,
    outcome: JobOutcome,
    phase: Option<Phase>,
    message: &'a str,
}

/// Jobs against one anchor.
#[derive(Serialize)]
struct AnchorTie<'a> {
    anchor: &'a AnchorRecord,
    /// The most pairs of a job.
    pairs: usize,
    /// Jobs per verdict, in words.
    counts: Vec<String>,
    /// Jobs that are not equivalent.
    rows: ShownList<TieRow<'a>>,
    /// Why jobs were not compared, with their ids.
    reasons: ShownList<TieReason<'a>>,
}

#[derive(Serialize)]
struct TieRow<'a> {
    id: &'a str,
    change: Option<AnchoredChange>,
    verdict: Verdict,
}

#[derive(Serialize)]
struct TieReason<'a> {
    ids: String,
    reason: &'a str,
}

/// Makes the view.
pub(super) fn view(record: &Record) -> SummaryView<'_> {
    let is_measured = |job: &&JobRecord| job.outcome == JobOutcome::Measured;
    let measured = record.jobs.iter().filter(is_measured);
    let scopes = measured.clone().flat_map(|job| {
        let outermost = job
            .scopes
            .iter()
            .filter(|scope| scope.thread == "driver")
            .take(MOST_SCOPES);
        outermost.map(|scope| JobScope {
            job: &job.id,
            scope,
        })
    });
    let lost = record.jobs.iter().filter(|job| !is_measured(job));
    let lost = shown::grouped(lost.map(|job| (job.message.as_deref().unwrap_or_default(), job)));
    SummaryView {
        measured: measured.clone().count(),
        scopes: ShownList::first(MOST_ROWS, scopes),
        jobs: ShownList::first(MOST_ROWS, measured),
        lost: ShownList::first(MOST_TEXTS, lost).map(|(message, jobs)| LostJobs {
            ids: ids(jobs.iter().map(|job| job.id.as_str())),
            outcome: jobs[0].outcome,
            phase: jobs[0].phase,
            message,
        }),
        ties: ties(record),
        contradictions: ShownList::first(MOST_TEXTS, &record.contradictions),
    }
}

fn ids<'a>(all: impl Iterator<Item = &'a str>) -> String {
    format::listed(&all.collect::<Vec<&str>>())
}

fn ties(record: &Record) -> Vec<AnchorTie<'_>> {
    let all = record.jobs.iter().flat_map(|job| {
        job.anchored
            .iter()
            .map(move |one| (one.anchor.as_str(), (job, one)))
    });
    let mut by_anchor = shown::grouped(all);
    let is_changed = record
        .sentinel
        .as_ref()
        .is_some_and(|sentinel| sentinel.message.is_some());
    let tie = |anchor: &'_ AnchorRecord| {
        by_anchor
            .swap_remove(anchor.commit.as_str())
            .unwrap_or_default()
    };
    let jobs: Vec<Vec<(&JobRecord, &AnchoredJob)>> = record.anchors.iter().map(tie).collect();
    record
        .anchors
        .iter()
        .zip(jobs)
        .map(|(anchor, jobs)| anchor_tie(anchor, &jobs, is_changed))
        .collect()
}

fn anchor_tie<'a>(
    anchor: &'a AnchorRecord,
    jobs: &[(&'a JobRecord, &'a AnchoredJob)],
    is_machine_changed: bool,
) -> AnchorTie<'a> {
    const ORDER: [Verdict; 6] = [
        Verdict::OutputDiffers,
        Verdict::Regressed,
        Verdict::Missing,
        Verdict::Inconclusive,
        Verdict::Improved,
        Verdict::Equivalent,
    ];
    let mut counts: HashMap<Verdict, usize> = HashMap::new();
    jobs.iter()
        .for_each(|(_, one)| *counts.entry(one.verdict).or_default() += 1);
    let words = |verdict: Verdict| Some(format!("{} {}", counts.get(&verdict)?, verdict.word()));
    // One message about the machine says it of all that is open.
    let is_worth_a_row = |one: &AnchoredJob| {
        one.verdict != Verdict::Equivalent
            && !(is_machine_changed && one.verdict == Verdict::Inconclusive)
    };
    let rows = jobs.iter().filter(|(_, one)| is_worth_a_row(one));
    let rows = rows.map(|(job, one)| TieRow {
        id: &job.id,
        change: one.change,
        verdict: one.verdict,
    });
    let unknown = jobs
        .iter()
        .filter(|(_, one)| matches!(one.verdict, Verdict::Missing | Verdict::OutputDiffers));
    let reasons = shown::grouped(unknown.map(|(job, one)| (one.reason.as_str(), job.id.as_str())));
    AnchorTie {
        anchor,
        pairs: jobs
            .iter()
            .map(|(_, one)| one.pairs.len())
            .max()
            .unwrap_or_default(),
        counts: ORDER.into_iter().filter_map(words).collect(),
        rows: ShownList::first(MOST_ROWS, rows),
        reasons: ShownList::first(MOST_TEXTS, reasons).map(|(reason, jobs)| TieReason {
            ids: ids(jobs.into_iter()),
            reason,
        }),
    }
}
