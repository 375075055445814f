//! Measures rebuilds of the same code at other addresses: the differences of their times, per
//! workload.

use super::{CalibrateRequest, find_built, find_spec};
use crate::calibration::{BuildEffect, CalibrationKey, MachineCalibration};
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::machine::{self, Machine};
use crate::plugin::build;
use crate::plugin::cargo::BuildWatcher;
use crate::plugin::{PluginSource, PluginSpec};
use crate::project::{self, LoadedScenario, PluginSet};
use crate::runner::event::ProgressObserver;
use crate::runner::lock::LockPurpose;
use crate::runner::pair_series::{PairContext, PairSides, PairUnit};
use crate::runner::paired_workloads::{self, PairLimits, PairStopReason, PairedResult};
use crate::scenario::Job;
use orch_core::judge::build_effect;
use orch_core::judge::estimate::median;
use orch_core::random::{self, SeededRandom};
use std::path::PathBuf;
use std::time::Duration;

/// Pairs of each rebuild. A clear change takes 14 pairs to decide, but a rebuild gets no verdict.
const PAIRS: usize = 12;
/// Unit of the sizes of the code put in front: the alignment that compilers give functions by
/// default.
const STEP: usize = 16;
const MOST_STEPS: usize = 16 << 10;

/// The build effects of a scenario's workloads.
pub(crate) struct RebuildResult {
    /// For each job, its build effect or the reason why it was not measured.
    pub(crate) effects: Vec<(String, Result<BuildEffect, String>)>,
    pub(crate) rebuilds: usize,
    /// Pairs of each rebuild.
    pub(crate) pairs: usize,
    /// File that keeps the result.
    pub(crate) file: PathBuf,
}

/// Measures the build effect of all workloads of a scenario's crates.
pub(crate) fn measure_rebuilds(
    request: &CalibrateRequest,
    count: usize,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<RebuildResult, CommandError> {
    if count < 3 {
        return Err(CommandError::input(
            "--rebuilds needs at least 3 builds to measure their differences",
        ));
    }
    let named = request.scenario.as_deref();
    let path = project::named_or_default(named, "name a scenario: `--scenario FILE`")?;
    let mut measuring = RebuildMeasuring {
        loaded: project::load(&path)?,
        context,
        random: SeededRandom::from_seed(request.seed.unwrap_or_else(random::draw_seed)),
    };
    let builds = measuring.builds(count, observer)?;
    let Some((base, rebuilds)) = builds.split_first() else {
        return Err(CommandError::defect(
            "there is no build to compare rebuilds with",
        ));
    };
    let loaded = &measuring.loaded;
    let filter = request.filter.as_deref();
    let jobs = project::chosen_jobs(loaded, &loaded.scenario, base, filter)?;
    let jobs: Vec<Job> = jobs
        .into_iter()
        .filter(|job| measuring.is_crate(&job.plugin))
        .collect();
    let paired = measuring.measure(&jobs, base, rebuilds, observer)?;
    let of_job = |index: usize| {
        paired
            .iter()
            .skip(index)
            .step_by(jobs.len())
            .collect::<Vec<&PairedResult>>()
    };
    let effects = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| (job, effect(&of_job(index))))
        .collect();
    measuring.keep(effects, rebuilds.len())
}

/// An ongoing measurement of build effects.
struct RebuildMeasuring<'a> {
    loaded: LoadedScenario,
    context: &'a CommandContext<'a>,
    random: SeededRandom,
}

impl RebuildMeasuring<'_> {
    fn is_crate(&self, key: &str) -> bool {
        let specs = &self.loaded.scenario.plugins;
        specs
            .iter()
            .any(|(known, spec)| known == key && matches!(spec.source, PluginSource::Crate { .. }))
    }

    /// Returns the crates as they are, followed by each rebuild of them.
    fn builds(
        &mut self,
        rebuilds: usize,
        observer: &mut dyn ProgressObserver,
    ) -> Result<Vec<PluginSet>, CommandError> {
        let mut builds = Vec::new();
        for build in 0..=rebuilds {
            // The remainder of the build's number makes every position inside a cache line occur.
            let steps = self.random.draw_from(0..MOST_STEPS / 4) * 4 + build % 4;
            let prepare = |key: &str, spec: &PluginSpec, watch: &mut BuildWatcher| match build {
                0 => build::prepare_kept_plugin(key, spec, watch),
                _ => build::prepare_padded_plugin(key, spec, STEP * steps, watch),
            };
            let scenario = &self.loaded.scenario;
            let wanted = |key: &str| scenario.uses_plugin(key) && self.is_crate(key);
            builds.push(project::prepare(
                scenario,
                wanted,
                &prepare,
                project::BuildWait::OF_TREE,
                &self.context.mark,
                self.context.interrupt,
                observer,
            )?);
        }
        Ok(builds)
    }

    /// Measures pairs of each rebuild with the plain build: all jobs of the first rebuild, then all
    /// jobs of the next one.
    fn measure(
        &mut self,
        jobs: &[Job],
        base: &PluginSet,
        rebuilds: &[PluginSet],
        observer: &mut dyn ProgressObserver,
    ) -> Result<Vec<PairedResult>, CommandError> {
        let mut workloads = Vec::new();
        for rebuild in rebuilds {
            for job in jobs {
                let prepared = [
                    find_built(base, &job.plugin)?,
                    find_built(rebuild, &job.plugin)?,
                ];
                workloads.push(PairSides {
                    jobs: [job, job],
                    prepared,
                    unit: PairUnit::Workers,
                });
            }
        }
        let interrupt = self.context.interrupt;
        let _held = project::take_lock(LockPurpose::Measuring, interrupt, observer)?;
        let cpus = machine::usable_cpus();
        let limits = PairLimits {
            pairs: PAIRS,
            time: Duration::from_secs(60),
            total: None,
        };
        let ground = PairContext {
            cpus: &cpus,
            clock: self.context.clock(),
            mark: &self.context.mark,
        };
        // With a margin of 0 no workload is equivalent, and a change is rarely decided before the
        // last pair. So the pairs are measured to the end.
        let margins = vec![0.0; workloads.len()];
        let paired = paired_workloads::measure_workloads(
            (&workloads, &margins),
            &ground,
            limits,
            &mut |_| false,
            &mut self.random,
            interrupt,
            observer,
        )
        .map_err(|error| CommandError::system_while("the measurement ended early", &error))?;
        if interrupt.is_requested() {
            return Err(CommandError::interrupted());
        }
        Ok(paired)
    }

    /// Stores the build effects for later comparisons.
    fn keep(
        &self,
        effects: Vec<(&Job, Result<BuildEffect, String>)>,
        rebuilds: usize,
    ) -> Result<RebuildResult, CommandError> {
        let machine = Machine::read();
        let mut kept = MachineCalibration::load(&machine);
        for (job, effect) in &effects {
            if let (Ok(effect), Some(spec)) = (effect, find_spec(&self.loaded, job)) {
                let key = CalibrationKey {
                    folder: &spec.source.folder(),
                    workload: &job.workload,
                    params: &serde_json::Value::Object(job.params.clone()).to_string(),
                    threads: job.settings.threads,
                };
                kept.set_build_effect(key, effect.clone());
            }
        }
        let file = kept
            .store(&machine)
            .map_err(|error| CommandError::system_while("cannot store the calibration", &error))?;
        let effects = effects.into_iter();
        Ok(RebuildResult {
            effects: effects
                .map(|(job, effect)| (job.id.clone(), effect))
                .collect(),
            rebuilds,
            pairs: PAIRS,
            file,
        })
    }
}

/// Returns the build effect from the pairs of all rebuilds, or the reason why it was not measured.
fn effect(rebuilds: &[&PairedResult]) -> Result<BuildEffect, String> {
    let (mut estimates, mut errors) = (Vec::new(), Vec::new());
    for rebuild in rebuilds {
        if let PairStopReason::Failed { phase, message, .. } = &rebuild.stopped {
            return Err(format!("failed in {}: {message}", phase.name()));
        }
        let differences: Vec<f64> = rebuild.pairs.iter().map(|pair| pair.difference).collect();
        estimates.extend(median(&differences));
        errors.extend(build_effect::standard_error(&differences));
    }
    let tau =
        build_effect::estimate_tau(&estimates, &errors).ok_or("too few rebuilds were measured")?;
    let largest = estimates
        .iter()
        .copied()
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        .unwrap_or(0.0);
    Ok(BuildEffect {
        tau: tau.exp_m1(),
        largest: largest.exp_m1(),
        rebuilds: estimates.len(),
        measured: jiff::Timestamp::now().to_string(),
    })
}
