//! The result of timing programs: one entry per program and per comparison of two programs. Field
//! names are an interface.

use super::program_list::TimedProgram;
use super::ranking::{self, RankedPair};
use crate::comparison::RelativeChange;
use crate::machine::Machine;
use crate::machine::load::MachineLoad;
use crate::runner::pair_series::PairRecord;
use orch_core::judge::verdict::PairFinding;
use serde::{Deserialize, Serialize};

/// The value of `schema`.
pub(crate) const SCHEMA: &str = "orch/time/1";

/// Times of one or more programs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TimeResult {
    pub(crate) schema: String,
    /// Version of orch.
    pub(crate) orch: String,
    /// Start and end, UTC.
    pub(crate) started: String,
    pub(crate) ended: String,
    /// Seed of all random choices.
    pub(crate) seed: u64,
    /// Level of the findings.
    pub(crate) alpha: f64,
    /// Relative difference that matters.
    pub(crate) margin: f64,
    /// Whether the user stopped the measurement.
    pub(crate) interrupted: bool,
    pub(crate) shell: LineShell,
    pub(crate) machine: Machine,
    /// Load of the machine during the measurement.
    pub(crate) load: Option<MachineLoad>,
    pub(crate) programs: Vec<ProgramTimes>,
    /// The first program compared with each other one, and then neighbours in the order of speed. A
    /// program that fails is not the first one.
    pub(crate) comparisons: Vec<ProgramComparison>,
    /// Helpers that failed after the measurement, each as a sentence.
    pub(crate) problems: Vec<String>,
}

/// Program that starts the command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LineShell {
    /// `sh -c`; its start is part of each run.
    Sh,
    /// None: orch parts the line into words and starts the program itself.
    None,
}

/// Measurements of one program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProgramTimes {
    #[serde(flatten)]
    pub(crate) program: TimedProgram,
    /// Rank by speed, from 1; null without a time. A program shares the rank of the next faster one
    /// unless it was shown to be slower than a program of that rank.
    pub(crate) rank: Option<usize>,
    /// Wall time of one run. With several programs, it is the first program's time, multiplied by
    /// the estimated ratio to it.
    pub(crate) time_ns: Option<f64>,
    /// Interval of the time of a program that was measured alone.
    pub(crate) low_ns: Option<f64>,
    pub(crate) high_ns: Option<f64>,
    /// Probability that such an interval covers the true median.
    pub(crate) confidence: Option<f64>,
    /// Number of timed runs.
    pub(crate) runs: usize,
    /// Times of the runs of a program that was measured alone, by worker, in the order measured.
    /// The runs of others are in `comparisons`.
    pub(crate) samples_ns: Vec<Vec<u64>>,
    /// Costs of a run.
    pub(crate) costs: Option<ProgramCosts>,
    /// Reason why the program was not measured.
    pub(crate) failure: Option<String>,
}

/// Costs of one run, as the mean over some runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProgramCosts {
    /// User CPU time of the program and its children.
    pub(crate) user_ns: f64,
    /// System CPU time of the program and its children.
    pub(crate) system_ns: f64,
    /// Peak resident memory of the largest process.
    pub(crate) peak_bytes: f64,
    /// Resident memory of orch's worker, which Linux includes in the peak. A program whose peak is
    /// no larger used at most this much.
    pub(crate) own_bytes: f64,
    /// Number of runs.
    pub(crate) runs: u64,
}

/// Comparison of two programs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProgramComparison {
    /// Names of the programs.
    pub(crate) base: String,
    pub(crate) other: String,
    pub(crate) finding: ProgramFinding,
    /// Relative change of time from `base` to `other`.
    pub(crate) change: RelativeChange,
    /// All measurements, with `base` as A and `other` as B.
    pub(crate) pairs: Vec<PairRecord>,
}

/// Finding about the time of `other` in relation to `base`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProgramFinding {
    Slower,
    Faster,
    Equivalent,
    Undecided,
}

impl From<PairFinding> for ProgramFinding {
    fn from(finding: PairFinding) -> Self {
        match finding {
            PairFinding::Higher => Self::Slower,
            PairFinding::Lower => Self::Faster,
            PairFinding::Equivalent => Self::Equivalent,
            PairFinding::Open => Self::Undecided,
        }
    }
}

impl TimeResult {
    /// Returns whether a program or a helper failed.
    pub(crate) fn is_incomplete(&self) -> bool {
        let is_lost = |program: &ProgramTimes| program.failure.is_some();
        self.programs.iter().any(is_lost) || !self.problems.is_empty()
    }

    /// Ranks the programs by their times and the findings about them.
    pub(super) fn rank(&mut self, pairs: &[RankedPair]) {
        let times: Vec<Option<f64>> = self.programs.iter().map(|one| one.time_ns).collect();
        for (program, rank) in self
            .programs
            .iter_mut()
            .zip(ranking::rank_programs(&times, pairs))
        {
            program.rank = rank;
        }
    }
}
