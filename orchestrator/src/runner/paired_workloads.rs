//! Comparison of two builds of each workload: pairs are measured until each verdict is decided or
//! its budget is used up.

use super::event::{ProgressEvent, ProgressObserver};
use super::interrupt::Interrupt;
use super::pair::B;
use super::pair_series::{PairContext, PairRecord, PairSeries, PairSides, SideFailure};
use crate::model::warning::SidedWarning;
use orch_core::judge;
use orch_core::judge::assessment::{Assessment, assess};
use orch_core::judge::estimate::median;
use orch_core::judge::pair::PairSamples;
use orch_core::judge::verdict::{ALPHA, JudgedWorkload, PairFinding, decide_findings};
use orch_core::protocol::Phase;
use orch_core::random::SeededRandom;
use std::io;
use std::time::Duration;

/// Limits at which measuring a workload ends without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PairLimits {
    pub(crate) pairs: usize,
    pub(crate) time: Duration,
    /// Limit for all workloads together.
    pub(crate) total: Option<Duration>,
}

/// Result of the pairs of one workload.
#[derive(Debug, Clone)]
pub(crate) struct PairedResult {
    pub(crate) pairs: Vec<PairRecord>,
    pub(crate) assessment: Assessment,
    pub(crate) finding: PairFinding,
    pub(crate) stopped: PairStopReason,
    pub(crate) warnings: Vec<SidedWarning>,
    pub(crate) wall: Duration,
}

/// Reason why no more pairs were measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PairStopReason {
    Decided,
    /// The maximum number of pairs was reached.
    Pairs,
    /// The time limit was reached.
    Time,
    Interrupted,
    /// One side failed.
    Failed {
        side: usize,
        phase: Phase,
        message: String,
    },
}

/// Measures all workloads. `margins` has the smallest relative difference that matters for each of
/// them. `only_layout` is called at most once per workload, after its times show a change, and
/// returns whether only the layout differs. Such a workload ends with its present finding and is no
/// evidence for or against the others. Only errors of the system end the measurement early.
pub(crate) fn measure_workloads(
    (workloads, margins): (&[PairSides], &[f64]),
    context: &PairContext,
    limits: PairLimits,
    only_layout: &mut dyn FnMut(usize) -> bool,
    random: &mut SeededRandom,
    interrupt: &Interrupt,
    observer: &mut dyn ProgressObserver,
) -> io::Result<Vec<PairedResult>> {
    let mut states: Vec<PairedState> = workloads.iter().map(|_| PairedState::new()).collect();
    observer.see(ProgressEvent::BeginPairs {
        workloads: states.len(),
    });
    loop {
        judge_workloads(margins, &mut states, only_layout);
        let mut open: Vec<usize> = Vec::new();
        for (index, state) in states.iter().enumerate() {
            if state.is_open(limits) {
                open.push(index);
            }
        }
        observer.see(ProgressEvent::StillOpen {
            workloads: open.len(),
        });
        let spent: Duration = states.iter().map(|state| state.series.wall).sum();
        if open.is_empty()
            || interrupt.is_requested()
            || limits.total.is_some_and(|total| spent >= total)
        {
            break;
        }
        random.shuffle_items(&mut open);
        for index in open {
            states[index].measure_pair(&workloads[index], context, random, interrupt)?;
            let state = &states[index];
            let Assessment {
                estimate, pairs, ..
            } = state.assessment;
            observer.see(ProgressEvent::Pair {
                job: &workloads[index].jobs[B].id,
                pairs,
                estimate,
            });
            if interrupt.is_requested() {
                break;
            }
        }
    }
    observer.see(ProgressEvent::End);
    let interrupted = interrupt.is_requested();
    Ok(states
        .into_iter()
        .map(|state| state.into_result(limits, interrupted))
        .collect())
}

/// Judges all workloads together. A workload that will not be reported as a change, because a side
/// failed or only its layout differs, is left out. Counting it would make it easier for the others
/// to be significant, and it would be absent from the report.
fn judge_workloads(
    margins: &[f64],
    states: &mut [PairedState],
    only_layout: &mut dyn FnMut(usize) -> bool,
) {
    loop {
        let cases: Vec<JudgedWorkload> = margins
            .iter()
            .zip(states.iter())
            .map(|(&margin, state)| JudgedWorkload {
                assessment: &state.assessment,
                margin,
                counts: state.series.failed.is_none() && !state.only_layout,
            })
            .collect();
        let mut again = false;
        for (index, finding) in decide_findings(&cases, ALPHA).into_iter().enumerate() {
            let state = &mut states[index];
            if state.only_layout {
                continue;
            }
            state.finding = finding;
            if matches!(finding, PairFinding::Higher | PairFinding::Lower)
                && !std::mem::replace(&mut state.asked, true)
            {
                state.only_layout = only_layout(index);
                again |= state.only_layout;
            }
        }
        if !again {
            return;
        }
    }
}

struct PairedState {
    series: PairSeries,
    assessment: Assessment,
    finding: PairFinding,
    /// Whether the machine code was compared and is the same. If it is, the finding keeps the value
    /// that it had at that time.
    only_layout: bool,
    asked: bool,
}

impl PairedState {
    fn new() -> Self {
        Self {
            series: PairSeries::default(),
            assessment: assess(&[], ALPHA),
            finding: PairFinding::Open,
            only_layout: false,
            asked: false,
        }
    }

    fn is_open(&self, limits: PairLimits) -> bool {
        self.series.failed.is_none()
            && self.finding == PairFinding::Open
            && self.series.pairs.len() < limits.pairs
            && self.series.wall < limits.time
    }

    fn into_result(self, limits: PairLimits, interrupted: bool) -> PairedResult {
        let PairSeries {
            pairs,
            failed,
            warnings,
            wall,
            ..
        } = self.series;
        let stopped = match failed {
            Some(SideFailure {
                side,
                phase,
                message,
            }) => PairStopReason::Failed {
                side,
                phase,
                message,
            },
            None if self.finding != PairFinding::Open => PairStopReason::Decided,
            None if pairs.len() >= limits.pairs => PairStopReason::Pairs,
            None if interrupted => PairStopReason::Interrupted,
            None => PairStopReason::Time,
        };
        PairedResult {
            pairs,
            assessment: self.assessment,
            finding: self.finding,
            stopped,
            warnings,
            wall,
        }
    }

    /// Measures one more pair and updates the assessment.
    fn measure_pair(
        &mut self,
        sides: &PairSides,
        context: &PairContext,
        random: &mut SeededRandom,
        interrupt: &Interrupt,
    ) -> io::Result<()> {
        let before = self.series.pairs.len();
        self.series
            .measure_pair(sides, context, random, interrupt)?;
        if self.series.pairs.len() > before {
            self.assessment = assess(&self.series.differences(), ALPHA);
        }
        Ok(())
    }
}

/// Computes times of both sides (ns per iteration) whose quotient is the estimate. The level
/// halfway between the sides, in logs, is the median over pairs; each side lies half of the
/// estimate away from it. Returns `None` without pairs.
pub(crate) fn compute_fitted_times(result: &PairedResult) -> Option<[f64; 2]> {
    let levels: Vec<f64> = result.pairs.iter().filter_map(compute_pair_level).collect();
    let level = median(&levels)?;
    let half = result.assessment.estimate / 2.0;
    Some([(level - half).exp(), (level + half).exp()])
}

/// Computes the log of the time of an iteration (ns) halfway between the sides of a pair. The
/// samples are summarised in the same way as for the pair's difference.
fn compute_pair_level(pair: &PairRecord) -> Option<f64> {
    let each = |samples: &[u64]| -> Vec<f64> {
        samples
            .iter()
            .map(|ns| *ns as f64 / pair.iterations.max(1) as f64)
            .collect()
    };
    let (a, b) = (each(&pair.a_ns), each(&pair.b_ns));
    judge::pair::pair_level(PairSamples { a: &a, b: &b }, pair.block, pair.floor)
}

/// Computes each side's median over the pairs of the shortest sample, in nanoseconds per iteration.
pub(crate) fn compute_typical_times(result: &PairedResult) -> [Option<f64>; 2] {
    let side = |of: fn(&PairRecord) -> &Vec<u64>| {
        let floors: Vec<f64> = result
            .pairs
            .iter()
            .filter_map(|pair| Some(*of(pair).iter().min()? as f64 / pair.iterations.max(1) as f64))
            .collect();
        median(&floors)
    };
    [side(|pair| &pair.a_ns), side(|pair| &pair.b_ns)]
}
