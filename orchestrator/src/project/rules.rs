//! Finds rules of a scenario that name a job or a metric that does not exist. Such rules would stay
//! for ever and judge nothing.

use crate::error::CommandError;
use crate::model::metric::Metric;
use crate::plugin::catalog::WorkloadInfo;
use crate::scenario::gate::{AcceptedChange, GateRules};
use indexmap::IndexSet;
use orch_core::format;
use wildmatch::WildMatch;

/// Refuses a target or an acceptance that matches no job. `ids` are the ids of all jobs of the
/// scenario.
pub(crate) fn check_jobs(
    rules: &GateRules,
    ids: &[&str],
    scenario: &str,
) -> Result<(), CommandError> {
    let patterns = rules.targets.iter().map(|target| ("targets", &target.job));
    // A dropped job can only be in the scenario of the baseline.
    let present = rules
        .accepted
        .iter()
        .filter(|accepted| accepted.change != AcceptedChange::Dropped);
    let patterns = patterns.chain(present.map(|accepted| ("accept", &accepted.job)));
    for (field, pattern) in patterns {
        let meant = WildMatch::new(pattern);
        if !ids.iter().any(|id| meant.matches(id)) {
            return Err(CommandError::input(format!(
                "{scenario}: `{field}` names the job '{pattern}', which does not exist"
            ))
            .with_hint(format!("its jobs are {}", format::listed(ids))));
        }
    }
    Ok(())
}

/// A job and the plugin's offer for it on each side, which is `None` if the plugin was not built
/// there.
pub(crate) struct OfferedJob<'a> {
    pub(crate) id: &'a str,
    pub(crate) offers: Vec<Option<&'a WorkloadInfo>>,
}

/// Refuses a rule whose metric none of its jobs has, on either side. `jobs` are all jobs of the
/// scenario. The metrics of a plugin that was not built are unknown, so its rules are not checked.
pub(crate) fn check_metrics(
    rules: &GateRules,
    jobs: &[OfferedJob],
    scenario: &str,
) -> Result<(), CommandError> {
    let targets = rules
        .targets
        .iter()
        .map(|target| ("targets", &target.job, &target.metric));
    let accepted = rules
        .accepted
        .iter()
        .filter_map(|accepted| Some(("accept", &accepted.job, accepted.metric()?)));
    for (field, job, metric) in targets.chain(accepted) {
        let pattern = WildMatch::new(job);
        let meant = jobs.iter().filter(|each| pattern.matches(each.id));
        let mut known: Vec<Metric> = Vec::new();
        if meant
            .clone()
            .any(|each| each.offers.iter().all(Option::is_none))
        {
            continue;
        }
        for info in meant.flat_map(|each| each.offers.iter().flatten()) {
            known.extend(
                Metric::OWN.into_iter().chain(
                    info.metrics
                        .iter()
                        .map(|metric| Metric::from(metric.id.as_str())),
                ),
            );
        }
        if !known.is_empty() && !known.contains(metric) {
            let once: Vec<&str> = known
                .iter()
                .map(Metric::name)
                .collect::<IndexSet<&str>>()
                .into_iter()
                .collect();
            return Err(CommandError::input(format!(
                "{scenario}: `{field}` names the metric '{metric}', which '{job}' does not have"
            ))
            .with_hint(format!("its metrics are {}", format::listed(&once))));
        }
    }
    Ok(())
}
