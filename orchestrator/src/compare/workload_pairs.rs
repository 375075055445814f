//! Each job on both sides, with the plugins, the margin and the notes that its comparison needs.

use super::sides::SideJobs;
use super::target::CompareTarget;
use crate::calibration;
use crate::model::warning::{JobWarning, SidedWarning, WarnedSide};
use crate::plugin::build::{PluginFailure, PreparedPlugin};
use crate::plugin::{PluginSource, PluginSpec};
use crate::project::rules::OfferedJob;
use crate::project::{LoadedScenario, PluginSet};
use crate::scenario::Job;
use crate::versus::WorkloadPair;
use orch_core::judge::verdict;
use orch_core::protocol::Phase;

/// Returns the descriptions of a job by the plugins of both sides.
pub(super) fn offered_job(each: &WorkloadPair) -> OfferedJob<'_> {
    OfferedJob {
        id: &each.jobs[0].id,
        offers: each.info.iter().map(Option::as_ref).collect(),
    }
}

/// Returns the build effect of a workload if it was measured; `None` for plugins that orch does not
/// build.
pub(crate) fn build_effect(
    loaded: &LoadedScenario,
    kept: &calibration::MachineCalibration,
    job: &Job,
) -> Option<f64> {
    let spec = loaded
        .scenario
        .plugins
        .iter()
        .find(|(key, _)| *key == job.plugin)
        .map(|(_, spec)| spec);
    let Some(PluginSpec {
        source: PluginSource::Crate { folder, .. },
        ..
    }) = spec
    else {
        return None;
    };
    let params = serde_json::Value::Object(job.params.clone()).to_string();
    let key = calibration::CalibrationKey {
        folder,
        workload: &job.workload,
        params: &params,
        threads: job.settings.threads,
    };
    kept.build_effect(key).map(|effect| effect.tau)
}

/// Pairs a workload's sides, with the margin that its build effect `tau` requires.
pub(super) fn build_workload_pair(
    job: SideJobs,
    tau: f64,
    targets: &[CompareTarget; 2],
    plugins: [&PluginSet; 2],
) -> WorkloadPair {
    let SideJobs { jobs, unknown } = job;
    let of = |side: usize| {
        let key = &jobs[side].plugin;
        plugins[side].prepared.get(key).cloned().unwrap_or_else(|| {
            let message = format!("plugin `{key}` was not prepared");
            Err(PluginFailure::new(Phase::Build, message))
        })
    };
    let info = |side: usize| {
        plugins[side]
            .described
            .get(&jobs[side].plugin)?
            .find_workload(&jobs[side].workload)
            .cloned()
    };
    let margin = verdict::equivalence_margin(jobs[0].settings.tolerance, tau);
    let sided = |side: usize, warning: JobWarning| SidedWarning {
        side: Some(WarnedSide::of_index(side)),
        warning,
    };
    let plugin = |side: usize| jobs[side].plugin.clone();
    let today = |side: usize| {
        let taken_as_it_is = matches!(of(side), Ok(PreparedPlugin { at: None, .. }));
        let is_revision = matches!(targets[side], CompareTarget::Revision(_));
        let warning = || JobWarning::PresentState {
            plugin: plugin(side),
        };
        (taken_as_it_is && is_revision).then(|| sided(side, warning()))
    };
    let note = |side: usize| {
        let note = of(side).ok()?.note?;
        let plugin = plugin(side);
        Some(sided(side, JobWarning::Build { plugin, note }))
    };
    let notes = [today(0), today(1), note(0), note(1)]
        .into_iter()
        .flatten()
        .collect();
    WorkloadPair {
        notes,
        sides: [of(0), of(1)],
        info: [info(0), info(1)],
        unknown,
        margin,
        timed: false,
        output_accepted: false,
        jobs,
    }
}
