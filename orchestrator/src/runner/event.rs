//! What happens during a run, for whoever shows or logs it. The measuring code itself prints
//! nothing.

use crate::pass::PassName;
use std::time::Duration;

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum ProgressEvent<'a> {
    /// A plugin's build or inspection begins.
    Preparing {
        plugin: &'a str,
    },
    /// A line of a build's output.
    BuildLine {
        line: &'a str,
    },
    /// Everything is ready; this many passes follow.
    Begin {
        passes: usize,
        estimate: Duration,
    },
    /// Another process has the measuring lock: who, and since when.
    WaitingForLock {
        holder: &'a str,
    },
    PassBegins {
        job: &'a str,
        pass: PassName,
        round: u32,
        left: Duration,
    },
    /// A pass gave a result; of timing passes, the median of the time of an iteration so far.
    PassEnds {
        job: &'a str,
        median_ns: Option<f64>,
    },
    /// The job is over: `lost` says whether it failed or was skipped.
    JobLost {
        job: &'a str,
        lost: &'static str,
        phase: &'a str,
        message: &'a str,
    },
    /// Passes that the plan could not know of, or that are left out since their job is lost.
    PassesChanged {
        by: i64,
    },
    /// Everything is ready to be compared: this many workloads.
    BeginPairs {
        workloads: usize,
    },
    /// A workload has one more pair; what its pairs say so far is a log ratio.
    Pair {
        job: &'a str,
        pairs: usize,
        estimate: f64,
    },
    /// So many workloads have no verdict yet.
    StillOpen {
        workloads: usize,
    },
    End,
}

/// Takes events.
pub(crate) trait ProgressObserver {
    fn see(&mut self, event: ProgressEvent<'_>);
}
