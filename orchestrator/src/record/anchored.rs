//! Owns the comparison of a job with the pinned build of an anchor: a few pairs per run, so that
//! runs of different days can be compared. Pure.

use super::{Digest, JobRecord, Record, Verdict};
use crate::git::Revision;
use crate::model::reason::{AnchorFinding, NextMeasurement, OutputDifference, Reason, ReasonKind};
use crate::model::warning::{SidedKind, SidedWarning};
use crate::runner::anchor_pairs::AnchorSeries;
use crate::runner::pair_series::PairRecord;
use indexmap::IndexMap;
use orch_core::judge::student_t::{self, ShiftEstimate};
use orch_core::judge::verdict::PairFinding;
use serde::{Deserialize, Serialize};

/// Build that the jobs of a run were paired with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AnchorRecord {
    /// Name in the scenario; for an earlier anchor, in its own scenario.
    pub(crate) name: String,
    /// Full hash.
    pub(crate) commit: String,
    pub(crate) subject: String,
    /// Date of the commit, UTC.
    pub(crate) committed: String,
    pub(crate) role: AnchorRole,
    /// SHA-256 of each plugin's library; null if the plugin did not build.
    pub(crate) artefacts: IndexMap<String, Option<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnchorRole {
    /// The anchor of the scenario.
    Anchor,
    /// The anchor before it, which the first run with a new anchor measures too, so that the series
    /// of both anchors are connected.
    Overlap,
}

impl AnchorRecord {
    pub(crate) fn new(name: &str, revision: &Revision, role: AnchorRole) -> Self {
        Self {
            name: name.to_owned(),
            commit: revision.commit.clone(),
            subject: revision.subject.clone(),
            committed: revision.committed.clone(),
            role,
            artefacts: IndexMap::new(),
        }
    }
}

/// One job against one anchor. A is the anchor, B the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AnchoredJob {
    /// Commit of the anchor.
    pub(crate) anchor: String,
    /// SHA-256 of the anchor's library. Ratios are comparable if it agrees.
    pub(crate) artefact: Option<String>,
    pub(crate) verdict: Verdict,
    /// Whether the anchor lacks the job. Then there is nothing to pair, and nothing failed.
    pub(crate) absent: bool,
    /// Relative change of time against the anchor; null without pairs.
    pub(crate) change: Option<AnchoredChange>,
    /// Relative difference that matters.
    pub(crate) margin: f64,
    pub(crate) reason: String,
    /// Kind of that reason; null in older records.
    #[serde(default)]
    pub(crate) reason_kind: Option<ReasonKind>,
    pub(crate) warnings: Vec<String>,
    /// Kinds of `warnings`, in the same order; empty in older records.
    #[serde(default)]
    pub(crate) warning_kinds: Vec<SidedKind>,
    /// The measurements.
    pub(crate) pairs: Vec<PairRecord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct AnchoredChange {
    pub(crate) estimate: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl From<ShiftEstimate> for AnchoredChange {
    fn from(shift: ShiftEstimate) -> Self {
        Self {
            estimate: shift.estimate.exp_m1(),
            low: shift.low.exp_m1(),
            high: shift.high.exp_m1(),
        }
    }
}

/// Terms that are the same for all jobs of an anchor.
pub(crate) struct AnchorTerms<'a> {
    pub(crate) anchor: &'a AnchorRecord,
    /// Number of jobs that are judged together.
    pub(crate) together: usize,
    /// Message about a change of the machine, if there was one.
    pub(crate) changed: Option<&'a str>,
}

impl AnchoredJob {
    /// Builds the result of a job that the anchor does not have.
    pub(crate) fn absent(anchor: &AnchorRecord, margin: f64, reason: &str) -> Self {
        Self {
            absent: true,
            ..Self::missing(anchor, margin, &Reason::AnchorLacksJob(reason.to_owned()))
        }
    }

    /// Builds the result of a job that could not be paired.
    pub(crate) fn missing(anchor: &AnchorRecord, margin: f64, reason: &Reason) -> Self {
        Self {
            anchor: anchor.commit.clone(),
            artefact: None,
            verdict: Verdict::Missing,
            absent: false,
            change: None,
            margin,
            reason: reason.to_string(),
            reason_kind: Some(reason.kind()),
            warnings: Vec::new(),
            warning_kinds: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// Judges the pairs of a job. `artefacts` are the hashes of the anchor's and of the run's
    /// library.
    pub(crate) fn judged(
        tied: &AnchorSeries,
        artefacts: [&str; 2],
        margin: f64,
        terms: &AnchorTerms,
    ) -> Self {
        let differences: Vec<f64> = tied.pairs.iter().map(|pair| pair.difference).collect();
        let shift = student_t::estimate_shift(&differences);
        let (verdict, reason) = verdict(
            tied,
            artefacts[0] == artefacts[1],
            shift.as_ref(),
            margin,
            terms,
        );
        Self {
            anchor: terms.anchor.commit.clone(),
            artefact: Some(artefacts[0].to_owned()),
            verdict,
            absent: false,
            change: shift.map(AnchoredChange::from),
            margin,
            reason: reason.to_string(),
            reason_kind: Some(reason.kind()),
            warnings: tied.warnings.iter().map(SidedWarning::to_string).collect(),
            warning_kinds: tied.warnings.iter().map(SidedWarning::kind).collect(),
            pairs: tied.pairs.clone(),
        }
    }
}

fn verdict(
    tied: &AnchorSeries,
    same_code: bool,
    shift: Option<&ShiftEstimate>,
    margin: f64,
    terms: &AnchorTerms,
) -> (Verdict, Reason) {
    if let Some(failed) = &tied.failed {
        let side = if failed.side == 0 {
            "the anchor"
        } else {
            "the run"
        };
        return (
            Verdict::Missing,
            Reason::SideFailed {
                side,
                phase: failed.phase,
                message: failed.message.clone(),
            },
        );
    }
    if let Some((anchor, now)) = tied.digests.as_ref().and_then(find_different_digests) {
        let outputs = [anchor, now].map(|digest| digest.value.to_string());
        return (
            Verdict::OutputDiffers,
            Reason::OutputsDiffer(OutputDifference::SinceAnchor(outputs)),
        );
    }
    let pairs = tied.pairs.len();
    let Some(shift) = shift else {
        return (Verdict::Inconclusive, Reason::Interrupted { pairs });
    };
    if same_code {
        return (Verdict::Equivalent, Reason::SameCode);
    }
    let finding = student_t::decide_shift(shift, margin, terms.together);
    word_reason(finding, terms.changed, || match finding {
        PairFinding::Equivalent => Reason::WithinMargin { pairs, margin },
        PairFinding::Open => Reason::OpenByAnchor {
            pairs,
            anchor: shorten_commit(&terms.anchor.commit),
        },
        PairFinding::Higher | PairFinding::Lower => Reason::DecidedByAnchor {
            pairs,
            jobs: terms.together,
            margin,
        },
    })
}

/// Converts a finding to a verdict with its reason. If the machine changed meanwhile, the verdict
/// is inconclusive.
fn word_reason(
    finding: PairFinding,
    changed: Option<&str>,
    reason: impl Fn() -> Reason,
) -> (Verdict, Reason) {
    if let Some(changed) = changed {
        return (
            Verdict::Inconclusive,
            Reason::MachineChanged(changed.to_owned()),
        );
    }
    let verdict = match finding {
        PairFinding::Higher => Verdict::Regressed,
        PairFinding::Lower => Verdict::Improved,
        PairFinding::Equivalent => Verdict::Equivalent,
        PairFinding::Open => Verdict::Inconclusive,
    };
    (verdict, reason())
}

/// Returns the first digits of a commit.
fn shorten_commit(commit: &str) -> String {
    commit[..10.min(commit.len())].to_owned()
}

/// Returns the digests of both sides if both have one and they disagree.
fn find_different_digests(digests: &[String; 2]) -> Option<(Digest, Digest)> {
    let [anchor, now] = digests
        .each_ref()
        .map(|text| serde_json::from_str::<Digest>(text).ok());
    let (anchor, now) = (anchor?, now?);
    (!anchor.agrees(&now)).then_some((anchor, now))
}

/// One job of two records that were both paired with the same artefact.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SharedAnchor {
    pub(crate) anchor: String,
    pub(crate) shift: ShiftEstimate,
    /// Pairs of the smaller group.
    pub(crate) pairs: usize,
    /// Relative difference that matters: the larger one of both runs, each of which includes its
    /// build effect.
    pub(crate) margin: f64,
    /// Whether both runs measured the same library with the same input files, as far as the records
    /// contain their hashes.
    pub(crate) same_code: bool,
}

impl SharedAnchor {
    /// Estimates the shift of the job between two records through an anchor that both share.
    pub(crate) fn of(a: &JobRecord, b: &JobRecord) -> Option<Self> {
        // A record is a file that may hold any content. No real pair differs by a factor of e^20.
        let differences = |one: &AnchoredJob| {
            let all = one.pairs.iter().map(|pair| pair.difference);
            all.filter(|difference| difference.abs() < 20.0)
                .collect::<Vec<f64>>()
        };
        let same_code =
            a.plugin.hash.is_some() && a.plugin.hash == b.plugin.hash && a.inputs == b.inputs;
        // A series that ended with a crash is no measurement, whatever the number of its pairs.
        let whole = |one: &&AnchoredJob| one.artefact.is_some() && one.verdict != Verdict::Missing;
        a.anchored.iter().filter(whole).find_map(|one| {
            let other = b
                .anchored
                .iter()
                .filter(whole)
                .find(|other| other.artefact == one.artefact)?;
            let (a, b) = (differences(one), differences(other));
            let shift = student_t::compare_groups(&a, &b)?;
            let (pairs, margin) = (a.len().min(b.len()), one.margin.max(other.margin));
            Some(Self {
                anchor: one.anchor.clone(),
                shift,
                pairs,
                margin,
                same_code,
            })
        })
    }

    /// Judges the shift among `together` jobs. `changed` is the message about a changed machine,
    /// and `remedy` is the measurement that decides.
    pub(crate) fn verdict(
        &self,
        together: usize,
        changed: Option<&str>,
        remedy: &NextMeasurement,
    ) -> (Verdict, Reason) {
        if self.same_code {
            return (Verdict::Equivalent, Reason::SameCode);
        }
        let finding = student_t::decide_shift(&self.shift, self.margin, together);
        word_reason(finding, changed, || Reason::ThroughAnchor {
            anchor: shorten_commit(&self.anchor),
            pairs: self.pairs,
            finding: match finding {
                PairFinding::Equivalent => AnchorFinding::WithinMargin {
                    margin: self.margin,
                },
                PairFinding::Open => AnchorFinding::Open {
                    next: remedy.clone(),
                },
                PairFinding::Higher | PairFinding::Lower => {
                    AnchorFinding::Decided { jobs: together }
                }
            },
        })
    }
}

/// Describes the change of the machine between two records, if their sentinels disagree.
pub(crate) fn machine_changed(a: &Record, b: &Record) -> Option<String> {
    let (before, now) = (a.sentinel.as_ref()?, b.sentinel.as_ref()?);
    if before.kernel != now.kernel {
        return None;
    }
    let moved = crate::sentinel::find_moves(&before.levels(), &now.levels());
    let causes = || crate::sentinel::find_causes(&now.readings, now.steal);
    (!moved.is_empty()).then(|| crate::sentinel::describe_change(&moved, &causes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::runner::pair_series::SideFailure;
    use orch_core::protocol::Phase;

    fn anchor() -> AnchorRecord {
        AnchorRecord {
            name: "v1".into(),
            commit: "0123456789abcdef".into(),
            subject: String::new(),
            committed: String::new(),
            role: AnchorRole::Anchor,
            artefacts: IndexMap::new(),
        }
    }

    fn pair(difference: f64) -> PairRecord {
        PairRecord {
            difference,
            floor: true,
            block: 5,
            iterations: 1,
            untimed: true,
            spawn_first: 0,
            load_first: 0,
            turn_first: vec![0],
            stack_shift: 0,
            heap_shift: 0,
            page_shift: 0,
            same_addresses: true,
            a_ns: vec![1],
            b_ns: vec![1],
            involuntary_switches: 0,
            wall_ns: 1,
        }
    }

    fn tied(differences: &[f64]) -> AnchorSeries {
        AnchorSeries {
            pairs: differences.iter().copied().map(pair).collect(),
            ..AnchorSeries::default()
        }
    }

    fn judged(tied: &AnchorSeries, changed: Option<&str>) -> (Verdict, String) {
        let anchor = anchor();
        let terms = AnchorTerms {
            anchor: &anchor,
            together: 10,
            changed,
        };
        let judged = AnchoredJob::judged(tied, ["a", "b"], 0.01, &terms);
        (judged.verdict, judged.reason)
    }

    #[test]
    fn five_pairs_decide_only_clear_changes() {
        let slower = tied(&[0.05, 0.051, 0.049, 0.05, 0.052]);
        assert_eq!(judged(&slower, None).0, Verdict::Regressed);
        assert_eq!(
            judged(&tied(&[-0.05, -0.051, -0.049, -0.05, -0.052]), None).0,
            Verdict::Improved
        );
        assert_eq!(
            judged(&tied(&[0.001, -0.001, 0.0, 0.0005, 0.0]), None).0,
            Verdict::Equivalent
        );
        let (verdict, reason) = judged(&tied(&[0.05, -0.04, 0.06, 0.01, 0.0]), None);
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(reason.contains("orch compare 0123456789 HEAD"), "{reason}");
        assert_eq!(
            judged(&tied(&[0.05]), None),
            (Verdict::Inconclusive, "interrupted after 1 pair".to_owned())
        );
    }

    #[test]
    fn machine_that_changed_leaves_every_time_open() {
        let slower = tied(&[0.05, 0.051, 0.049, 0.05, 0.052]);
        let (verdict, reason) = judged(&slower, Some("the machine changed: hot"));
        assert_eq!(
            (verdict, reason.as_str()),
            (Verdict::Inconclusive, "the machine changed: hot")
        );
    }

    #[test]
    fn other_output_and_failures_come_before_times() {
        let digests = |now: &str| Some([r#"{"value": 7}"#.to_owned(), now.to_owned()]);
        let mut other = tied(&[-0.05, -0.051, -0.049, -0.05, -0.052]);
        other.digests = digests(r#"{"value": 8}"#);
        assert_eq!(
            judged(&other, None).0,
            Verdict::OutputDiffers,
            "faster by computing something else"
        );
        other.digests = digests(r#"{"value": 7}"#);
        assert_eq!(judged(&other, None).0, Verdict::Improved);
        other.failed = Some(SideFailure {
            side: 0,
            phase: Phase::Run,
            message: "SIGSEGV".to_owned(),
        });
        assert_eq!(
            judged(&other, None),
            (
                Verdict::Missing,
                "the anchor failed in run: SIGSEGV".to_owned()
            )
        );
    }

    #[test]
    fn same_library_is_the_same_code() {
        let anchor = anchor();
        let terms = AnchorTerms {
            anchor: &anchor,
            together: 1,
            changed: None,
        };
        let judged = AnchoredJob::judged(&tied(&[0.05, 0.051, 0.049]), ["a", "a"], 0.01, &terms);
        assert_eq!(
            (judged.verdict, judged.reason.as_str()),
            (Verdict::Equivalent, "same code")
        );
    }
}
