//! Events of a run, for code that displays or logs them. The measuring code itself prints nothing.

use crate::pass::PassName;
use std::time::Duration;

/// One event of a run.
#[derive(Debug)]
pub(crate) enum ProgressEvent<'a> {
    /// The build or inspection of a plugin begins.
    Preparing {
        plugin: &'a str,
    },
    /// A remark about the command's input or surroundings.
    Note {
        text: &'a str,
    },
    /// One line of a build's output.
    BuildLine {
        line: &'a str,
    },
    /// Everything is ready. The number of passes that follow is `passes`.
    Begin {
        passes: usize,
        estimate: Duration,
    },
    /// Another process has the measuring lock. `holder` describes the process and how long it has
    /// had the lock.
    WaitingForLock {
        holder: &'a str,
    },
    PassBegins {
        job: &'a str,
        pass: PassName,
        round: u32,
        left: Duration,
    },
    /// A pass gave a result. For timing passes, `median_ns` is the median time of an iteration so
    /// far.
    PassEnds {
        job: &'a str,
        median_ns: Option<f64>,
    },
    /// The job has ended without a result. `lost` states whether the job failed or was skipped.
    JobLost {
        job: &'a str,
        lost: &'static str,
        phase: &'a str,
        message: &'a str,
    },
    /// The number of passes has changed: passes that the plan could not foresee were added, or
    /// passes of a lost job are left out.
    PassesChanged {
        by: i64,
    },
    /// Everything is ready for the comparison of this many workloads.
    BeginPairs {
        workloads: usize,
    },
    /// One more pair of a workload was measured. `estimate` is the log ratio over its pairs so far.
    Pair {
        job: &'a str,
        pairs: usize,
        estimate: f64,
    },
    /// Number of workloads that have no verdict yet.
    StillOpen {
        workloads: usize,
    },
    End,
}

/// Receiver of events.
pub(crate) trait ProgressObserver {
    fn see(&mut self, event: ProgressEvent<'_>);
}
