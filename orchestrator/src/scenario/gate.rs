//! What a scenario says of `orch check`: what fails it, which regressions are known, which figures have to be reached.

use super::check::Check;
use super::quantity;
use super::wire::{self, Inconclusive};
use super::yaml::Step;
use jiff::civil::Date;
use std::time::Duration;

/// The rules of a check.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Gate {
    /// Open verdicts and targets fail it.
    pub(crate) open_fails: bool,
    /// Time for pairs of all jobs together.
    pub(crate) budget: Option<Duration>,
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) targets: Vec<Target>,
}

/// A change for the worse that is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Accepted {
    /// Pattern of job ids.
    pub(crate) job: String,
    pub(crate) metric: String,
    /// Relative; any size if absent.
    pub(crate) up_to: Option<f64>,
    pub(crate) reason: String,
    /// The last day.
    pub(crate) until: Date,
}

/// A figure that jobs have to reach.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// Pattern of job ids.
    pub(crate) job: String,
    pub(crate) metric: String,
    pub(crate) wanted: Wanted,
    /// As it was written.
    pub(crate) text: String,
}

/// Values in the metric's own unit: nanoseconds, bytes, or plain numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
    Between(f64, f64),
    /// No worse than the baseline.
    Hold,
}

impl Check<'_> {
    /// Reads the rules of a check.
    pub(super) fn gate(&mut self, wire: &wire::Scenario) -> Gate {
        let budget = wire.budget.as_deref().map(quantity::duration).and_then(|budget| match budget {
            Ok(budget) => Some(budget),
            Err(message) => {
                self.add(&[key("budget")], format!("budget: {message}"), None);
                None
            }
        });
        let accepted = wire.accept.iter().enumerate().filter_map(|(index, one)| self.accepted(index, one)).collect();
        let targets = wire.targets.iter().enumerate().filter_map(|(index, one)| self.target(index, one)).collect();
        Gate { open_fails: wire.gate.inconclusive == Inconclusive::Fail, budget, accepted, targets }
    }

    fn accepted(&mut self, index: usize, one: &wire::Accept) -> Option<Accepted> {
        let at = [key("accept"), Step::Index(index)];
        let up_to = one.up_to.as_deref().map(|text| self.quantity(&at, "up_to", Some(text), quantity::percent, 0.0));
        let Ok(until) = one.until.parse::<Date>() else {
            let at = [&at[..], &[key("until")]].concat();
            self.add(&at, format!("`{}` is no day of the calendar; write for example 2026-12-31", one.until), None);
            return None;
        };
        let metric = one.metric.clone().unwrap_or_else(|| "time".to_owned());
        Some(Accepted { job: one.job.clone(), metric, up_to, reason: one.reason.clone(), until })
    }

    fn target(&mut self, index: usize, one: &wire::Target) -> Option<Target> {
        match wanted(&one.metric, &one.is) {
            Ok(wanted) => {
                Some(Target { job: one.job.clone(), metric: one.metric.clone(), wanted, text: one.is.clone() })
            }
            Err(message) => {
                self.add(&[key("targets"), Step::Index(index), key("is")], message, None);
                None
            }
        }
    }
}

fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

/// `>= 40`, `<= 2ms`, `10 to 20`, `hold`.
fn wanted(metric: &str, text: &str) -> Result<Wanted, String> {
    let value = |part: &str| value(metric, part.trim());
    let text = text.trim();
    if text == "hold" {
        return Ok(Wanted::Hold);
    }
    if let Some(rest) = text.strip_prefix(">=") {
        return value(rest).map(Wanted::AtLeast);
    }
    if let Some(rest) = text.strip_prefix("<=") {
        return value(rest).map(Wanted::AtMost);
    }
    let Some((low, high)) = text.split_once(" to ") else {
        return Err(format!("`{text}` is no target; write `>= 40`, `<= 2ms`, `10 to 20` or `hold`"));
    };
    let (low, high) = (value(low)?, value(high)?);
    if low <= high {
        Ok(Wanted::Between(low, high))
    } else {
        Err(format!("`{text}` begins above its end, so nothing reaches it"))
    }
}

/// A value in the metric's unit.
fn value(metric: &str, text: &str) -> Result<f64, String> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    match metric {
        "time" => quantity::duration(text).map(|duration| duration.as_nanos() as f64),
        "bytes" | "peak_bytes" if text != "0" => quantity::bytes(text).map(|bytes| bytes as f64),
        _ => number(text).ok_or_else(|| format!("`{text}` is no number; {metric} is given as one, such as 40")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_in_the_metrics_unit() {
        assert_eq!(wanted("gflops", ">= 40"), Ok(Wanted::AtLeast(40.0)));
        assert_eq!(wanted("time", "<=2ms"), Ok(Wanted::AtMost(2e6)));
        assert_eq!(wanted("time", "1ms to 2ms"), Ok(Wanted::Between(1e6, 2e6)));
        assert_eq!(wanted("bytes", "<= 64KiB"), Ok(Wanted::AtMost(65536.0)));
        assert_eq!(wanted("bytes", "<= 0"), Ok(Wanted::AtMost(0.0)));
        assert_eq!(wanted("allocations", "0 to 3"), Ok(Wanted::Between(0.0, 3.0)));
        assert_eq!(wanted("x", " hold "), Ok(Wanted::Hold));
        for (metric, text) in
            [("time", ">= 4"), ("gflops", "40"), ("gflops", ">= fast"), ("gflops", "3 to 2"), ("x", ">= inf")]
        {
            assert!(wanted(metric, text).is_err(), "{metric} {text}");
        }
    }
}
