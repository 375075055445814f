//! Where the time of a run went.

use crate::record::{self, Record, Wall};
use std::time::{Duration, Instant};

/// Clock readings from before the measuring.
pub(super) struct Spent {
    pub(super) begun: Instant,
    pub(super) prepare_time: Duration,
    /// Until measurements of others had ended, so that plugins could be built.
    pub(super) lock_time: Duration,
    /// The passes of the session that was killed, of a run that goes on.
    pub(super) earlier: Duration,
}

impl Spent {
    /// The times of a run that measured this.
    pub(super) fn wall(&self, record: &Record) -> Wall {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let sum = |part: &dyn Fn(&record::JobWall) -> u64| {
            record.jobs.iter().map(|job| part(&job.wall)).sum::<u64>()
        };
        let total_ns = nanos(self.begun.elapsed() + self.earlier);
        let samples_ns = sum(&|wall| wall.samples_ns);
        Wall {
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
