//! Owns the step from the measurements of both sides to verdicts: exact metrics first, then pairs.
//! Pure: no clock, no process, no file.

use super::exact::{self, to_json_number};
use super::{CodeRelation, MetricEntry, RelativeChange, Verdict};
use crate::model::metric::Metric;
use crate::model::reason::{ComparisonObstacle, PairLimit, Reason, ReasonKind, UnpairedCause};
use crate::plugin::catalog::{BetterDirection, CounterBasis};
use crate::record::{JobOutcome, JobRecord};
use crate::runner::paired_workloads::{self, PairStopReason, PairedResult};
use orch_core::judge::verdict::PairFinding;
use serde_json::{Map, Value};

/// Both sides of a workload, with everything that their verdicts depend on.
pub(crate) struct WorkloadFacts<'a> {
    pub(crate) id: &'a str,
    pub(crate) sides: [&'a JobRecord; 2],
    pub(crate) code: &'a CodeRelation,
    /// Relative difference of time that matters.
    pub(crate) margin: f64,
    /// Pairs of a live comparison.
    pub(crate) paired: Option<&'a PairedResult>,
    /// Reason why there are no pairs.
    pub(crate) unpaired: UnpairedCause,
    /// Verdict from the pairs of both sides with the same anchor.
    pub(crate) through: Option<AnchorVerdict>,
    /// Whether different outputs are accepted, so that the costs are judged nevertheless.
    pub(crate) output_accepted: bool,
    /// Option of the running command that gives a workload more time, such as `a longer --time`;
    /// empty if there is none.
    pub(crate) more: &'a str,
}

/// A verdict on time through an anchor that two records share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AnchorVerdict {
    pub(crate) verdict: Verdict,
    pub(crate) change: RelativeChange,
    /// Pairs of each record.
    pub(crate) pairs: usize,
    /// Relative difference that matters.
    pub(crate) margin: f64,
    pub(crate) reason: Reason,
}

/// Names of the sides in messages.
pub(super) const NAMES: [&str; 2] = ["A", "B"];

/// Describes the sides that were not measured.
pub(crate) fn describe_unmeasured(sides: [&JobRecord; 2]) -> Option<String> {
    let lost: Vec<String> = sides
        .iter()
        .zip(NAMES)
        .filter(|(side, _)| side.outcome != JobOutcome::Measured)
        .map(|(side, name)| {
            let what = if side.outcome == JobOutcome::Failed {
                "failed"
            } else {
                "was skipped"
            };
            let phase = side
                .phase
                .map_or_else(String::new, |phase| format!(" in {}", phase.name()));
            format!(
                "{name} {what}{phase}: {}",
                side.message.as_deref().unwrap_or("no reason is known")
            )
        })
        .collect();
    (!lost.is_empty()).then(|| lost.join("; "))
}

/// Builds the entry of a workload that was not measured on both sides.
pub(crate) fn build_missing_entry(id: &str, margin: f64, reason: &Reason) -> MetricEntry {
    MetricEntry {
        id: id.to_owned(),
        metric: Metric::Time,
        unit: "ns".to_owned(),
        verdict: Verdict::Missing,
        a: Value::Null,
        b: Value::Null,
        change: None,
        minimum_detectable: None,
        e_value: None,
        pairs: 0,
        margin,
        reason: reason.to_string(),
        reason_kind: Some(reason.kind()),
        trade_off: false,
        per: None,
        a_range: None,
        b_range: None,
        fitted: None,
        rounding: 0.0,
    }
}

/// Judges a workload that only B has. Its time is missing, because it needs two sides. The counts
/// of B serve limits and targets.
pub(crate) fn judge_new_job(facts: &WorkloadFacts, reason: &Reason) -> Vec<MetricEntry> {
    let b = facts.sides[1];
    let mut counted = exact::list_counts_of_b(facts, b);
    counted.extend(b.metrics_info.iter().filter_map(|(id, info)| {
        let value = *b
            .metrics
            .get(id)
            .filter(|_| info.better.is_some() && is_counted(info.per))?;
        let entry = build_entry(
            facts,
            Metric::from(id.as_str()),
            &info.unit,
            [Value::Null, to_json_number(value)],
        );
        Some(MetricEntry {
            per: Some(info.per),
            b_range: b.metrics_range.get(id).copied(),
            ..entry
        })
    }));
    let new = counted
        .into_iter()
        .map(|entry| entry.with_reason(&Reason::NewJob));
    [build_missing_entry(facts.id, facts.margin, reason)]
        .into_iter()
        .chain(new)
        .collect()
}

/// Returns whether a metric is computed from counts only.
fn is_counted(per: CounterBasis) -> bool {
    matches!(per, CounterBasis::Iteration | CounterBasis::BytesPerUnit)
}

/// Returns whether the workload was refused as not comparable.
pub(crate) fn is_refused(entry: &MetricEntry) -> bool {
    entry.reason_kind == Some(ReasonKind::NotComparable)
}

/// Builds the entry of a workload of two records that are not comparable.
pub(crate) fn build_refused_entry(
    id: &str,
    margin: f64,
    obstacle: ComparisonObstacle,
) -> MetricEntry {
    MetricEntry {
        verdict: Verdict::Inconclusive,
        ..build_missing_entry(id, margin, &Reason::NotComparable(obstacle))
    }
}

/// Returns whether a metric got better or worse.
pub(crate) fn is_change(entry: &MetricEntry) -> bool {
    matches!(entry.verdict, Verdict::Regressed | Verdict::Improved)
}

/// Judges all metrics of a workload: the output, then the counts, then the time and what follows
/// from it.
pub(crate) fn judge_workload(facts: &WorkloadFacts) -> Vec<MetricEntry> {
    if let Some(reason) = describe_unmeasured(facts.sides) {
        return vec![build_missing_entry(
            facts.id,
            facts.margin,
            &Reason::NotMeasured(reason),
        )];
    }
    let mut entries: Vec<MetricEntry> = exact::judge_digest(facts).into_iter().collect();
    let differs = entries
        .iter()
        .any(|entry| entry.verdict == Verdict::OutputDiffers);
    entries.extend(exact::judge_allocations(facts));
    let time = judge_time(facts);
    entries.extend(judge_metrics(facts, &time));
    entries.push(time);
    if differs && !facts.output_accepted {
        for entry in entries
            .iter_mut()
            .filter(|entry| entry.metric != Metric::Digest)
        {
            entry.verdict = Verdict::OutputDiffers;
            entry.explain(&Reason::OtherOutput);
        }
    } else if *facts.code == CodeRelation::Identical {
        for entry in entries
            .iter_mut()
            .filter(|entry| entry.verdict != Verdict::Missing)
        {
            entry.verdict = Verdict::Equivalent;
            entry.explain(&Reason::SameCode);
        }
    }
    mark_trade_offs(&mut entries);
    entries
}

/// Marks trade-offs: one metric better and another worse is never an improvement.
fn mark_trade_offs(entries: &mut [MetricEntry]) {
    let has = |verdict: Verdict| entries.iter().any(|entry| entry.verdict == verdict);
    if has(Verdict::Improved) && has(Verdict::Regressed) {
        entries.iter_mut().for_each(|entry| entry.trade_off = true);
    }
}

pub(super) fn build_entry(
    facts: &WorkloadFacts,
    metric: Metric,
    unit: &str,
    [a, b]: [Value; 2],
) -> MetricEntry {
    let change = match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) if a != 0.0 => {
            let change = b / a - 1.0;
            Some(RelativeChange {
                estimate: change,
                low: Some(change),
                high: Some(change),
            })
        }
        _ => None,
    };
    MetricEntry {
        id: facts.id.to_owned(),
        metric,
        unit: unit.to_owned(),
        verdict: Verdict::Equivalent,
        a,
        b,
        change,
        minimum_detectable: None,
        e_value: None,
        pairs: 0,
        margin: 0.0,
        reason: String::new(),
        reason_kind: None,
        trade_off: false,
        per: None,
        a_range: None,
        b_range: None,
        fitted: None,
        rounding: 0.0,
    }
}

/// Returns values around those of an entry whose ratio is that of an estimate (b / a - 1).
fn fit_values(entry: &MetricEntry, estimate: f64) -> Option<[f64; 2]> {
    let (a, b) = (entry.a.as_f64()?, entry.b.as_f64()?);
    let (middle, half) = ((a * b).sqrt(), (1.0 + estimate).sqrt());
    Some([middle / half, middle * half])
        .filter(|values| values.iter().all(|value| value.is_finite() && *value > 0.0))
}

fn judge_time(facts: &WorkloadFacts) -> MetricEntry {
    let values = match facts.paired {
        Some(paired) => paired_workloads::compute_typical_times(paired).map(Value::from),
        None => facts.sides.map(|side| {
            side.time
                .as_ref()
                .map_or(Value::Null, |time| time.median_ns.into())
        }),
    };
    let mut entry = build_entry(facts, Metric::Time, "ns", values);
    entry.margin = facts.margin;
    // Without pairs, the ratio of two medians is no evidence about the code.
    entry.change = None;
    if let (None, Some(through)) = (facts.paired, &facts.through) {
        entry.verdict = through.verdict;
        entry.change = Some(through.change);
        entry.fitted = fit_values(&entry, through.change.estimate);
        entry.pairs = through.pairs;
        entry.margin = through.margin;
        entry.explain(&through.reason);
        return entry;
    }
    let Some(paired) = facts.paired else {
        entry.verdict = Verdict::Inconclusive;
        entry.explain(&Reason::Unpaired(facts.unpaired));
        return entry;
    };
    if let PairStopReason::Failed {
        side,
        phase,
        message,
    } = &paired.stopped
    {
        entry.verdict = Verdict::Missing;
        entry.explain(&Reason::SideFailed {
            side: NAMES[*side],
            phase: *phase,
            message: message.clone(),
        });
        return entry;
    }
    let assessment = &paired.assessment;
    let relative = |log: f64| log.is_finite().then(|| log.exp_m1());
    entry.change = (assessment.pairs > 0).then(|| RelativeChange {
        estimate: assessment.estimate.exp_m1(),
        low: relative(assessment.low),
        high: relative(assessment.high),
    });
    entry.fitted = paired_workloads::compute_fitted_times(paired);
    entry.minimum_detectable = assessment.minimum_detectable.map(f64::exp_m1);
    // Larger values may overflow the float.
    entry.e_value = Some(assessment.log_e.exp().min(1e300));
    entry.pairs = assessment.pairs;
    entry.verdict = match paired.finding {
        PairFinding::Higher => Verdict::Regressed,
        PairFinding::Lower => Verdict::Improved,
        PairFinding::Equivalent => Verdict::Equivalent,
        PairFinding::Open => Verdict::Inconclusive,
    };
    let by_times = explain_times(paired, facts.margin, facts.more);
    if *facts.code == CodeRelation::OnlyLayout && entry.verdict != Verdict::Equivalent {
        let open = entry.verdict == Verdict::Inconclusive;
        entry.verdict = Verdict::Equivalent;
        entry.explain(&if open {
            Reason::SameMachineCode(Box::new(by_times))
        } else {
            Reason::LayoutOnly
        });
    } else {
        entry.explain(&by_times);
    }
    entry
}

/// Explains the finding of the pairs alone. `more` is the option that gives a workload more time.
fn explain_times(paired: &PairedResult, margin: f64, more: &str) -> Reason {
    let pairs = paired.assessment.pairs;
    let still_open = |limit| Reason::StillOpen {
        pairs,
        limit,
        more: more.to_owned(),
    };
    match (&paired.stopped, paired.finding) {
        (_, PairFinding::Higher | PairFinding::Lower) => Reason::Decided { pairs, margin },
        (_, PairFinding::Equivalent) => Reason::WithinMargin { pairs, margin },
        (PairStopReason::Pairs, PairFinding::Open) => still_open(PairLimit::Pairs),
        (PairStopReason::Time, PairFinding::Open) => still_open(PairLimit::Time),
        (_, PairFinding::Open) => Reason::Interrupted { pairs },
    }
}

/// Judges the plugin's metrics that have a direction. Metrics per time follow from the pairs, the
/// others from the counts.
fn judge_metrics(facts: &WorkloadFacts, time: &MetricEntry) -> Vec<MetricEntry> {
    let [a, b] = facts.sides;
    let mut entries = Vec::new();
    for (id, info) in &a.metrics_info {
        let Some(better) = info.better else { continue };
        let Some(a_value) = a.metrics.get(id) else {
            continue;
        };
        let Some(b_value) = b.metrics.get(id) else {
            let gone = build_entry(
                facts,
                Metric::from(id.as_str()),
                &info.unit,
                [to_json_number(*a_value), Value::Null],
            );
            let gone = MetricEntry {
                verdict: Verdict::Missing,
                per: Some(info.per),
                ..gone
            };
            entries.push(gone.with_reason(&Reason::CounterGone));
            continue;
        };
        let mut entry = build_entry(
            facts,
            Metric::from(id.as_str()),
            &info.unit,
            [to_json_number(*a_value), to_json_number(*b_value)],
        );
        entry.per = Some(info.per);
        entries.push(match info.per {
            CounterBasis::Iteration | CounterBasis::BytesPerUnit => {
                exact::judge_counter(facts, entry, better, [*a_value, *b_value])
            }
            CounterBasis::Second => judge_rate(entry, time, better, [*a_value, *b_value], |time| {
                1.0 / (1.0 + time) - 1.0
            }),
            CounterBasis::Unit => {
                judge_rate(entry, time, better, [*a_value, *b_value], |time| time)
            }
        });
    }
    // A new metric has nothing to be compared with, but targets use it.
    let is_new = |id: &str| !a.metrics.contains_key(id);
    for (id, info) in b
        .metrics_info
        .iter()
        .filter(|(id, info)| info.better.is_some() && is_new(id))
    {
        let Some(value) = b.metrics.get(id) else {
            continue;
        };
        let new = MetricEntry {
            per: Some(info.per),
            ..build_entry(
                facts,
                Metric::from(id.as_str()),
                &info.unit,
                [Value::Null, to_json_number(*value)],
            )
        };
        entries.push(new.with_reason(&Reason::NewMetric));
    }
    entries
}

/// Judges a metric that is a ratio of counted work and time. Its verdict is that of the time.
fn judge_rate(
    mut entry: MetricEntry,
    time: &MetricEntry,
    better: BetterDirection,
    [a, b]: [f64; 2],
    of_time: impl Fn(f64) -> f64,
) -> MetricEntry {
    entry.change = None;
    let (Some(a_ns), Some(b_ns)) = (time.a.as_f64(), time.b.as_f64()) else {
        entry.verdict = time.verdict;
        entry.take_reason(time);
        return entry;
    };
    // If the work is the same, the metric and the time agree.
    let expected = of_time(b_ns / a_ns - 1.0);
    if ((b / a - 1.0) - expected).abs() > 1e-9 * (1.0 + expected.abs()) {
        entry.verdict = Verdict::Inconclusive;
        entry.explain(&Reason::OtherWork);
        return entry;
    }
    entry.change = time.change.map(|change| {
        let ends = [change.low.map(&of_time), change.high.map(&of_time)];
        let rises = of_time(1.0) > 0.0;
        let [low, high] = if rises { ends } else { [ends[1], ends[0]] };
        RelativeChange {
            estimate: of_time(change.estimate),
            low,
            high,
        }
    });
    let natural = if of_time(1.0) > 0.0 {
        BetterDirection::Lower
    } else {
        BetterDirection::Higher
    };
    entry.verdict = match (time.verdict, better == natural) {
        (Verdict::Regressed, false) => Verdict::Improved,
        (Verdict::Improved, false) => Verdict::Regressed,
        (verdict, _) => verdict,
    };
    // The rates at the fitted times, so that both agree.
    let rate_at = |ns: f64| a * (1.0 + of_time(ns / a_ns - 1.0));
    entry.fitted = time.fitted.map(|times| times.map(rate_at));
    entry.minimum_detectable = time.minimum_detectable;
    entry.e_value = time.e_value;
    entry.pairs = time.pairs;
    entry.margin = time.margin;
    entry.take_reason(time);
    entry
}

/// Finds the dimension in which two jobs are not comparable, with both values.
pub(crate) fn find_obstacle(a: &JobRecord, b: &JobRecord) -> Option<ComparisonObstacle> {
    if a.workload != b.workload {
        let workloads = [a, b].map(|side| side.workload.clone());
        return Some(ComparisonObstacle::Workload(workloads));
    }
    if a.settings.threads != b.settings.threads {
        let threads = [a, b].map(|side| side.settings.threads);
        return Some(ComparisonObstacle::Threads(threads));
    }
    if let Some(difference) = find_other_parameter(&a.params, &b.params) {
        return Some(difference);
    }
    let other =
        |(name, hash): &(&String, &String)| b.inputs.get(*name).is_some_and(|known| known != *hash);
    let (name, _) = a.inputs.iter().find(other)?;
    Some(ComparisonObstacle::InputFile { name: name.clone() })
}

fn find_other_parameter(
    a: &Map<String, Value>,
    b: &Map<String, Value>,
) -> Option<ComparisonObstacle> {
    let shown = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
    a.keys()
        .chain(b.keys())
        .find(|name| a.get(*name) != b.get(*name))
        .map(|name| ComparisonObstacle::Parameter {
            name: name.clone(),
            values: [a, b].map(|params| shown(params.get(name))),
        })
}
