//! Growth of time with size: jobs of one workload that differ only in one size.

use super::chart::growth_plot::{self, GrowthPlot};
use super::job_text::JobText;
use super::profile::is_spoilt;
use super::shown;
use crate::record::JobRecord;
use orch_core::format;
use serde::Serialize;
use serde_json::{Map, Value};

/// Fewest sizes of a series.
const FEWEST_SIZES: usize = 3;

/// Jobs of one workload, from the smallest size to the largest.
#[derive(Debug, Serialize)]
pub(super) struct GrowthSeries {
    workload: String,
    /// The parameter that differs, or several that are equal in each job: `m = k = n`.
    size: String,
    /// Least-squares exponent of time over size.
    exponent: f64,
    /// Smallest and largest exponent between neighbouring sizes.
    exponent_range: [f64; 2],
    /// The exponents in a sentence.
    line: String,
    points: Vec<SizedJob>,
    plot: GrowthPlot,
}

/// A job of a series.
#[derive(Debug, Serialize)]
struct SizedJob {
    job: String,
    size: f64,
    /// Median time of an iteration.
    time_ns: f64,
    /// Exponent between the previous size and this one; null for the smallest.
    exponent: Option<f64>,
    text: SizedText,
}

/// The cells of a job.
#[derive(Debug, Serialize)]
struct SizedText {
    size: String,
    exponent: String,
    #[serde(flatten)]
    job: JobText,
}

/// Parameters that together state the size of a job: one number, or several equal ones.
struct JobSize<'a> {
    names: Vec<&'a str>,
    value: f64,
    /// Everything that the jobs of a series have in common.
    key: String,
}

/// Returns the series of all workloads, in the order of the jobs. Jobs whose medians are unreliable
/// belong to none.
pub(super) fn all_series(jobs: &[JobRecord]) -> Vec<GrowthSeries> {
    let sound = jobs.iter().filter(|job| {
        !is_spoilt(job) && job.time.as_ref().is_some_and(|time| time.median_ns > 0.0)
    });
    let sized = sound.flat_map(|job| {
        let sizes = sizes(job).into_iter();
        sizes.map(move |size| (size.key.clone(), (size, job)))
    });
    let groups = shown::grouped(sized);
    groups.into_values().filter_map(series).collect()
}

/// Returns the sizes that a job may have: each of its numbers, and the numbers that are equal.
fn sizes(job: &JobRecord) -> Vec<JobSize<'_>> {
    let numbers: Vec<(&str, f64)> = job
        .params
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)))
        .filter(|(_, value)| *value > 0.0)
        .collect();
    let equal = shown::grouped(numbers.iter().map(|(name, value)| (value.to_bits(), *name)));
    let alone = numbers.iter().map(|(name, _)| vec![*name]);
    let together = equal.into_values().filter(|names| names.len() > 1);
    alone
        .chain(together)
        .map(|names| {
            let mut others: Map<String, Value> = job.params.clone();
            for name in &names {
                others.shift_remove(*name);
            }
            let threads = job.settings.threads;
            JobSize {
                value: job.params[names[0]].as_f64().unwrap_or_default(),
                key: format!(
                    "{} {threads} {names:?} {}",
                    job.workload,
                    Value::Object(others)
                ),
                names,
            }
        })
        .collect()
}

fn series(mut jobs: Vec<(JobSize, &JobRecord)>) -> Option<GrowthSeries> {
    jobs.sort_by(|(one, _), (other, _)| one.value.total_cmp(&other.value));
    jobs.dedup_by(|(one, _), (other, _)| one.value == other.value);
    if jobs.len() < FEWEST_SIZES {
        return None;
    }
    let (first, job) = jobs.first()?;
    let size = first.names.join(" = ");
    let workload = job.workload.clone();
    let mut points: Vec<SizedJob> = Vec::new();
    for (size, job) in &jobs {
        let point = sized_job(size.value, job, points.last())?;
        points.push(point);
    }
    let (factor, exponent) = fit(&points);
    let between = points.iter().filter_map(|point| point.exponent);
    let exponent_range = between.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], each| {
        [low.min(each), high.max(each)]
    });
    let [low, high] = exponent_range;
    let labelled: Vec<(f64, f64, String)> = points
        .iter()
        .map(|point| {
            let label = format!("{size} = {}: {}", point.text.size, point.text.job.time);
            (point.size, point.time_ns, label)
        })
        .collect();
    Some(GrowthSeries {
        line: format!(
            "Time grows as size to the power of {exponent:.2}; between neighbouring sizes, the \
             exponent is {low:.2} to {high:.2}."
        ),
        plot: growth_plot::draw(&labelled, factor, exponent),
        workload,
        size,
        exponent,
        exponent_range,
        points,
    })
}

fn sized_job(size: f64, job: &JobRecord, previous: Option<&SizedJob>) -> Option<SizedJob> {
    let time_ns = job.time.as_ref()?.median_ns;
    let exponent =
        previous.map(|previous| (time_ns / previous.time_ns).ln() / (size / previous.size).ln());
    Some(SizedJob {
        job: job.id.clone(),
        size,
        time_ns,
        exponent,
        text: SizedText {
            size: format::number(size),
            exponent: exponent
                .map(|each| format!("{each:.2}"))
                .unwrap_or_default(),
            job: JobText::of(job),
        },
    })
}

/// Fits time = factor · size ^ exponent by least squares of the logarithms.
fn fit(points: &[SizedJob]) -> (f64, f64) {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .map(|point| (point.size.ln(), point.time_ns.ln()))
        .collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (size, time) = (mean(|log| log.0), mean(|log| log.1));
    let spread: f64 = logs.iter().map(|log| (log.0 - size).powi(2)).sum();
    let common: f64 = logs.iter().map(|log| (log.0 - size) * (log.1 - time)).sum();
    let exponent = common / spread;
    ((time - exponent * size).exp(), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns jobs with the given parameters and times in nanoseconds.
    fn jobs(all: &[(&str, f64)]) -> Vec<JobRecord> {
        let record: crate::record::Record = super::super::tests::read("record-full");
        let base = &record.jobs[0];
        let job = |(params, time): &(&str, f64)| {
            let mut job = base.clone();
            job.id = (*params).to_owned();
            job.params = serde_json::from_str(params).unwrap();
            job.warning_kinds.clear();
            job.time.as_mut().unwrap().median_ns = *time;
            job
        };
        all.iter().map(job).collect()
    }

    #[test]
    fn jobs_that_differ_in_one_size_are_a_series() {
        let all = jobs(&[
            (r#"{"n": 100, "pool": "on"}"#, 1000.0),
            (r#"{"n": 400, "pool": "on"}"#, 16000.0),
            (r#"{"n": 200, "pool": "on"}"#, 4000.0),
            (r#"{"n": 300, "pool": "off"}"#, 1.0),
        ]);
        let series = all_series(&all);
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].size, "n");
        assert_eq!(series[0].points.len(), 3);
        assert!((series[0].exponent - 2.0).abs() < 1e-9);
        assert_eq!(
            series[0].line,
            "Time grows as size to the power of 2.00; between neighbouring sizes, the exponent is \
             2.00 to 2.00."
        );
    }

    #[test]
    fn equal_sizes_belong_together() {
        let all = jobs(&[
            (r#"{"m": 64, "k": 64, "n": 64}"#, 1.0),
            (r#"{"m": 128, "k": 128, "n": 128}"#, 8.0),
            (r#"{"m": 256, "k": 256, "n": 256}"#, 64.0),
            (r#"{"m": 128, "k": 256, "n": 128}"#, 16.0),
        ]);
        let series = all_series(&all);
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].size, "m = k = n");
        assert!((series[0].exponent - 3.0).abs() < 1e-9);
    }

    #[test]
    fn two_sizes_are_no_series() {
        assert!(all_series(&jobs(&[(r#"{"n": 1}"#, 1.0), (r#"{"n": 2}"#, 2.0)])).is_empty());
        assert!(all_series(&jobs(&[(r#"{"n": 1}"#, 1.0); 5])).is_empty());
    }
}
