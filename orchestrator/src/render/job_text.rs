//! Ready texts of a measured job, the same in all reports.

use crate::record::JobRecord;
use orch_core::format;
use serde::Serialize;

/// The cells of a job; empty where a value was not measured.
#[derive(Debug, Default, Serialize)]
pub(super) struct JobText {
    pub(super) time: String,
    /// The larger distance from the median to an end of the interval, relative to the median; `n/a`
    /// for one process.
    pub(super) spread: String,
    /// Allocations and bytes, marked if they are not exact.
    pub(super) allocations: String,
    pub(super) bytes: String,
    /// The first metric of the plugin, with its unit.
    pub(super) metric: String,
}

impl JobText {
    pub(super) fn of(job: &JobRecord) -> Self {
        let mut text = Self::default();
        if let Some(time) = &job.time {
            let ends = [time.high_ns - time.median_ns, time.median_ns - time.low_ns];
            let spread = ends[0].max(ends[1]) / time.median_ns;
            text.time = format::time(time.median_ns);
            text.spread = if time.processes.len() > 1 {
                format!("±{}", format::percent(spread))
            } else {
                "n/a".to_owned()
            };
        }
        if let Some(counted) = &job.allocations {
            let mark = if counted.exact { "" } else { "~" };
            text.allocations = format!("{mark}{}", format::number(counted.count));
            text.bytes = format!("{mark}{}", format::bytes(counted.bytes));
        }
        if let Some((id, value)) = job.metrics.first() {
            let unit = job.metrics_info.get(id).map_or("", |info| &info.unit);
            text.metric = format!("{} {unit}", format::number(*value));
        }
        text
    }
}
