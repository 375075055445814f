//! The wall time of a run by activity.

use crate::record::{self, Record, RunWall};
use std::time::Duration;

/// Times spent before the first measurement.
pub(super) struct TimeSpent {
    pub(super) prepare_time: Duration,
    /// Time spent waiting for measurements of other processes.
    pub(super) lock_time: Duration,
    /// Time of the passes done before the run was resumed.
    pub(super) earlier: Duration,
}

impl TimeSpent {
    /// Computes the times of a run with this record, `elapsed` after it began.
    pub(super) fn sum_up(&self, elapsed: Duration, record: &Record) -> RunWall {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let sum = |part: &dyn Fn(&record::JobWall) -> u64| {
            record.jobs.iter().map(|job| part(&job.wall)).sum::<u64>()
        };
        let total_ns = nanos(elapsed + self.earlier);
        let samples_ns = sum(&|wall| wall.samples_ns);
        RunWall {
            total_ns,
            prepare_ns: nanos(self.prepare_time),
            lock_ns: nanos(self.lock_time),
            profile_ns: sum(&|wall| wall.profile_ns),
            count_ns: sum(&|wall| wall.count_ns),
            time_ns: sum(&|wall| wall.time_ns),
            samples_ns,
            anchors_ns: record
                .jobs
                .iter()
                .flat_map(|job| &job.anchored)
                .flat_map(|one| &one.pairs)
                .map(|pair| pair.wall_ns)
                .sum(),
            samples_share: samples_ns as f64 / total_ns.max(1) as f64,
        }
    }
}
