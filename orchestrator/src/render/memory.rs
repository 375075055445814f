//! The memory of each job: allocations, bytes, the highest rise, and what stays.

use super::shown::{MOST_ROWS, ShownList};
use crate::record::{AllocationSummary, Record, store};
use orch_core::format;
use serde::Serialize;

/// The memory of one iteration of a job.
#[derive(Debug, Serialize)]
pub(super) struct JobMemory {
    job: String,
    /// Whether all processes counted the same, with everything on the driver thread.
    exact: bool,
    count: f64,
    bytes: f64,
    peak_bytes: f64,
    leaked_bytes: f64,
    page_faults: Option<f64>,
    text: MemoryText,
}

/// The cells of a job. ~ marks a median that is not exact.
#[derive(Debug, Serialize)]
struct MemoryText {
    count: String,
    bytes: String,
    peak_bytes: String,
    leaked_bytes: String,
    bytes_per_allocation: String,
    page_faults: String,
    other_threads: String,
}

/// Returns the jobs whose allocations were counted, those with the most bytes first.
pub(super) fn job_memory(record: &Record) -> ShownList<JobMemory> {
    let mut jobs: Vec<JobMemory> = record
        .jobs
        .iter()
        .filter_map(|job| Some(JobMemory::of(&job.id, job.allocations.as_ref()?)))
        .collect();
    jobs.sort_by(|one, other| other.bytes.total_cmp(&one.bytes));
    ShownList::first(MOST_ROWS, jobs).counting("job", store::FILE)
}

impl JobMemory {
    fn of(job: &str, counted: &AllocationSummary) -> Self {
        let mark = if counted.exact { "" } else { "~" };
        let marked = |value: f64, form: fn(f64) -> String| format!("{mark}{}", form(value));
        Self {
            job: job.to_owned(),
            exact: counted.exact,
            count: counted.count,
            bytes: counted.bytes,
            peak_bytes: counted.peak_bytes,
            leaked_bytes: counted.leaked_bytes,
            page_faults: counted.page_faults,
            text: MemoryText {
                count: marked(counted.count, format::number),
                bytes: marked(counted.bytes, format::bytes),
                peak_bytes: marked(counted.peak_bytes, format::bytes),
                leaked_bytes: marked(counted.leaked_bytes, format::bytes),
                bytes_per_allocation: if counted.count > 0.0 {
                    marked(counted.bytes / counted.count, format::bytes)
                } else {
                    String::new()
                },
                page_faults: counted.page_faults.map(rare).unwrap_or_default(),
                other_threads: marked(counted.other_threads_events, format::number),
            },
        }
    }
}

/// Formats a number that is often next to 0.
fn rare(value: f64) -> String {
    if value > 0.0 && value < 0.01 {
        "< 0.01".to_owned()
    } else {
        format::number(value)
    }
}
