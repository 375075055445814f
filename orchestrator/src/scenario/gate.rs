//! The part of a scenario for `orch check`: the results that fail it, known regressions, and
//! figures to reach.

use super::check::ScenarioCheck;
use super::quantity;
use super::wire::{self, InconclusivePolicy};
use super::yaml::PathStep;
use crate::model::metric::Metric;
use jiff::civil::Date;
use std::time::Duration;

/// The rules of a check.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GateRules {
    /// Whether open verdicts and targets fail the check.
    pub(crate) open_fails: bool,
    /// Time for the pairs of all jobs together.
    pub(crate) budget: Option<Duration>,
    pub(crate) accepted: Vec<Acceptance>,
    pub(crate) targets: Vec<JobTarget>,
}

/// A known change that lets a check pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Acceptance {
    /// Pattern of job ids.
    pub(crate) job: String,
    pub(crate) change: AcceptedChange,
    pub(crate) reason: String,
    /// The last day of the acceptance.
    pub(crate) until: Date,
}

/// The change that an acceptance allows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AcceptedChange {
    /// A metric that got worse, by any amount if there is no bound.
    Worse {
        metric: Metric,
        bound: Option<AcceptedBound>,
    },
    /// A job that the baseline lacks.
    New,
    /// A job of the baseline that the scenario lacks now.
    Dropped,
}

impl Acceptance {
    /// Returns the metric that may get worse; `None` if the acceptance is about the whole job.
    pub(crate) fn metric(&self) -> Option<&Metric> {
        match &self.change {
            AcceptedChange::Worse { metric, .. } => Some(metric),
            AcceptedChange::New | AcceptedChange::Dropped => None,
        }
    }

    /// Returns the bound of a metric's change.
    pub(crate) fn bound(&self) -> Option<&AcceptedBound> {
        match &self.change {
            AcceptedChange::Worse { bound, .. } => bound.as_ref(),
            AcceptedChange::New | AcceptedChange::Dropped => None,
        }
    }
}

/// Bound of an accepted change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AcceptedBound {
    pub(crate) size: BoundSize,
    /// Text in the file: `up_to: 3x`.
    pub(crate) text: String,
}

/// Largest change that is accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum BoundSize {
    /// Relative change in either direction: 0.1 = 10 %.
    Share(f64),
    /// Quotient of the larger and the smaller value, more than 1.
    Factor(f64),
    /// Value after the change, in the metric's own unit.
    Value(f64),
}

/// A figure that jobs have to reach.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobTarget {
    /// Pattern of job ids.
    pub(crate) job: String,
    pub(crate) metric: Metric,
    pub(crate) wanted: TargetBounds,
    /// Text in the file.
    pub(crate) text: String,
}

/// Values in the metric's own unit: nanoseconds, bytes, or plain numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TargetBounds {
    AtLeast(f64),
    AtMost(f64),
    Between(f64, f64),
    /// No worse than the baseline.
    Hold,
}

impl ScenarioCheck<'_> {
    /// Reads the rules of a check.
    pub(super) fn check_gate(&mut self, wire: &wire::WireScenario) -> GateRules {
        let budget = wire
            .budget
            .as_deref()
            .map(quantity::parse_duration)
            .and_then(|budget| match budget {
                Ok(budget) => Some(budget),
                Err(message) => {
                    self.add_problem(&[key("budget")], format!("budget: {message}"), None);
                    None
                }
            });
        let accepted = wire
            .accept
            .iter()
            .enumerate()
            .filter_map(|(index, one)| self.check_acceptance(index, one))
            .collect();
        let targets = wire
            .targets
            .iter()
            .enumerate()
            .filter_map(|(index, one)| self.check_target(index, one))
            .collect();
        GateRules {
            open_fails: wire.gate.inconclusive == InconclusivePolicy::Fail,
            budget,
            accepted,
            targets,
        }
    }

    fn check_acceptance(&mut self, index: usize, one: &wire::WireAcceptance) -> Option<Acceptance> {
        let at = [key("accept"), PathStep::Index(index)];
        let change = self.check_accepted_change(&at, one);
        let Ok(until) = one.until.parse::<Date>() else {
            let at = [&at[..], &[key("until")]].concat();
            self.add_problem(
                &at,
                format!(
                    "`{}` is not a day of the calendar; write for example 2026-12-31",
                    one.until
                ),
                None,
            );
            return None;
        };
        Some(Acceptance {
            job: one.job.clone(),
            change: change?,
            reason: one.reason.clone(),
            until,
        })
    }

    /// Returns the change that an acceptance allows. `new` and `dropped` are about a whole job and
    /// exclude all fields of a metric.
    fn check_accepted_change(
        &mut self,
        at: &[PathStep],
        one: &wire::WireAcceptance,
    ) -> Option<AcceptedChange> {
        let (name, change) = match (one.new, one.dropped) {
            (false, false) => {
                let metric = one.metric.as_deref().map_or(Metric::Time, Metric::from);
                let bound = self.bound(at, one, &metric);
                return Some(AcceptedChange::Worse { metric, bound });
            }
            (true, true) => {
                let message = "`new` and `dropped` exclude each other";
                self.add_problem(
                    &[at, &[key("dropped")]].concat(),
                    message,
                    Some("keep one of them"),
                );
                return None;
            }
            (true, false) => ("new", AcceptedChange::New),
            (false, true) => ("dropped", AcceptedChange::Dropped),
        };
        let fields = [
            ("metric", one.metric.is_some()),
            ("up_to", one.up_to.is_some()),
            ("to", one.to.is_some()),
        ];
        for (field, _) in fields.into_iter().filter(|(_, is_there)| *is_there) {
            let message =
                format!("`{field}` applies to a metric, but `{name}: true` to the whole job");
            let hint = format!("leave out `{field}`, or accept the metric in an entry of its own");
            self.add_problem(&[at, &[key(field)]].concat(), message, Some(&hint));
        }
        Some(change)
    }

    /// Returns the bound of an acceptance, and reports a problem for each invalid one.
    fn bound(
        &mut self,
        at: &[PathStep],
        one: &wire::WireAcceptance,
        metric: &Metric,
    ) -> Option<AcceptedBound> {
        let written = one
            .to
            .as_ref()
            .map(|to| to.as_str().map_or_else(|| to.to_string(), str::to_owned));
        let (name, text) = match (&one.up_to, &written) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                let message = "`up_to` and `to` both limit the accepted change";
                let hint = "keep `up_to` for the relative size of the change, or `to` for the \
                    value after it";
                self.add_problem(&[at, &[key("to")]].concat(), message, Some(hint));
                return None;
            }
            (Some(text), None) => ("up_to", text),
            (None, Some(text)) => ("to", text),
        };
        let at = [at, &[key(name)]].concat();
        if *metric == Metric::Digest {
            let message =
                format!("`{name}` limits a value, but an output (metric `digest`) has no size");
            self.add_problem(
                &at,
                message,
                Some("leave it out: the acceptance then covers any other output"),
            );
            return None;
        }
        let size = if name == "up_to" {
            parse_relative_bound(text)
        } else {
            parse_value_bound(metric, text).map(BoundSize::Value)
        };
        match size {
            Ok(size) => Some(AcceptedBound {
                size,
                text: format!("{name}: {text}"),
            }),
            Err(message) => {
                self.add_problem(&at, format!("{name}: {message}"), None);
                None
            }
        }
    }

    fn check_target(&mut self, index: usize, one: &wire::WireTarget) -> Option<JobTarget> {
        let metric = Metric::from(one.metric.as_str());
        match parse_target(&metric, &one.is) {
            Ok(wanted) => Some(JobTarget {
                job: one.job.clone(),
                metric,
                wanted,
                text: one.is.clone(),
            }),
            Err(message) => {
                self.add_problem(
                    &[key("targets"), PathStep::Index(index), key("is")],
                    message,
                    None,
                );
                None
            }
        }
    }
}

fn key(name: &str) -> PathStep {
    PathStep::Key(name.to_owned())
}

/// Parses `10%` or `3x`.
fn parse_relative_bound(text: &str) -> Result<BoundSize, String> {
    const EXAMPLES: &str = "write a percentage, such as 10%, or a factor, such as 3x";
    let number = |part: &str| {
        part.trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
    };
    if let Some(factor) = text.trim().strip_suffix('x') {
        return match number(factor) {
            Some(factor) if factor > 1.0 => Ok(BoundSize::Factor(factor)),
            Some(_) => Err(format!(
                "`{text}` accepts no change: a factor must be more than 1x, in either direction; \
                 {EXAMPLES}"
            )),
            None => Err(format!("`{text}` is not a factor; {EXAMPLES}")),
        };
    }
    match text.trim().strip_suffix('%').and_then(number) {
        Some(percent) if percent > 100.0 => {
            let factor = 1.0 + percent / 100.0;
            Err(format!(
                "`{text}` is more than 100%; write it as a factor: {factor}x"
            ))
        }
        Some(percent) if percent >= 0.0 => Ok(BoundSize::Share(percent / 100.0)),
        Some(_) => Err(format!(
            "`{text}` is negative; {EXAMPLES}, for changes in either direction"
        )),
        None => Err(format!("`{text}` is not the size of a change; {EXAMPLES}")),
    }
}

/// Parses the value that a change may lead to, in the metric's unit.
fn parse_value_bound(metric: &Metric, text: &str) -> Result<f64, String> {
    let value = parse_value(metric, text)?;
    if metric.is_amount() && value <= 0.0 {
        return Err(format!(
            "`{text}` accepts nothing: a count of {metric} that got worse is above 0"
        ));
    }
    Ok(value)
}

/// Parses `>= 40`, `<= 2ms`, `10 to 20` or `hold`.
fn parse_target(metric: &Metric, text: &str) -> Result<TargetBounds, String> {
    let value = |part: &str| parse_value(metric, part.trim());
    let text = text.trim();
    if text == "hold" {
        return Ok(TargetBounds::Hold);
    }
    if let Some(rest) = text.strip_prefix(">=") {
        return value(rest).map(TargetBounds::AtLeast);
    }
    if let Some(rest) = text.strip_prefix("<=") {
        return value(rest).map(TargetBounds::AtMost);
    }
    let Some((low, high)) = text.split_once(" to ") else {
        return Err(format!(
            "`{text}` is not a target; write `>= 40`, `<= 2ms`, `10 to 20` or `hold`"
        ));
    };
    let (low, high) = (value(low)?, value(high)?);
    if low <= high {
        Ok(TargetBounds::Between(low, high))
    } else {
        Err(format!("the lower end of `{text}` is above its upper end"))
    }
}

/// Parses a value in the metric's unit.
fn parse_value(metric: &Metric, text: &str) -> Result<f64, String> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    match metric {
        Metric::Time => quantity::parse_duration(text).map(|duration| duration.as_nanos() as f64),
        Metric::Bytes | Metric::PeakBytes if text != "0" => {
            quantity::parse_bytes(text).map(|bytes| bytes as f64)
        }
        _ => number(text).ok_or_else(|| {
            format!("`{text}` is not a number; write {metric} as a number, such as 40")
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn bound_is_a_percentage_a_factor_or_a_value() {
        assert_eq!(parse_relative_bound("10%"), Ok(BoundSize::Share(0.1)));
        assert_eq!(parse_relative_bound("100 %"), Ok(BoundSize::Share(1.0)));
        assert_eq!(parse_relative_bound(" 3x "), Ok(BoundSize::Factor(3.0)));
        assert_eq!(parse_relative_bound("1.5x"), Ok(BoundSize::Factor(1.5)));
        for (text, expected) in [
            ("0.5x", "accepts no change"),
            ("1x", "accepts no change"),
            ("-3x", "accepts no change"),
            ("x", "not a factor"),
            ("infx", "not a factor"),
            ("NaNx", "not a factor"),
            ("150%", "a factor: 2.5x"),
            ("-1%", "negative"),
            ("NaN%", "not the size"),
            ("3", "not the size"),
        ] {
            let message = parse_relative_bound(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert_eq!(parse_value_bound(&"allocations".into(), "1"), Ok(1.0));
        assert_eq!(parse_value_bound(&"bytes".into(), "64KiB"), Ok(65536.0));
        assert_eq!(parse_value_bound(&"time".into(), "2ms"), Ok(2e6));
        assert_eq!(parse_value_bound(&"misses".into(), "0"), Ok(0.0));
        for (metric, text) in [
            ("allocations", "0"),
            ("allocations", "-1"),
            ("bytes", "0"),
            ("time", "3"),
            ("misses", "3x"),
            ("misses", "NaN"),
        ] {
            assert!(
                parse_value_bound(&metric.into(), text).is_err(),
                "{metric} {text}"
            );
        }
    }

    #[test]
    fn targets_are_read_in_the_metrics_unit() {
        assert_eq!(
            parse_target(&"gflops".into(), ">= 40"),
            Ok(TargetBounds::AtLeast(40.0))
        );
        assert_eq!(
            parse_target(&"time".into(), "<=2ms"),
            Ok(TargetBounds::AtMost(2e6))
        );
        assert_eq!(
            parse_target(&"time".into(), "1ms to 2ms"),
            Ok(TargetBounds::Between(1e6, 2e6))
        );
        assert_eq!(
            parse_target(&"bytes".into(), "<= 64KiB"),
            Ok(TargetBounds::AtMost(65536.0))
        );
        assert_eq!(
            parse_target(&"bytes".into(), "<= 0"),
            Ok(TargetBounds::AtMost(0.0))
        );
        assert_eq!(
            parse_target(&"allocations".into(), "0 to 3"),
            Ok(TargetBounds::Between(0.0, 3.0))
        );
        assert_eq!(parse_target(&"x".into(), " hold "), Ok(TargetBounds::Hold));
        for (metric, text) in [
            ("time", ">= 4"),
            ("gflops", "40"),
            ("gflops", ">= fast"),
            ("gflops", "3 to 2"),
            ("x", ">= inf"),
        ] {
            assert!(
                parse_target(&metric.into(), text).is_err(),
                "{metric} {text}"
            );
        }
    }
}
