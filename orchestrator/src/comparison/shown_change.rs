//! The printed form of a change: its size, and the pair of values that belongs to it. Every text
//! and template that prints the change of an entry uses this file.

use super::scopes::{self, ScopeChange};
use super::{MetricEntry, RelativeChange, Verdict};
use crate::model::metric::Metric;
use crate::plugin::catalog::CounterBasis;
use orch_core::format;
use orch_core::format::change::{self, ChangedQuantity, SizedChange};
use orch_core::measure::rounding;

impl RelativeChange {
    pub(crate) fn sized(&self, quantity: ChangedQuantity) -> SizedChange {
        SizedChange {
            quantity,
            estimate: self.estimate,
            low: self.low,
            high: self.high,
        }
    }
}

impl MetricEntry {
    /// Returns the change with its interval, but without an interval if it was counted. Returns
    /// `None` if no change is known.
    pub(crate) fn sized(&self) -> Option<SizedChange> {
        let change = self.change?.sized(self.metric.quantity());
        Some(if self.pairs == 0 {
            SizedChange {
                low: None,
                high: None,
                ..change
            }
        } else {
            change
        })
    }

    /// Returns the estimate: `+6.25 %`, `8.3 times as long`. For counts that differ much, or from
    /// 0, it returns both counts.
    pub(crate) fn size(&self) -> Option<String> {
        let sized = self.sized();
        match &sized {
            Some(change) if self.pairs > 0 || !change::is_large(change.estimate) => {
                Some(change.size())
            }
            None if !self.is_counted_from_none() => None,
            _ => self.values().map(|values| self.joined(values)),
        }
    }

    /// Returns the interval of the change, if there is one.
    pub(crate) fn interval(&self) -> Option<String> {
        self.sized()?.interval()
    }

    /// Returns the values of both sides. Of a paired metric they belong to the estimate, so that a
    /// reader who divides them gets the printed change. Both counts of a metric that is not exact
    /// on a side have the mark `~`.
    pub(crate) fn values(&self) -> Option<[String; 2]> {
        let pair = self.pair()?;
        let is_exact = self.a_range.is_none() && self.b_range.is_none();
        let mark = if is_exact { "" } else { "~" };
        let values = match (&self.metric, self.unit.as_str()) {
            (Metric::Time, _) if self.change.is_none() => pair.map(format::time),
            (Metric::Time, _) => change::times(pair),
            (Metric::Digest, _) => format::apart(format::number, "", pair),
            (_, "B") => format::apart(format::bytes, "B", pair),
            _ if self.follows_time() => change::rates(pair),
            _ => format::apart(change::grouped, "", pair),
        };
        Some(values.map(|value| format!("{mark}{value}")))
    }

    /// Returns the change as a sentence part, with its interval and both values. Returns the reason
    /// if there are no values.
    pub(crate) fn describe_change(&self) -> String {
        // Outputs can differ in other parts than their number, for example in a score.
        let has_values_to_show =
            self.metric != Metric::Digest || self.a.as_f64() != self.b.as_f64();
        let Some(values) = self
            .values()
            .filter(|_| has_values_to_show)
            .map(|values| self.joined(values))
        else {
            return self.reason.clone();
        };
        let Some(change) = self.sized() else {
            return values;
        };
        match (self.pairs, change.interval()) {
            (0, _) if change::is_large(change.estimate) => values,
            (0, _) => format!("{}, {values}", change.size()),
            (pairs, None) => format!(
                "{} (no interval from {pairs} pairs), {values}",
                change.size()
            ),
            (_, Some(interval)) => format!("{} ({interval}), {values}", change.size()),
        }
    }

    /// Returns the change that the profiles show, if it lies outside of this entry's interval. A
    /// report that prints two sizes of one change has to explain that.
    pub(crate) fn other_size(&self, places: &[ScopeChange]) -> Option<String> {
        let change = self.change?;
        let shown = scopes::whole_change(places)?;
        let is_outside = change.low.is_some_and(|low| shown < low)
            || change.high.is_some_and(|high| shown > high);
        is_outside.then(|| change::size(ChangedQuantity::Time, shown))
    }

    /// Returns the values as numbers. For pairs that were stored without `fitted`, these are A's
    /// typical value and the value of B that follows from the estimate.
    pub(super) fn pair(&self) -> Option<[f64; 2]> {
        let typical = [self.a.as_f64()?, self.b.as_f64()?];
        Some(match (self.pairs, self.change) {
            (0, _) | (_, None)
                if rounding::is_equal_within(typical[0], typical[1], self.rounding) =>
            {
                [typical[1]; 2]
            }
            (0, _) | (_, None) => typical,
            (_, Some(change)) => self
                .fitted
                .unwrap_or([typical[0], typical[0] * (1.0 + change.estimate)]),
        })
    }

    fn joined(&self, [a, b]: [String; 2]) -> String {
        if a == b { a } else { format!("{a} -> {b}") }
    }

    /// Returns whether this is a plugin's metric that is computed from time.
    fn follows_time(&self) -> bool {
        matches!(self.per, Some(CounterBasis::Second | CounterBasis::Unit))
    }

    /// Returns whether a count rose from 0, a change that has no relative size.
    fn is_counted_from_none(&self) -> bool {
        self.verdict != Verdict::OutputDiffers
            && self.pairs == 0
            && self.a.as_f64() == Some(0.0)
            && self.a != self.b
    }
}

#[cfg(test)]
mod tests {
    use super::super::CodeRelation;
    use super::super::entries::{self, build_missing_entry};
    use super::super::tests::{facts, paired_result, side};
    use super::*;
    use crate::contradiction::figure::{Figure, FigureRange};
    use crate::model::reason::Reason;
    use crate::runner::paired_workloads::{self, PairedResult};
    use orch_core::judge::assessment::assess;
    use orch_core::judge::verdict::ALPHA;
    use serde_json::json;

    fn entry(metric: &str, [a, b]: [f64; 2], pairs: usize) -> MetricEntry {
        let estimate = b / a - 1.0;
        MetricEntry {
            metric: metric.into(),
            unit: if metric == "bytes" {
                "B".into()
            } else {
                String::new()
            },
            verdict: Verdict::Regressed,
            a: json!(a),
            b: json!(b),
            change: (a != 0.0).then_some(RelativeChange {
                estimate,
                low: Some(estimate),
                high: Some(estimate),
            }),
            pairs,
            reason: "as scripted".into(),
            ..build_missing_entry("job", 0.01, &Reason::NotMeasured(String::new()))
        }
    }

    #[test]
    fn counts_are_a_percent_with_their_values_or_the_values_alone() {
        for (metric, values, text, size) in [
            ("allocations", [2.0, 3.0], "+50.0 %, 2 -> 3", "+50.0 %"),
            ("allocations", [1.0, 99_986.0], "1 -> 99 986", "1 -> 99 986"),
            ("allocations", [0.0, 1.0], "0 -> 1", "0 -> 1"),
            ("allocations", [1.0, 0.0], "-100 %, 1 -> 0", "-100 %"),
            (
                "steps",
                [30_000.0, 10_000.0],
                "30 000 -> 10 000",
                "30 000 -> 10 000",
            ),
            (
                "bytes",
                [64.0, 6_400_000.0],
                "64 B -> 6.10 MiB",
                "64 B -> 6.10 MiB",
            ),
        ] {
            let entry = entry(metric, values, 0);
            assert_eq!(
                (entry.describe_change().as_str(), entry.size().as_deref()),
                (text, Some(size)),
                "{metric} {values:?}"
            );
            assert_eq!(entry.interval(), None);
        }
    }

    #[test]
    fn paired_change_is_shown_with_interval_and_fitted_values() {
        let mut time = entry("time", [292.0, 3320.0], 14);
        time.change = Some(RelativeChange {
            estimate: 16.73,
            low: Some(10.02),
            high: Some(25_494.8),
        });
        time.fitted = Some([236.5, 236.5 * 17.73]);
        assert_eq!(
            time.describe_change(),
            "18 times as long (at least 11 times, no upper bound), 236 ns -> 4.19 µs"
        );
        time.fitted = None;
        assert_eq!(
            time.values(),
            Some(["292 ns".into(), "5.18 µs".into()]),
            "an older comparison"
        );
        time.change = Some(RelativeChange {
            estimate: 0.0625,
            low: None,
            high: None,
        });
        assert_eq!(
            time.describe_change(),
            "+6.25 % (no interval from 14 pairs), 292 ns -> 310.25 ns"
        );
        let outputs = |a: f64, b: f64| MetricEntry {
            change: None,
            ..entry("digest", [a, b], 0)
        };
        assert_eq!(
            outputs(3_989_017.5, 3_989_018.5).describe_change(),
            "3989017.5 -> 3989018.5"
        );
        assert_eq!(
            outputs(7.0, 7.0).describe_change(),
            "as scripted",
            "it is the score that differs"
        );
    }

    /// Returns pairs whose sides have fast moments that the shortest sample shows and the
    /// difference does not.
    fn two_states(estimate: f64) -> PairedResult {
        let mut found = paired_result(estimate, 20);
        for (index, pair) in found.pairs.iter_mut().enumerate() {
            let slow = (10_000.0 * pair.difference.exp()) as u64;
            // One block of five in which B is as fast as A.
            pair.a_ns = vec![10_000; 25];
            pair.b_ns = (0..25)
                .map(|turn| if turn / 5 == index % 5 { 10_000 } else { slow })
                .collect();
        }
        let differences: Vec<f64> = found.pairs.iter().map(|pair| pair.difference).collect();
        found.assessment = assess(&differences, ALPHA);
        found
    }

    #[test]
    fn two_times_belong_to_the_estimate_where_typical_times_do_not() {
        for estimate in [0.02, 0.65, 2.8] {
            let found = two_states(estimate);
            let typical = paired_workloads::compute_typical_times(&found).map(Option::unwrap);
            assert!(
                (typical[1] / typical[0] - 1.0).abs() < 1e-9,
                "the shortest samples see no change: {typical:?}"
            );
            let (a, b) = (side(1.0, json!(1)), side(1.0, json!(1)));
            let entries =
                entries::judge_workload(&facts(&a, &b, &CodeRelation::Different, Some(&found)));
            let time = entries
                .iter()
                .find(|entry| entry.metric == Metric::Time)
                .unwrap();
            assert_eq!(
                time.a,
                json!(typical[0]),
                "what is stored keeps its meaning"
            );
            let [low, high] = time.fitted.unwrap();
            assert!((high / low - 1.0 - time.change.unwrap().estimate).abs() < 1e-9);
            let printed = time.values().unwrap();
            let text = time.size().unwrap();
            assert!(reaches(&printed, &text), "{printed:?} are not {text}");
        }
    }

    /// Returns whether two printed times can result in a printed change, by the rule for tables of
    /// other tools.
    fn reaches([a, b]: &[String; 2], change: &str) -> bool {
        let figure = |text: &str| {
            let (number, unit) = text.split_once(' ').unwrap();
            let size = match unit {
                "ns" => 1.0,
                "µs" => 1e3,
                _ => 1e6,
            };
            Figure::parse(number).unwrap().reach * FigureRange::exact(size)
        };
        let ratio = figure(b).over(figure(a)).unwrap();
        let number = |text: &str| {
            Figure::parse(text.split(' ').next().unwrap())
                .unwrap()
                .reach
        };
        let claimed = match change.ends_with('%') {
            true => number(change).through(|percent| 1.0 + percent / 100.0),
            false => number(change),
        };
        !ratio.is_apart(claimed)
    }

    #[test]
    fn profiles_of_another_size_are_named() {
        let place = |a_self_ns: f64, b_self_ns: f64| -> ScopeChange {
            serde_json::from_value(json!({
                "path": [], "a_calls": 1, "b_calls": 1,
                "a_total_ns": a_self_ns, "b_total_ns": b_self_ns,
                "a_self_ns": a_self_ns, "b_self_ns": b_self_ns,
                "contribution_ns": b_self_ns - a_self_ns, "share": 1,
                "a_self_bytes": 0, "b_self_bytes": 0,
                "a_self_allocations": 0, "b_self_allocations": 0,
            }))
            .unwrap()
        };
        let mut time = entry("time", [100.0, 190.0], 14);
        time.change = Some(RelativeChange {
            estimate: 0.913,
            low: Some(0.884),
            high: Some(3.8),
        });
        assert_eq!(
            time.other_size(&[place(60.0, 300.0), place(40.0, 208.0)])
                .as_deref(),
            Some("5.1 times as long")
        );
        assert_eq!(
            time.other_size(&[place(100.0, 150.0)]).as_deref(),
            Some("+50.0 %")
        );
        assert_eq!(
            time.other_size(&[place(100.0, 300.0)]),
            None,
            "inside the interval"
        );
        assert_eq!(time.other_size(&[]), None, "nothing was profiled");
    }

    #[test]
    fn rate_is_shown_with_values_of_the_estimate_too() {
        let mut rate = entry("gflops", [10.0, 5.0], 20);
        rate.per = Some(CounterBasis::Second);
        rate.change = Some(RelativeChange {
            estimate: -0.4,
            low: Some(-0.41),
            high: Some(-0.39),
        });
        rate.fitted = Some([9.0, 5.4]);
        assert_eq!(
            rate.describe_change(),
            "-40.0 % (-41.0 % to -39.0 %), 9 -> 5.40"
        );
    }
}
