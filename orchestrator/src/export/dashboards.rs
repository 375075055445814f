//! Files for services that draw a point per run.

use crate::record::{JobRecord, Record};
use indexmap::IndexMap;
use orch_core::format::clean;
use serde::Serialize;

/// Most bytes of the name of a benchmark that Bencher accepts.
const MOST_BENCHER_BYTES: usize = 1024;

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
    for (place, job) in record.jobs.iter().enumerate() {
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
            jobs.insert(name_benchmark(&job.id, place), measures);
        }
    }
    jobs
}

/// Returns the name of a job's benchmark. A longer name than Bencher accepts ends in the place of
/// the job, so that it stays unique.
fn name_benchmark(id: &str, place: usize) -> String {
    let name = clean::clean_line(id).into_owned();
    if name.len() <= MOST_BENCHER_BYTES {
        return name;
    }
    let ending = format!("... {place}");
    let room = MOST_BENCHER_BYTES - ending.len();
    let end = (0..=room).rev().find(|at| name.is_char_boundary(*at));
    format!("{}{ending}", &name[..end.unwrap_or_default()])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_unique() {
        assert_eq!(name_benchmark("gelu[n=1000]", 7), "gelu[n=1000]");
        let fitting = "x".repeat(MOST_BENCHER_BYTES);
        assert_eq!(name_benchmark(&fitting, 7), fitting);
        let long = "é".repeat(MOST_BENCHER_BYTES);
        let [one, other] = [7, 8].map(|place| name_benchmark(&long, place));
        assert!(
            one.len() <= MOST_BENCHER_BYTES && one.ends_with("é... 7"),
            "{one}"
        );
        assert_ne!(one, other);
    }
}
