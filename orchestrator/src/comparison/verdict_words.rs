//! The words for verdicts, which are the same in headline, rows and gate, and the reason if a
//! verdict surprises beside its figures.

use super::{CodeRelation, ComparedWorkload, MetricEntry, Verdict};
use crate::model::metric::Metric;
use orch_core::format;
use orch_core::measure::rounding;

/// Reasons why a verdict differs from what its figures suggest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum VerdictSurprise {
    /// One metric got worse and another one better.
    TradeOff {
        worse: Vec<String>,
        better: Vec<String>,
    },
    /// Both builds run the same machine code, so the times show no change of it. `margin` is the
    /// margin that the interval exceeds.
    SameMachineCode { margin: f64 },
    /// Medians differ, but processes of one build differ as much.
    NotExact { metrics: Vec<String> },
}

impl VerdictSurprise {
    /// Returns the name of its kind, for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::TradeOff { .. } => "trade_off",
            Self::SameMachineCode { .. } => "same_machine_code",
            Self::NotExact { .. } => "not_exact",
        }
    }

    /// Returns the reason as a sentence.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::TradeOff { worse, better } => {
                format!(
                    "a trade-off: worse in {}; better in {}",
                    worse.join(", "),
                    better.join(", ")
                )
            }
            Self::SameMachineCode { margin } => format!(
                "equivalent although the interval of its time extends beyond ±{}: both builds run \
                 the same machine code, so layout or noise caused the difference",
                format::percent(*margin)
            ),
            Self::NotExact { metrics } => {
                format!(
                    "{} not exact: processes of the same build differ too",
                    metrics.join(", ")
                )
            }
        }
    }
}

/// Returns a verdict in a word or two. A trade-off is a regression that goes with an improvement.
pub(crate) fn word(verdict: Verdict, is_trade_off: bool) -> String {
    let word = verdict.word();
    if is_trade_off {
        format!("{word}, trade-off")
    } else {
        word.to_owned()
    }
}

/// Returns the workloads per verdict in words, the worst first: `2 regressed (1 of them a
/// trade-off)`, `19 equivalent`.
pub(crate) fn headline(workloads: &[ComparedWorkload]) -> Vec<String> {
    super::totals::counts(workloads)
        .into_iter()
        .map(|(verdict, count)| {
            let is_paid =
                |workload: &&ComparedWorkload| workload.verdict == verdict && workload.trade_off;
            let of_them = match workloads.iter().filter(is_paid).count() {
                0 => String::new(),
                all if all == count => format!(
                    " ({})",
                    if all == 1 {
                        "a trade-off"
                    } else {
                        "all trade-offs"
                    }
                ),
                1 => " (1 of them a trade-off)".to_owned(),
                some => format!(" ({some} of them trade-offs)"),
            };
            format!("{count} {}{of_them}", verdict.word())
        })
        .collect()
}

/// Lists the surprises in the verdict of a workload with these entries.
pub(crate) fn surprises(
    workload: &ComparedWorkload,
    entries: &[&MetricEntry],
) -> Vec<VerdictSurprise> {
    let trade_off = workload.trade_off.then(|| VerdictSurprise::TradeOff {
        worse: sizes(entries, Verdict::Regressed),
        better: sizes(entries, Verdict::Improved),
    });
    let time = entries.iter().find(|entry| entry.metric == Metric::Time);
    let same_code =
        time.filter(|time| workload.code == CodeRelation::OnlyLayout && is_beyond(time));
    let is_loose = |entry: &&&MetricEntry| {
        entry.pairs == 0
            && entry.verdict == Verdict::Inconclusive
            && !entry.is_open()
            && entry.a != entry.b
    };
    let loose: Vec<String> = entries
        .iter()
        .filter(is_loose)
        .map(|entry| entry.metric.to_string())
        .collect();
    let not_exact = (workload.verdict == Verdict::Equivalent && !loose.is_empty())
        .then_some(VerdictSurprise::NotExact { metrics: loose });
    let same_code = same_code.map(|time| VerdictSurprise::SameMachineCode {
        margin: time.margin,
    });
    [trade_off, same_code, not_exact]
        .into_iter()
        .flatten()
        .collect()
}

/// Lists the metrics with a verdict, each with its change. Metrics that are computed from time are
/// left out, because they repeat it.
pub(crate) fn sizes(entries: &[&MetricEntry], verdict: Verdict) -> Vec<String> {
    let own = entries.iter().filter(|entry| {
        entry.verdict == verdict && !(entry.metric != Metric::Time && entry.pairs > 0)
    });
    own.map(|entry| format!("{} ({})", entry.metric, entry.size().unwrap_or_default()))
        .collect()
}

/// Returns whether an equivalent time has no interval, or one that is not inside the margin.
fn is_beyond(time: &MetricEntry) -> bool {
    let inside = |end: Option<f64>| {
        end.is_some_and(|end| rounding::is_at_most(end.ln_1p().abs(), time.margin.ln_1p(), 0.0))
    };
    let change = time
        .change
        .filter(|change| inside(change.low) && inside(change.high));
    time.verdict == Verdict::Equivalent && time.pairs > 0 && change.is_none()
}

#[cfg(test)]
mod tests {
    use super::super::entries::{self, build_missing_entry};
    use super::super::tests::{facts, paired_result, side};
    use super::super::{RelativeChange, totals};
    use super::*;
    use crate::model::reason::Reason;
    use serde_json::{Map, Value, json};

    fn workload(verdict: Verdict, trade_off: bool, code: CodeRelation) -> ComparedWorkload {
        ComparedWorkload {
            id: "job".into(),
            workload: "p/w".into(),
            params: Map::new(),
            threads: Some(1),
            verdict,
            trade_off,
            code,
            missing: None,
            only_b: false,
            warnings: Vec::new(),
            warning_kinds: Vec::new(),
            scopes: Vec::new(),
            pairs: Vec::new(),
            wall_ns: 0,
        }
    }

    fn entry(
        metric: &str,
        verdict: Verdict,
        [a, b]: [f64; 2],
        pairs: usize,
        within: f64,
    ) -> MetricEntry {
        let estimate = b / a - 1.0;
        MetricEntry {
            metric: metric.into(),
            verdict,
            a: json!(a),
            b: json!(b),
            change: Some(RelativeChange {
                estimate,
                low: Some(estimate - within),
                high: Some(estimate + within),
            }),
            pairs,
            ..build_missing_entry("job", 0.01, &Reason::NotMeasured(String::new()))
        }
    }

    #[test]
    fn trade_off_is_a_regression_with_its_price_and_gain() {
        let entries = [
            entry("time", Verdict::Regressed, [100.0, 833.0], 14, 0.1),
            entry("allocations", Verdict::Improved, [100.0, 55.0], 0, 0.0),
            entry("rate", Verdict::Regressed, [8.0, 1.0], 14, 0.0),
        ];
        let paid = workload(Verdict::Regressed, true, CodeRelation::Different);
        let [surprise] = &surprises(&paid, &entries.each_ref())[..] else {
            panic!("one")
        };
        let expected =
            "a trade-off: worse in time (8.3 times as long); better in allocations (-45.0 %)";
        assert_eq!(surprise.sentence(), expected);
        assert_eq!(word(paid.verdict, paid.trade_off), "regressed, trade-off");
        let plain = workload(Verdict::Regressed, false, CodeRelation::Different);
        assert_eq!(
            surprises(&plain, &entries[..1].iter().collect::<Vec<_>>()),
            []
        );
    }

    #[test]
    fn headline_counts_the_words_of_the_rows() {
        let of = |verdict, trade_off| workload(verdict, trade_off, CodeRelation::Different);
        let fine = || of(Verdict::Equivalent, false);
        let (worse, paid) = (
            || of(Verdict::Regressed, false),
            || of(Verdict::Regressed, true),
        );
        assert_eq!(
            headline(&[paid(), fine(), fine()]),
            ["1 regressed (a trade-off)", "2 equivalent"]
        );
        assert_eq!(
            headline(&[worse(), paid()]),
            ["2 regressed (1 of them a trade-off)"]
        );
        assert_eq!(
            headline(&[worse(), paid(), paid()]),
            ["3 regressed (2 of them trade-offs)"]
        );
        assert_eq!(
            headline(&[paid(), paid()]),
            ["2 regressed (all trade-offs)"]
        );
        assert_eq!(
            headline(&[of(Verdict::OutputDiffers, false), fine()]),
            ["1 output differs", "1 equivalent"]
        );
    }

    #[test]
    fn same_machine_code_explains_an_interval_beyond_the_margin() {
        let find_surprises = |shift: f64, pairs: usize, code: CodeRelation| {
            let (a, b) = (side(1.0, json!(1)), side(1.0, json!(1)));
            let found = paired_result(shift, pairs);
            let entries = entries::judge_workload(&facts(&a, &b, &code, Some(&found)));
            let verdict = totals::of_workload(&entries);
            (
                verdict,
                surprises(
                    &workload(verdict, false, code),
                    &entries.iter().collect::<Vec<_>>(),
                ),
            )
        };
        let same = vec![VerdictSurprise::SameMachineCode { margin: 0.01 }];
        assert_eq!(
            find_surprises(0.05, 20, CodeRelation::OnlyLayout),
            (Verdict::Equivalent, same.clone()),
            "called changed by its times"
        );
        assert_eq!(
            find_surprises(0.0105, 10, CodeRelation::OnlyLayout),
            (Verdict::Equivalent, same),
            "still open by its times"
        );
        assert_eq!(
            find_surprises(0.0, 30, CodeRelation::OnlyLayout),
            (Verdict::Equivalent, vec![]),
            "inside the margin anyhow"
        );
        assert_eq!(
            find_surprises(0.0, 30, CodeRelation::Different),
            (Verdict::Equivalent, vec![])
        );
        assert_eq!(
            find_surprises(0.0105, 10, CodeRelation::Different),
            (Verdict::Inconclusive, vec![]),
            "the word says it"
        );
    }

    #[test]
    fn counts_that_differ_under_equivalent_are_not_exact() {
        let ranges = |b: [f64; 2]| MetricEntry {
            a_range: Some([10.0, 16.0]),
            b_range: Some(b),
            ..entry("allocations", Verdict::Inconclusive, [12.0, b[1]], 0, 0.0)
        };
        let find_surprises = |entry: MetricEntry, verdict| {
            surprises(
                &workload(verdict, false, CodeRelation::Different),
                &[&entry],
            )
        };
        let loose = VerdictSurprise::NotExact {
            metrics: vec!["allocations".to_owned()],
        };
        assert_eq!(
            find_surprises(ranges([11.0, 18.0]), Verdict::Equivalent),
            std::slice::from_ref(&loose)
        );
        assert_eq!(
            loose.sentence(),
            "allocations not exact: processes of the same build differ too"
        );
        assert_eq!(
            find_surprises(ranges([200.0, 206.0]), Verdict::Inconclusive),
            [],
            "an open question is no surprise"
        );
        let digest = MetricEntry {
            a: Value::Null,
            ..entry("digest", Verdict::Equivalent, [1.0, 2.0], 0, 0.0)
        };
        assert_eq!(find_surprises(digest, Verdict::Equivalent), []);
    }
}
