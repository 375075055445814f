//! Converts a measured comparison to claims, for the rules that apply to times that orch measured
//! itself.

use super::{ComparedWorkload, MetricEntry, RelativeChange};
use crate::contradiction::claims::{ClaimedRow, Claims, TimeUnit};
use crate::contradiction::figure::{Figure, FigureRange};
use crate::contradiction::{self, measured_record};
use crate::model::metric::Metric;
use crate::record::Contradiction;
use orch_core::format;

/// Lists figures of a comparison that cannot be true.
pub(crate) fn find_contradictions(
    entries: &[MetricEntry],
    workloads: &[ComparedWorkload],
) -> Vec<Contradiction> {
    let rows = workloads
        .iter()
        .filter_map(|workload| claim_times(entries, workload))
        .collect();
    contradiction::check_measured(&Claims {
        unit: TimeUnit::Nanoseconds,
        rows,
        ..Claims::default()
    })
}

fn claim_times(entries: &[MetricEntry], workload: &ComparedWorkload) -> Option<ClaimedRow> {
    let time = entries
        .iter()
        .find(|entry| entry.id == workload.id && entry.metric == Metric::Time)?;
    // Without an interval, the scatter of the times is unknown.
    let RelativeChange {
        low: Some(low),
        high: Some(high),
        ..
    } = time.change?
    else {
        return None;
    };
    let [before, after] = time.pair()?;
    let figure = |ns: f64| {
        // Times of two workloads contradict each other only if they differ by more than the
        // uncertainty of their own changes.
        let reach = FigureRange {
            low: ns * (1.0 - (high - low)),
            high: ns * (1.0 + (high - low)),
        };
        Figure {
            printed: format::time(ns),
            value: ns,
            reach,
        }
    };
    Some(ClaimedRow {
        name: workload.id.clone(),
        family: measured_record::family_of_job(
            &workload.workload,
            &workload.params,
            workload.threads?,
        ),
        before: Some(figure(before)),
        after: Some(figure(after)),
        ..ClaimedRow::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::{CodeRelation, Verdict};
    use serde_json::json;

    /// Returns a workload of a size, with its times on both sides and its change with an interval
    /// of this width.
    fn measured(
        size: u32,
        [a, b]: [f64; 2],
        width: Option<f64>,
    ) -> (MetricEntry, ComparedWorkload) {
        let id = format!("w[n={size}]");
        let change = b / a - 1.0;
        let entry = MetricEntry {
            id: id.clone(),
            metric: Metric::Time,
            unit: "ns".into(),
            verdict: Verdict::Equivalent,
            a: a.into(),
            b: b.into(),
            change: Some(RelativeChange {
                estimate: change,
                low: width.map(|width| change - width / 2.0),
                high: width.map(|width| change + width / 2.0),
            }),
            minimum_detectable: None,
            e_value: None,
            pairs: 14,
            margin: 0.01,
            reason: String::new(),
            reason_kind: None,
            trade_off: false,
            per: None,
            a_range: None,
            b_range: None,
            fitted: None,
            rounding: 0.0,
        };
        let Some(params) = json!({ "n": size, "pool": "on" }).as_object().cloned() else {
            unreachable!()
        };
        let workload = ComparedWorkload {
            id,
            workload: "kernels/gelu".into(),
            params,
            threads: Some(1),
            verdict: Verdict::Equivalent,
            trade_off: false,
            code: CodeRelation::Different,
            missing: None,
            only_b: false,
            warnings: Vec::new(),
            warning_kinds: Vec::new(),
            scopes: Vec::new(),
            pairs: Vec::new(),
            wall_ns: 0,
        };
        (entry, workload)
    }

    fn found(
        small: (MetricEntry, ComparedWorkload),
        large: (MetricEntry, ComparedWorkload),
    ) -> Vec<String> {
        let found = find_contradictions(&[small.0, large.0], &[small.1, large.1]);
        found.into_iter().map(|one| one.message).collect()
    }

    #[test]
    fn larger_size_in_less_time_is_reported_if_intervals_allow_it() {
        let small = || measured(1000, [2000.0, 1000.0], Some(0.02));
        assert_eq!(
            found(small(), measured(10_000, [1500.0, 1500.0], Some(0.02))),
            [
                "more work in less time: w[n=1000] 2 µs, w[n=10000] 1.50 µs before: first-call \
                 cost or noise, not the kernel"
            ]
        );
        assert_eq!(
            found(small(), measured(10_000, [1990.0, 1500.0], Some(0.02))),
            Vec::<String>::new(),
            "may be equal"
        );
        assert_eq!(
            found(small(), measured(10_000, [1500.0, 1500.0], None)),
            Vec::<String>::new(),
            "no reason is known"
        );
    }
}
