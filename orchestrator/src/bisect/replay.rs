//! Answers from before an interruption, kept until the search requests them again.

use crate::bisect::skip_reason::SkipReason;
use crate::bisect::state::{BisectStep, ProbeRecord};
use crate::comparison::{ComparedWorkload, MetricEntry};
use crate::runner::pair_series::PairRecord;
use std::collections::{HashMap, VecDeque};

/// Result of a commit.
pub(crate) struct CommitProbe {
    /// Whether this bisect built it, or tried to.
    pub(crate) built: bool,
    pub(crate) result: Result<Box<ProbeRecord>, SkipReason>,
}

/// Comparison of a suspect with the commit before it.
#[derive(Clone)]
pub(crate) struct ConfirmedSuspect {
    pub(crate) entries: Vec<MetricEntry>,
    pub(crate) workload: ComparedWorkload,
}

/// Answers from before an interruption that the search has not requested again yet.
#[derive(Default)]
pub(crate) struct EarlierSteps {
    pub(crate) looks: HashMap<usize, (f64, CommitProbe)>,
    pub(crate) codes: HashMap<(usize, usize), bool>,
    pub(crate) pairs: HashMap<(usize, usize), VecDeque<PairRecord>>,
    pub(crate) failed: HashMap<(usize, usize), SkipReason>,
    pub(crate) confirmed: HashMap<(usize, usize), ConfirmedSuspect>,
}

impl EarlierSteps {
    pub(crate) fn new(steps: Vec<BisectStep>) -> Self {
        let mut before = Self::default();
        for step in steps {
            match step {
                BisectStep::Look {
                    position,
                    seconds,
                    built,
                    result,
                } => {
                    before
                        .looks
                        .insert(position, (seconds, CommitProbe { built, result }));
                }
                BisectStep::Code { one, other, same } => {
                    before.codes.insert((one, other), same);
                }
                BisectStep::Pair {
                    reference,
                    position,
                    pair,
                } => {
                    before
                        .pairs
                        .entry((reference, position))
                        .or_default()
                        .push_back(*pair);
                }
                BisectStep::PairFailed {
                    reference,
                    position,
                    reason,
                } => {
                    before.failed.insert((reference, position), reason);
                }
                BisectStep::Confirmed {
                    parent,
                    position,
                    entries,
                    workload,
                } => {
                    before.confirmed.insert(
                        (parent, position),
                        ConfirmedSuspect {
                            entries,
                            workload: *workload,
                        },
                    );
                }
            }
        }
        before
    }
}
