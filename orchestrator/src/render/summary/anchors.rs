//! The jobs of a run against its anchors: the number of jobs per verdict, the changed jobs, and the
//! reasons why some were not compared.

use super::super::changes;
use super::super::origins;
use super::super::shown::{self, MOST_ROWS, MOST_TEXTS, ShownList};
use super::super::tone::Tone;
use super::ids;
use crate::comparison::RelativeChange;
use crate::model::metric::Metric;
use crate::record::anchored::{AnchorRecord, AnchorRole, AnchoredChange, AnchoredJob};
use crate::record::{JobRecord, Record, Verdict, store};
use orch_core::format;
use serde::Serialize;
use std::collections::HashMap;

/// Jobs against one anchor.
#[derive(Serialize)]
pub(super) struct AnchorTie<'a> {
    anchor: &'a AnchorRecord,
    /// Most pairs of any job.
    pairs: usize,
    /// The anchor in a few words.
    title: String,
    /// The anchor and the pairs in a sentence.
    headline: String,
    /// Jobs per verdict, in words.
    counts: Vec<String>,
    /// Jobs that are not equivalent.
    rows: ShownList<TieRow<'a>>,
    /// Reasons why jobs were not compared, with their ids.
    reasons: ShownList<TieReason<'a>>,
}

#[derive(Serialize)]
struct TieRow<'a> {
    id: &'a str,
    change: Option<AnchoredChange>,
    verdict: Verdict,
    tone: Option<Tone>,
    text: TieText,
}

/// The cells of a row; empty without a change.
#[derive(Serialize)]
struct TieText {
    change: String,
    interval: String,
    verdict: &'static str,
}

#[derive(Serialize)]
struct TieReason<'a> {
    ids: String,
    reason: &'a str,
    /// The ids and the beginning of the reason.
    line: String,
}

/// Compares the jobs with each anchor of the run.
pub(super) fn ties(record: &Record) -> Vec<AnchorTie<'_>> {
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
    // One message about the machine covers all open jobs.
    let is_worth_a_row = |one: &AnchoredJob| {
        one.verdict != Verdict::Equivalent
            && !(is_machine_changed && one.verdict == Verdict::Inconclusive)
    };
    let rows = jobs.iter().filter(|(_, one)| is_worth_a_row(one));
    let rows = rows.map(|(job, one)| TieRow {
        id: &job.id,
        change: one.change,
        verdict: one.verdict,
        tone: Tone::of_verdict(one.verdict),
        text: TieText::of(one),
    });
    let unknown = jobs
        .iter()
        .filter(|(_, one)| matches!(one.verdict, Verdict::Missing | Verdict::OutputDiffers));
    let reasons = shown::grouped(unknown.map(|(job, one)| (one.reason.as_str(), job.id.as_str())));
    let pairs = jobs.iter().map(|(_, one)| one.pairs.len()).max();
    let pairs = pairs.unwrap_or_default();
    AnchorTie {
        anchor,
        pairs,
        title: title(anchor),
        headline: headline(anchor, pairs),
        counts: ORDER.into_iter().filter_map(words).collect(),
        rows: ShownList::first(MOST_ROWS, rows).counting("job", store::FILE),
        reasons: ShownList::first(MOST_TEXTS, reasons)
            .map(|(reason, jobs)| tie_reason(reason, ids(jobs.into_iter())))
            .counting("reason", store::FILE),
    }
}

fn tie_reason(reason: &str, ids: String) -> TieReason<'_> {
    TieReason {
        line: format!("{ids}: {}", format::brief(reason)),
        ids,
        reason,
    }
}

fn title(anchor: &AnchorRecord) -> String {
    let role = match anchor.role {
        AnchorRole::Anchor => "the anchor ",
        AnchorRole::Overlap => "the previous anchor, ",
    };
    format!("Against {role}{}", anchor.name)
}

fn headline(anchor: &AnchorRecord, pairs: usize) -> String {
    let commit = match origins::short(&anchor.commit) {
        commit if commit == anchor.name => String::new(),
        commit => format!("{commit}, "),
    };
    format!(
        "{} ({commit}{}), {pairs} pairs of each job",
        title(anchor),
        anchor.subject
    )
}

impl TieText {
    fn of(one: &AnchoredJob) -> Self {
        let change = one.change.map(|change| RelativeChange {
            estimate: change.estimate,
            low: Some(change.low),
            high: Some(change.high),
        });
        Self {
            change: change
                .map(|change| changes::size(change, &Metric::Time))
                .unwrap_or_default(),
            interval: change
                .and_then(|change| changes::interval(change, &Metric::Time))
                .unwrap_or_default(),
            verdict: one.verdict.word(),
        }
    }
}
