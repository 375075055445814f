//! Owns the rules of a scenario that are weaker than at the baseline, so that a removed gate is
//! reported.

use super::{FindingKind, GateFinding};
use crate::scenario::Job;
use orch_core::format;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Demands on a working tree or on its baseline.
pub(crate) struct GateDemands<'a> {
    pub(crate) jobs: &'a [Job],
    /// Whether open verdicts fail.
    pub(crate) open_fails: bool,
}

/// Returns one finding for each job that is no longer measured, measured differently or judged less
/// strictly, and one for the policy. None of them fails a check. Jobs of the baseline that are gone
/// are judged elsewhere.
pub(crate) fn find_loosened(before: &GateDemands, now: &GateDemands) -> Vec<GateFinding> {
    let finding = |job: &str, message: String| GateFinding {
        kind: FindingKind::Loosened,
        job: job.to_owned(),
        metric: String::new(),
        message,
    };
    let by_id: HashMap<&str, &Job> = now.jobs.iter().map(|job| (job.id.as_str(), job)).collect();
    let mut found = Vec::new();
    for old in before.jobs {
        let Some(new) = by_id.get(old.id.as_str()) else {
            found.push(finding(
                &old.id,
                "measured at HEAD, but no longer in the scenario".to_owned(),
            ));
            continue;
        };
        let [old_workload, new_workload] =
            [old, new].map(|job| format!("{}/{}", job.plugin, job.workload));
        if old_workload != new_workload {
            found.push(finding(
                &old.id,
                format!("workload {old_workload} -> {new_workload}"),
            ));
        } else if let Some(name) = other_param(&old.params, &new.params) {
            let [then, now] = [&old.params, &new.params].map(|params| match params.get(name) {
                Some(value) => format::shortened(&value.to_string()),
                None => "none".to_owned(),
            });
            found.push(finding(
                &old.id,
                format!("parameter {name}: {then} -> {now}"),
            ));
        }
        let (old_share, new_share) = (old.settings.tolerance, new.settings.tolerance);
        if new_share > old_share {
            let percents = [old_share, new_share].map(|share| share * 100.0);
            let [old_share, new_share] =
                format::apart(|percent| format::percent(percent / 100.0), "%", percents);
            found.push(finding(
                &old.id,
                format!("tolerance {old_share} -> {new_share}"),
            ));
        }
        match (old.settings.max_allocations, new.settings.max_allocations) {
            (Some(most), None) => {
                found.push(finding(&old.id, format!("max_allocations {most} -> none")))
            }
            (Some(most), Some(more)) if more > most => {
                found.push(finding(
                    &old.id,
                    format!("max_allocations {most} -> {more}"),
                ));
            }
            _ => {}
        }
    }
    if before.open_fails && !now.open_fails {
        found.push(finding(
            "",
            "open verdicts failed at the baseline, but pass now".to_owned(),
        ));
    }
    found
}

/// Returns the name of the first parameter with another value.
fn other_param<'a>(then: &'a Map<String, Value>, now: &'a Map<String, Value>) -> Option<&'a str> {
    then.keys()
        .chain(now.keys())
        .find(|name| then.get(*name) != now.get(*name))
        .map(String::as_str)
}
