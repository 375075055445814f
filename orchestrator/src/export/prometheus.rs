//! The text exposition format of Prometheus, for a push gateway or the textfile collector of the
//! node exporter.

use crate::record::{JobOutcome, JobRecord, Record};
use orch_core::format::clean;
use std::fmt::Write;

/// Nanoseconds of a second.
const SECOND_NS: f64 = 1e9;

/// A metric with its samples.
struct MetricFamily {
    name: &'static str,
    help: &'static str,
    samples: Vec<LabelledSample>,
}

/// Labels and value of one sample. The labels are escaped.
struct LabelledSample {
    labels: String,
    value: f64,
}

/// Exports the figures of all jobs, in seconds and bytes. Samples have no time of day, because
/// neither consumer accepts one.
pub(super) fn export(record: &Record) -> String {
    let mut text = String::new();
    for family in list_families(record) {
        write_family(&mut text, &family);
    }
    text
}

fn write_family(text: &mut String, family: &MetricFamily) {
    let MetricFamily {
        name,
        help,
        samples,
    } = family;
    if samples.is_empty() {
        return;
    }
    // Writing to a string never fails.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for LabelledSample { labels, value } in samples {
        let _ = writeln!(text, "{name}{{{labels}}} {value}");
    }
}

fn list_families(record: &Record) -> Vec<MetricFamily> {
    let of_run = label_run(record);
    let of_jobs = |name, help, value: fn(&JobRecord) -> Option<f64>| MetricFamily {
        name,
        help,
        samples: record
            .jobs
            .iter()
            .filter_map(|job| {
                Some(LabelledSample {
                    labels: label_job(&of_run, job),
                    value: value(job)?,
                })
            })
            .collect(),
    };
    let ended = record.ended.parse::<jiff::Timestamp>().ok();
    vec![
        MetricFamily {
            name: "orch_run_end_timestamp_seconds",
            help: "End of the run, in seconds since 1970.",
            samples: ended
                .map(|ended| LabelledSample {
                    labels: of_run.clone(),
                    value: ended.as_second() as f64,
                })
                .into_iter()
                .collect(),
        },
        of_jobs(
            "orch_job_measured",
            "Whether the job was measured: 1, or 0 if it failed or was skipped.",
            |job| Some(f64::from(job.outcome == JobOutcome::Measured)),
        ),
        of_jobs(
            "orch_job_time_seconds",
            "Time of one iteration: the median over processes.",
            |job| Some(job.time.as_ref()?.median_ns / SECOND_NS),
        ),
        of_jobs(
            "orch_job_time_low_seconds",
            "Lower end of the confidence interval of the time.",
            |job| Some(job.time.as_ref()?.low_ns / SECOND_NS),
        ),
        of_jobs(
            "orch_job_time_high_seconds",
            "Upper end of the confidence interval of the time.",
            |job| Some(job.time.as_ref()?.high_ns / SECOND_NS),
        ),
        of_jobs(
            "orch_job_allocations",
            "Allocations of one iteration.",
            |job| Some(job.allocations.as_ref()?.count),
        ),
        of_jobs(
            "orch_job_allocated_bytes",
            "Bytes that one iteration allocates.",
            |job| Some(job.allocations.as_ref()?.bytes),
        ),
        of_jobs(
            "orch_job_peak_bytes",
            "Highest rise of live bytes within an iteration.",
            |job| Some(job.allocations.as_ref()?.peak_bytes),
        ),
        list_plugin_metrics(record, &of_run),
    ]
}

/// Lists the metrics that plugins define, in one family. A name of a plugin is a label, because the
/// names of Prometheus have stricter rules, and equal names of two plugins may differ in unit.
fn list_plugin_metrics(record: &Record, of_run: &str) -> MetricFamily {
    let of_job = |job: &JobRecord| {
        let labels = label_job(of_run, job);
        let samples = job.metrics.iter().map(|(metric, value)| {
            let unit = job.metrics_info.get(metric).map_or("", |info| &info.unit);
            let (value, unit) = convert_to_base(*value, unit);
            let own = [("metric", metric.as_str()), ("unit", unit)];
            LabelledSample {
                labels: format!("{labels},{}", format_labels(&own)),
                value,
            }
        });
        samples.collect::<Vec<_>>()
    };
    MetricFamily {
        name: "orch_job_metric",
        help: "Metric that the plugin defines, in the unit of the label.",
        samples: record.jobs.iter().flat_map(of_job).collect(),
    }
}

/// Converts times to seconds and sizes to bytes. Other units stay.
fn convert_to_base(value: f64, unit: &str) -> (f64, &str) {
    match unit {
        "ns" => (value / SECOND_NS, "seconds"),
        "us" | "µs" => (value / 1e6, "seconds"),
        "ms" => (value / 1e3, "seconds"),
        "s" => (value, "seconds"),
        "B" => (value, "bytes"),
        "KiB" => (value * 1024.0, "bytes"),
        "MiB" => (value * f64::from(1 << 20), "bytes"),
        "GiB" => (value * f64::from(1 << 30), "bytes"),
        other => (value, other),
    }
}

fn label_run(record: &Record) -> String {
    let dirty = if record.git.dirty { "-dirty" } else { "" };
    let commit = record.git.commit.as_deref();
    let commit = commit.map(|commit| format!("{commit}{dirty}"));
    format_labels(&[
        ("scenario", record.scenario.name.as_str()),
        ("commit", commit.as_deref().unwrap_or_default()),
    ])
}

/// Returns the labels of a job. A push gateway replaces the label `job` of what it receives by that
/// of its own address, so the id has another name.
fn label_job(of_run: &str, job: &JobRecord) -> String {
    let own = format_labels(&[("orch_job", &job.id), ("workload", &job.workload)]);
    format!("{of_run},{own}")
}

fn format_labels(labels: &[(&str, &str)]) -> String {
    let labels = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escape_label(value)));
    labels.collect::<Vec<_>>().join(",")
}

/// Escapes the value of a label, which has one line.
fn escape_label(text: &str) -> String {
    clean::clean_line(text)
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_end_neither_their_value_nor_their_line() {
        assert_eq!(escape_label("a\"b\\c\nd\x1b[2J{}é"), "a\\\"b\\\\c d [2J{}é");
        assert_eq!(
            format_labels(&[("orch_job", "x\",y=\"z"), ("unit", "")]),
            r#"orch_job="x\",y=\"z",unit="""#
        );
    }

    #[test]
    fn times_and_sizes_have_base_units() {
        for (value, unit, base) in [
            (545.4, "ns", (5.454e-7, "seconds")),
            (2.0, "ms", (0.002, "seconds")),
            (2.0, "MiB", (2_097_152.0, "bytes")),
            (3.5, "Melem/s", (3.5, "Melem/s")),
        ] {
            assert_eq!(convert_to_base(value, unit), base, "{unit}");
        }
    }
}
