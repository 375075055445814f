//! Own records as claims. Figures that are consistent by construction (minimum, mean, maximum) need
//! no rule.

use super::check_measured;
use super::claims::{ClaimedRow, Claims, TimeUnit};
use super::figure::{Figure, FigureRange};
use super::names::SizeFamily;
use crate::record::{Contradiction, JobRecord, Record, ScopeRecord};
use orch_core::format;
use serde_json::{Map, Value};

/// Parameters whose increase means more work. (Not `width`: a wider window, vector or hash may cost
/// the same.)
const SIZES: [&str; 11] = [
    "n", "m", "k", "size", "rows", "cols", "columns", "length", "elements", "batch", "tokens",
];

/// Finds claims of a record that cannot be true.
pub(crate) fn check_record(record: &Record) -> Vec<Contradiction> {
    check_measured(&collect_claims(&record.jobs))
}

fn collect_claims(jobs: &[JobRecord]) -> Claims {
    let mut claims = Claims {
        unit: TimeUnit::Nanoseconds,
        peak: compute_peak(jobs),
        ..Claims::default()
    };
    for job in jobs {
        claims.rows.extend(timed_row(job));
        for scope in job.scopes.iter().filter(|scope| scope.is_on_driver()) {
            add_scope_rows(&mut claims.rows, &job.id, scope, None);
        }
    }
    claims
}

/// Returns a job's time with its interval, widened by the difference that does not matter to its
/// owner. Only intervals that lie apart contradict each other.
fn timed_row(job: &JobRecord) -> Option<ClaimedRow> {
    let time = job.time.as_ref()?;
    let total = Figure {
        printed: format::time(time.median_ns),
        value: time.median_ns,
        reach: FigureRange {
            low: time.low_ns * (1.0 - job.settings.tolerance),
            high: time.high_ns * (1.0 + job.settings.tolerance),
        },
    };
    // The peak is the speed of one thread.
    let rate = job
        .metrics
        .iter()
        .filter(|_| job.settings.threads == 1)
        .find(|(id, _)| {
            job.metrics_info
                .get(*id)
                .is_some_and(|info| info.unit == "GFLOP/s")
        })
        .map(|(_, rate)| Figure {
            printed: format::number(*rate),
            value: *rate,
            // The reach is the rate at both ends of the time's interval.
            reach: FigureRange {
                low: rate * time.median_ns / time.high_ns,
                high: rate * time.median_ns / time.low_ns,
            },
        });
    let family = family_of_job(&job.workload, &job.params, job.settings.threads);
    Some(ClaimedRow {
        name: job.id.clone(),
        family,
        total: Some(total),
        rate,
        ..ClaimedRow::default()
    })
}

/// Returns the family of a job: the jobs that differ only in sizes.
pub(crate) fn family_of_job(
    workload: &str,
    params: &Map<String, Value>,
    threads: usize,
) -> Option<SizeFamily> {
    let is_size = |name: &str| SIZES.contains(&name);
    let lengths: Vec<f64> = params
        .iter()
        .filter(|(name, _)| is_size(name))
        .filter_map(|(_, value)| value.as_f64())
        .collect();
    let others: Vec<String> = params
        .iter()
        .filter(|(name, _)| !is_size(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let names: Vec<&str> = params
        .keys()
        .map(String::as_str)
        .filter(|name| is_size(name))
        .collect();
    let group = format!(
        "{workload}[{}][{}] on {threads}",
        names.join(","),
        others.join(",")
    );
    let positive = !lengths.is_empty() && lengths.iter().all(|length| *length > 0.0);
    positive.then_some(SizeFamily {
        group,
        lengths,
        side: None,
    })
}

/// Returns the speed that the machine reached with arithmetic alone: the workload `compute_peak` on
/// one thread, if the run has it.
fn compute_peak(jobs: &[JobRecord]) -> Option<Figure> {
    let job = jobs.iter().find(|job| job.workload.ends_with("/peak"))?;
    timed_row(job)?.rate
}

fn add_scope_rows(
    rows: &mut Vec<ClaimedRow>,
    name: &str,
    scope: &ScopeRecord,
    parent: Option<usize>,
) {
    let name = format!("{name} > {}", scope.name);
    let total = Figure::exact(scope.total_ns as f64, format::time(scope.total_ns as f64));
    let index = rows.len();
    rows.push(ClaimedRow {
        name: name.clone(),
        parent,
        calls: Some(scope.calls as f64),
        total: Some(total),
        ..ClaimedRow::default()
    });
    for child in &scope.children {
        add_scope_rows(rows, &name, child, Some(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Returns a job of a workload as a record contains it: its time in nanoseconds, plus or minus
    /// 1 %, and its rate.
    fn job(
        id: &str,
        workload: &str,
        params: Value,
        ns: f64,
        gflops: f64,
        threads: usize,
    ) -> JobRecord {
        let wall = json!({
            "profile_ns": 0, "count_ns": 0, "time_ns": 0, "samples_ns": 0, "warm_up_ns": 0
        });
        let settings = json!({
            "time_ns": 1, "rounds": 5, "timeout_ns": 1, "memory_bytes": 1, "threads": threads,
            "tolerance": 0.01
        });
        serde_json::from_value(json!({
            "id": id, "workload": workload, "params": params, "tags": [], "settings": settings,
            "plugin": { "path": "p.so" }, "outcome": "measured", "warnings": [],
            "time": {
                "median_ns": ns, "low_ns": 0.99 * ns, "high_ns": 1.01 * ns, "confidence": 0.9,
                "processes": []
            },
            "metrics": { "gflops": gflops },
            "metrics_info": {
                "gflops": { "unit": "GFLOP/s", "better": "higher", "per": "second", "about": "" }
            },
            "scopes": [], "wall": wall,
        }))
        .unwrap()
    }

    fn found(jobs: &[JobRecord]) -> Vec<(String, Vec<String>)> {
        check_measured(&collect_claims(jobs))
            .into_iter()
            .map(|one| (one.id, one.rows))
            .collect()
    }

    #[test]
    fn sizes_are_compared_only_within_one_family() {
        let gelu = |id: &str, n: u32, pool: &str, ns: f64| {
            job(
                id,
                "kernels/gelu",
                json!({ "n": n, "pool": pool }),
                ns,
                1.0,
                1,
            )
        };
        let slow = gelu("small", 1000, "on", 2000.0);
        let contradictions = found(&[slow.clone(), gelu("large", 10_000, "on", 1000.0)]);
        assert_eq!(
            contradictions,
            [(
                "more-work-less-time".to_owned(),
                vec!["small".to_owned(), "large".to_owned()]
            )]
        );
        assert_eq!(
            found(&[slow.clone(), gelu("other", 10_000, "off", 1000.0)]),
            []
        );
        assert_eq!(
            found(&[slow.clone(), gelu("as fast", 10_000, "on", 1985.0)]),
            [],
            "within the intervals"
        );
        assert_eq!(found(&[slow, gelu("slower", 10_000, "on", 9000.0)]), []);
    }

    #[test]
    fn shapes_without_a_larger_one_are_not_compared() {
        let product = |id: &str, [m, k, n]: [u32; 3], ns: f64| {
            job(
                id,
                "kernels/matmul",
                json!({ "m": m, "k": k, "n": n }),
                ns,
                1.0,
                1,
            )
        };
        assert_eq!(
            found(&[
                product("vector", [1, 512, 512], 9000.0),
                product("square", [65, 64, 64], 3000.0)
            ]),
            []
        );
    }

    #[test]
    fn rates_above_the_measured_peak_are_reported_for_one_thread() {
        let peak = job("peak", "kernels/peak", json!({}), 1000.0, 60.0, 1);
        let product = |gflops, threads| {
            job(
                "product",
                "kernels/matmul",
                json!({}),
                1000.0,
                gflops,
                threads,
            )
        };
        assert_eq!(
            found(&[peak.clone(), product(70.0, 1)]),
            [("above-peak".to_owned(), vec!["product".to_owned()])]
        );
        assert_eq!(
            found(&[peak.clone(), product(60.5, 1)]),
            [],
            "within the intervals"
        );
        assert_eq!(found(&[peak, product(110.0, 2)]), [], "two threads");
        assert_eq!(found(&[product(70.0, 1)]), [], "no peak is known");
    }
}
