//! The bisected metric: whether the workload has it, and which direction is worse.

use super::task::BisectTask;
use crate::compare::sides;
use crate::error::CommandError;
use crate::machine;
use crate::model::metric::Metric;
use crate::plugin::PluginSpec;
use crate::plugin::build::{PluginFailure, PreparedPlugin};
use crate::plugin::cargo::BuildWatcher;
use crate::plugin::catalog::{BetterDirection, MetricInfo};
use crate::plugin::revision;
use crate::project::{self, BuildWait};
use crate::runner::event::ProgressObserver;
use crate::runner::interrupt::Interrupt;
use crate::runner::plan_execution;

/// Finds the requested metric among those that the plugin describes. Returns it with the direction
/// that is better.
pub(super) fn find<'a>(
    task: &BisectTask,
    described: &'a [MetricInfo],
) -> Result<(&'a MetricInfo, BetterDirection), CommandError> {
    let Some(info) = described.iter().find(|info| info.id == task.metric.name()) else {
        let known: Vec<&str> = Metric::OWN
            .iter()
            .map(Metric::name)
            .chain(described.iter().map(|info| info.id.as_str()))
            .collect();
        return Err(CommandError::input(format!(
            "{} has no metric '{}'",
            task.job.id, task.metric
        ))
        .with_hint(format!(
            "its metrics are {}",
            orch_core::format::listed(&known)
        )));
    };
    let Some(better) = info.better else {
        return Err(CommandError::input(format!(
            "the plugin does not declare whether more or less of '{}' is better, so no change is \
             a regression",
            task.metric
        ))
        .with_hint("set `better` in its describe document"));
    };
    Ok((info, better))
}

/// Refuses a task that the bisect itself would refuse: one with more threads than this machine has
/// CPUs, or with a metric that the plugin does not have. A metric of the plugin's own requires its
/// description at the good end, which is built if necessary.
pub(super) fn check_before(
    task: &BisectTask,
    interrupt: &Interrupt,
    observer: &mut dyn ProgressObserver,
) -> Result<(), CommandError> {
    if let Some(reason) = plan_execution::describe_missing_cpus(&task.job, &machine::usable_cpus())
    {
        return Err(CommandError::input(format!(
            "{} {reason}, so no commit can be measured",
            task.job.id
        ))
        .with_hint("use fewer `threads`, or allow orch more CPUs (taskset, the container)"));
    }
    if task.metric.is_own() {
        return Ok(());
    }
    let good = &task.history.good;
    let root = &task.loaded.root;
    let build = |key: &str,
                 spec: &PluginSpec,
                 watch: &mut BuildWatcher|
     -> Result<PreparedPlugin, PluginFailure> {
        revision::prepare_at_commit(key, spec, root, good, watch)
    };
    let mark = format!("{}-dry", std::process::id());
    let is_ours = |key: &str| key == task.key;
    let scenario = &task.loaded.scenario;
    let plugins = project::prepare(
        scenario,
        is_ours,
        &build,
        BuildWait::Never,
        &mark,
        interrupt,
        observer,
    )?;
    if let Some(Err(failure)) = plugins.prepared.get(&task.key) {
        return Err(CommandError::input(format!(
            "the good end cannot be measured: {} in {}",
            failure.message,
            failure.phase.name()
        )));
    }
    let Some(description) = plugins.described.get(&task.key) else {
        return Ok(());
    };
    sides::expand_entry(scenario, task.entry, |key| plugins.described.get(key))
        .map_err(|problems| task.loaded.refuse(problems))?;
    let described = description
        .find_workload(&task.job.workload)
        .map_or(&[][..], |info| &info.metrics);
    find(task, described).map(drop)
}
