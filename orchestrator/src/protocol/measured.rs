//! What a worker measured in each pass.

use serde::{Deserialize, Serialize};

/// One process's timed samples.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TimedSamples {
    /// The digest document as the plugin wrote it; empty if it has none.
    pub(crate) digest: String,
    /// Iterations in each sample.
    pub(crate) iterations: u64,
    /// Durations of the samples, in the order they were taken.
    pub(crate) samples_ns: Vec<u64>,
    pub(crate) warm_up: WarmUp,
    pub(crate) usage: ResourceUsage,
    /// Smallest step of the clock on this machine.
    pub(crate) resolution_ns: u64,
}

/// One worker of a pair before its first turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PairReady {
    pub(crate) digest: String,
    /// Iterations that make a sample long enough.
    pub(crate) iterations: u64,
    /// Median over the last window of warming up.
    pub(crate) iteration_ns: f64,
    /// Where its stack is: the same on both sides, unless the system insists on random addresses.
    pub(crate) stack: u64,
    pub(crate) warm_up: WarmUp,
}

/// What both workers of a pair are told when they are ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairStart {
    /// Iterations in each sample, the same for both.
    pub(crate) iterations: u64,
    /// An untimed sample after each hand-over fills the caches again.
    pub(crate) untimed: bool,
    /// The places in the common order at which this worker runs.
    pub(crate) places: Vec<u32>,
}

/// One worker's part of a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TurnSamples {
    /// Durations of the samples, in the order they were taken.
    pub(crate) samples_ns: Vec<u64>,
    pub(crate) usage: ResourceUsage,
}

/// One reading of the sentinel kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentinelReading {
    /// Durations of the samples of the chain of multiplications, in the order taken.
    pub(crate) compute_ns: Vec<u64>,
    /// The same of the walk through memory.
    pub(crate) memory_ns: Vec<u64>,
    pub(crate) usage: ResourceUsage,
}

/// How warming up went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WarmUp {
    pub(crate) ns: u64,
    pub(crate) iterations: u64,
    pub(crate) ended: WarmUpEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WarmUpEnd {
    /// Two consecutive windows agreed.
    Steady,
    /// Its time was up first.
    Budget,
}

/// What the operating system saw while the samples were taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResourceUsage {
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

/// The scope trees of some iterations.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ScopeProfile {
    pub(crate) digest: String,
    pub(crate) iterations: u64,
    /// Time inside `run` over all iterations, with scopes and counting on.
    pub(crate) run_ns: u64,
    /// Median of one iteration of those; one that was disturbed weighs no more than the others.
    pub(crate) iteration_ns: f64,
    pub(crate) scopes: Vec<ScopeNode>,
    pub(crate) complaints: Vec<String>,
}

/// A scope in its place in the tree, summed over all iterations of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScopeNode {
    pub(crate) name: String,
    /// Opened on a thread other than the driver's: in no total.
    pub(crate) pool: bool,
    pub(crate) calls: u64,
    pub(crate) total_ns: u64,
    pub(crate) self_ns: u64,
    pub(crate) min_ns: u64,
    pub(crate) max_ns: u64,
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
    /// Shortest duration of the first, second, ... call of an iteration; empty where iterations
    /// differ in calls.
    pub(crate) series_min_ns: Vec<u64>,
    pub(crate) counters: Vec<CounterSum>,
    pub(crate) children: Vec<ScopeNode>,
}

/// The sum of a named counter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CounterSum {
    pub(crate) name: String,
    pub(crate) sum: f64,
    /// How far rounding may have moved the sum; 0 where it is exact.
    #[serde(default)]
    pub(crate) rounding: f64,
}

/// One process's allocations over a fixed number of iterations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AllocationCounts {
    pub(crate) digest: String,
    pub(crate) iterations: u64,
    /// Successful allocations inside the iterations, on all threads.
    pub(crate) allocations: u64,
    /// Requested bytes of those.
    pub(crate) bytes: u64,
    /// The highest rise of live bytes within one iteration.
    pub(crate) peak_bytes: u64,
    /// Live bytes after the last iteration minus before the first (resets included).
    pub(crate) leaked_bytes: i64,
    /// Allocation events (allocations and frees) of threads other than the driver.
    pub(crate) elsewhere: u64,
    /// Iterations differed in allocations or bytes.
    pub(crate) uneven: bool,
    /// The process had one thread from beginning to end.
    pub(crate) single_threaded: bool,
    /// More blocks lived than the table holds: bytes and counts are right, peak and leak are not.
    pub(crate) untracked: bool,
    /// Blocks that the iterations or their resets freed or resized, and that no call that is
    /// counted had given out.
    #[serde(default)]
    pub(crate) foreign_blocks: u64,
    /// Growth of resident memory over the iterations, to notice allocators that go around malloc.
    pub(crate) resident_growth: i64,
    pub(crate) counters: Vec<CounterSum>,
    pub(crate) complaints: Vec<String>,
    /// Where the workload's code begins, as addresses within the library; empty if the plugin does
    /// not say.
    #[serde(default)]
    pub(crate) code: Vec<u64>,
}
