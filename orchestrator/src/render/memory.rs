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

/// Returns the jobs that allocate, those with the most bytes first.
pub(super) fn job_memory(record: &Record) -> ShownList<JobMemory> {
    let counted = record
        .jobs
        .iter()
        .filter_map(|job| Some((&job.id, job.allocations.as_ref()?)));
    let mut jobs: Vec<JobMemory> = counted
        .filter(|(_, counted)| !allocates_nothing(counted))
        .map(|(id, counted)| JobMemory::of(id, counted))
        .collect();
    jobs.sort_by(|one, other| other.bytes.total_cmp(&one.bytes));
    ShownList::first(MOST_ROWS, jobs).counting("job", store::FILE)
}

/// Names the jobs that allocate nothing, in a sentence; `None` if there are none.
pub(super) fn name_jobs_without(record: &Record) -> Option<String> {
    let counted = record.jobs.iter().filter(|job| {
        let counted = job.allocations.as_ref();
        counted.is_some_and(allocates_nothing)
    });
    let ids: Vec<&str> = counted.map(|job| job.id.as_str()).collect();
    (!ids.is_empty()).then(|| {
        let verb = if ids.len() == 1 {
            "allocates"
        } else {
            "allocate"
        };
        let jobs = format::counted(ids.len(), "job");
        format!("{jobs} {verb} nothing: {}.", format::listed(&ids))
    })
}

/// Returns whether all processes counted nothing at all.
fn allocates_nothing(counted: &AllocationSummary) -> bool {
    let figures = [
        counted.count,
        counted.bytes,
        counted.peak_bytes,
        counted.leaked_bytes,
    ];
    counted.exact && counted.other_threads_events == 0.0 && figures == [0.0; 4]
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
