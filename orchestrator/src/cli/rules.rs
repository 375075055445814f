//! Rules of a check that name a metric which no job has: a mistake that nobody would notice while all is green.

use super::output::Failure;
use crate::scenario::gate::Gate;
use crate::versus::Match;
use wildmatch::WildMatch;

/// What orch measures of every job.
const OWN: [&str; 5] = ["time", "allocations", "bytes", "peak_bytes", "digest"];

/// Refuses a rule whose metric none of its jobs has, on either side. `matches`: all jobs of the scenario. Of a plugin that was
/// not built nobody knows.
pub(super) fn check_metrics(rules: &Gate, matches: &[Match], scenario: &str) -> Result<(), Failure> {
    let targets = rules.targets.iter().map(|target| ("targets", &target.job, &target.metric));
    let accepted = rules.accepted.iter().map(|accepted| ("accept", &accepted.job, &accepted.metric));
    for (field, job, metric) in targets.chain(accepted) {
        let pattern = WildMatch::new(job);
        let meant = matches.iter().filter(|each| pattern.matches(&each.jobs[0].id));
        let mut known: Vec<&str> = Vec::new();
        if meant.clone().any(|each| each.info.iter().all(Option::is_none)) {
            continue;
        }
        for info in meant.flat_map(|each| each.info.iter().flatten()) {
            known.extend(OWN.into_iter().chain(info.metrics.iter().map(|metric| metric.id.as_str())));
        }
        if !known.is_empty() && !known.contains(&metric.as_str()) {
            let mut once: Vec<&str> = Vec::new();
            known.into_iter().for_each(|name| {
                if !once.contains(&name) {
                    once.push(name)
                }
            });
            return Err(Failure::Input(format!(
                "error: {scenario}: `{field}` names the metric '{metric}', and '{job}' has none of that name\nhint: its \
                 metrics are {}",
                once.join(", ")
            )));
        }
    }
    Ok(())
}
