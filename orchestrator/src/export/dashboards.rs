//! Files for services that draw a point per run.

use crate::record::{JobRecord, Record};
use indexmap::IndexMap;
use orch_core::format::clean;
use serde::Serialize;

/// A measure in Bencher Metric Format.
#[derive(Debug, Serialize)]
pub(super) struct BencherMeasure {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

/// A point of github-action-benchmark.
#[derive(Debug, Serialize)]
pub(super) struct BenchmarkPoint {
    name: String,
    unit: &'static str,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<String>,
}

/// Exports the measured jobs, by job and measure. `latency` is in nanoseconds, which is the unit of
/// that measure; the counts are measures of their own.
pub(super) fn export_bencher(
    record: &Record,
) -> IndexMap<String, IndexMap<&'static str, BencherMeasure>> {
    let mut jobs = IndexMap::new();
    for job in &record.jobs {
        let mut measures = IndexMap::new();
        if let Some(time) = &job.time {
            measures.insert(
                "latency",
                BencherMeasure {
                    value: time.median_ns,
                    lower_value: Some(time.low_ns),
                    upper_value: Some(time.high_ns),
                },
            );
        }
        for (name, value) in list_counts(job) {
            measures.insert(
                name,
                BencherMeasure {
                    value,
                    lower_value: None,
                    upper_value: None,
                },
            );
        }
        if !measures.is_empty() {
            jobs.insert(clean::clean_line(&job.id).into_owned(), measures);
        }
    }
    jobs
}

/// Exports the measured jobs, a point per job and metric. Smaller is better for all of them.
pub(super) fn export_action_benchmark(record: &Record) -> Vec<BenchmarkPoint> {
    let mut points = Vec::new();
    for job in &record.jobs {
        let id = clean::clean_line(&job.id);
        if let Some(time) = &job.time {
            let half = (time.high_ns - time.low_ns) / 2.0;
            points.push(BenchmarkPoint {
                name: id.to_string(),
                unit: "ns",
                value: time.median_ns,
                range: Some(format!("± {half:.3}")),
                extra: Some(format!("{} processes", time.processes.len())),
            });
        }
        for (name, value) in list_counts(job) {
            points.push(BenchmarkPoint {
                name: format!("{id} {name}"),
                unit: if name == "allocations" { name } else { "B" },
                value,
                range: None,
                extra: None,
            });
        }
    }
    points
}

fn list_counts(job: &JobRecord) -> Vec<(&'static str, f64)> {
    let counts = job.allocations.iter();
    counts
        .flat_map(|counts| {
            [
                ("allocations", counts.count),
                ("bytes", counts.bytes),
                ("peak_bytes", counts.peak_bytes),
            ]
        })
        .collect()
}
