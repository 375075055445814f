//! The end of each pass of a run: written by the runner, read when the record is made.

use crate::model::warning::JobWarning;
use orch_core::judge::estimate::median;
use orch_core::protocol::{AllocationCounts, Phase, TimedSamples, WorkerReply};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Number of workers that have to agree before a count is called exact.
pub(crate) const EXACT_RUNS: u32 = 2;

/// A finished pass, with its result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PassEnd {
    /// Id of the job.
    pub(crate) job: String,
    pub(crate) pass: PassName,
    pub(crate) round: u32,
    pub(crate) cpus: Vec<usize>,
    pub(crate) wall_ns: u64,
    pub(crate) result: PassResult,
    pub(crate) warnings: Vec<JobWarning>,
}

impl PassEnd {
    /// Returns the end of a job for which no worker was started.
    pub(crate) fn without_worker(job: &str, result: PassResult) -> Self {
        let (job, pass) = (job.to_owned(), PassName::None);
        Self {
            job,
            pass,
            round: 0,
            cpus: Vec::new(),
            wall_ns: 0,
            result,
            warnings: Vec::new(),
        }
    }
}

/// Groups the ends by the id of their job and keeps their order.
pub(crate) fn group_by_job(ends: &[PassEnd]) -> HashMap<&str, Vec<&PassEnd>> {
    let mut by_job: HashMap<&str, Vec<&PassEnd>> = HashMap::new();
    for end in ends {
        by_job.entry(&end.job).or_default().push(end);
    }
    by_job
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PassName {
    /// No worker was started: the plugin had failed, or the machine is too small.
    None,
    Profile,
    Count,
    Time,
    /// A pass of the run itself, which belongs to no job.
    Sentinel,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PassResult {
    Reply(Box<WorkerReply>),
    Failed { phase: Phase, message: String },
    Skipped { phase: Phase, message: String },
}

/// Returns whether counts are exact: there were no other threads, no block came from elsewhere, no
/// block escaped the table, and all processes agree. The absence of other threads is required
/// because a thread pool that does not allocate in these iterations may allocate in the next ones.
pub(crate) fn is_exact(counts: &[&AllocationCounts]) -> bool {
    let quantities = |count: &AllocationCounts| {
        (
            count.allocations,
            count.bytes,
            count.peak_bytes,
            count.leaked_bytes,
        )
    };
    counts.len() >= EXACT_RUNS as usize
        && counts.iter().all(|count| {
            count.single_threaded
                && count.elsewhere == 0
                && !count.untracked
                && count.foreign_blocks == 0
        })
        && counts
            .windows(2)
            .all(|pair| quantities(pair[0]) == quantities(pair[1]))
}

/// Returns the median time of an iteration in one process.
pub(crate) fn process_median(timing: &TimedSamples) -> Option<f64> {
    median_of_samples(&timing.samples_ns, timing.iterations)
}

/// Returns the median time of an iteration (ns) over samples of `iterations` each.
pub(crate) fn median_of_samples(samples_ns: &[u64], iterations: u64) -> Option<f64> {
    let per_iteration: Vec<f64> = samples_ns
        .iter()
        .map(|ns| *ns as f64 / iterations.max(1) as f64)
        .collect();
    median(&per_iteration)
}
