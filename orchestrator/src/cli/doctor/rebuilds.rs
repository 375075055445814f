//! `orch doctor --rebuilds N`: how much the same code differs between builds, per workload.

use crate::calibration::{BuildEffect, CalibrationKey, MachineCalibration};
use crate::cli::Outcome;
use crate::cli::args::DoctorOptions;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::error::CommandError;
use crate::format::change::{self, ChangedQuantity};
use crate::judge::build_effect;
use crate::judge::estimate::median;
use crate::machine::{self, Machine};
use crate::measure::clock::{self, ScopeClock};
use crate::plugin::build;
use crate::plugin::cargo::BuildWatcher;
use crate::plugin::{PluginSource, PluginSpec};
use crate::project::{self, LoadedScenario, PluginSet};
use crate::runner::interrupt::Interrupt;
use crate::runner::lock::LockPurpose;
use crate::runner::pair_series::PairContext;
use crate::runner::paired_workloads::{
    self, PairLimits, PairStopReason, PairedResult, PairedWorkload,
};
use crate::scenario::Job;
use std::time::Duration;

/// Pairs of each rebuild: fewer than any verdict needs, because none is wanted here.
const PAIRS: usize = 12;
/// Sizes of the code put in front are multiples of this, the alignment that compilers give
/// functions by themselves.
const STEP: usize = 16;
const MOST_STEPS: usize = 16 << 10;

/// Measures the build effect of all workloads of a scenario's crates.
pub(super) fn rebuilds(options: &DoctorOptions, count: usize) -> Outcome {
    if count < 3 {
        return Err(CommandError::input(
            "--rebuilds needs at least 3 builds to tell how they differ",
        ));
    }
    let calibration = clock::ClockCalibration::begin();
    let path = project::named_or_default(options.scenario.as_deref(), "--scenario FILE")?;
    let mut doctor = Doctor {
        loaded: project::load(&path)?,
        interrupt: output::listen_to_signals()?,
        progress: Progress::new(),
        mark: format!(
            "{}-{}",
            std::process::id(),
            jiff::Timestamp::now().as_nanosecond()
        ),
        random: options
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
    };
    let builds = doctor.builds(count)?;
    let Some((base, rebuilds)) = builds.split_first() else {
        return Ok(Exit::Bug);
    };
    let jobs = project::chosen_jobs(
        &doctor.loaded,
        &doctor.loaded.scenario,
        base,
        options.filter.as_deref(),
    )?;
    let jobs: Vec<Job> = jobs
        .into_iter()
        .filter(|job| doctor.is_crate(&job.plugin))
        .collect();
    let contested = doctor.measure(&jobs, base, rebuilds, calibration.end())?;
    let of_job = |index: usize| {
        contested
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
    doctor.report(effects, rebuilds.len())
}

/// A measuring of build effects on its way.
struct Doctor {
    loaded: LoadedScenario,
    interrupt: Interrupt,
    progress: Progress,
    mark: String,
    random: fastrand::Rng,
}

impl Doctor {
    fn is_crate(&self, key: &str) -> bool {
        let specs = &self.loaded.scenario.plugins;
        specs
            .iter()
            .any(|(known, spec)| known == key && matches!(spec.source, PluginSource::Crate { .. }))
    }

    /// The crates as they are, then each rebuild of them.
    fn builds(&mut self, rebuilds: usize) -> Result<Vec<PluginSet>, CommandError> {
        let mut builds = Vec::new();
        for build in 0..=rebuilds {
            // Every place inside of a cache line has its turn.
            let steps = self.random.usize(0..MOST_STEPS / 4) * 4 + build % 4;
            let prepare = |key: &str, spec: &PluginSpec, watch: &mut BuildWatcher| match build {
                0 => build::prepare_kept(key, spec, watch),
                _ => build::prepare_padded(key, spec, STEP * steps, watch),
            };
            let scenario = &self.loaded.scenario;
            let wanted = |key: &str| scenario.uses_plugin(key) && self.is_crate(key);
            builds.push(project::prepare(
                scenario,
                wanted,
                &prepare,
                project::BuildWait::OF_TREE,
                &self.mark,
                &self.interrupt,
                &mut Progress::new(),
            )?);
        }
        Ok(builds)
    }

    /// Pairs of each rebuild with the plain build: all jobs of the first rebuild, then all of the
    /// next.
    fn measure(
        &mut self,
        jobs: &[Job],
        base: &PluginSet,
        rebuilds: &[PluginSet],
        clock: ScopeClock,
    ) -> Result<Vec<PairedResult>, CommandError> {
        let mut contests = Vec::new();
        for rebuild in rebuilds {
            for job in jobs {
                let prepared = [
                    super::built(base, &job.plugin)?,
                    super::built(rebuild, &job.plugin)?,
                ];
                // No margin: nothing is decided before all pairs are there.
                contests.push(PairedWorkload {
                    jobs: [job, job],
                    prepared,
                    margin: 0.0,
                });
            }
        }
        let (progress, interrupt) = (&mut self.progress, &self.interrupt);
        let _held = project::take_lock(LockPurpose::Measuring, interrupt, progress)?;
        let cpus = machine::usable_cpus();
        let limits = PairLimits {
            pairs: PAIRS,
            time: Duration::from_secs(60),
            total: None,
        };
        let ground = PairContext {
            cpus: &cpus,
            clock,
            mark: &self.mark,
        };
        let contested = paired_workloads::measure_workloads(
            &contests,
            &ground,
            limits,
            &mut |_| false,
            &mut self.random,
            interrupt,
            &mut self.progress,
        )
        .map_err(|error| CommandError::system_while("the measuring ended early", &error))?;
        if interrupt.requested() {
            return Err(CommandError::interrupted());
        }
        Ok(contested)
    }

    /// Keeps and shows what was found.
    fn report(
        &self,
        effects: Vec<(&Job, Result<BuildEffect, String>)>,
        rebuilds: usize,
    ) -> Outcome {
        let machine = Machine::read();
        let mut kept = MachineCalibration::load(&machine);
        let mut text =
            String::from("Build effect: the same code at other places of the library\n\n");
        let lost = effects.iter().any(|(_, effect)| effect.is_err());
        for (job, effect) in effects {
            let spec = super::spec(&self.loaded, job);
            match (effect, spec) {
                (Ok(effect), Some(spec)) => {
                    text.push_str(&line(&job.id, &effect));
                    let (folder, params) = (
                        spec.source.folder(),
                        serde_json::Value::Object(job.params.clone()).to_string(),
                    );
                    let (workload, threads) = (job.workload.as_str(), job.settings.threads);
                    kept.set_build_effect(
                        CalibrationKey {
                            folder: &folder,
                            workload,
                            params: &params,
                            threads,
                        },
                        effect,
                    );
                }
                (Err(reason), _) => text.push_str(&format!("{}: {reason}\n", job.id)),
                (Ok(_), None) => {}
            }
        }
        let path = kept
            .store(&machine)
            .map_err(|error| CommandError::system_while("cannot keep the calibration", &error))?;
        output::print(&format!(
            "{text}\n{rebuilds} rebuilds, {PAIRS} pairs each; kept in {}\n",
            path.display()
        ))?;
        Ok(if lost { Exit::Incomplete } else { Exit::Fine })
    }
}

fn line(id: &str, effect: &BuildEffect) -> String {
    let largest = change::size(ChangedQuantity::Time, effect.largest);
    format!(
        "{id}: tau {:.2} %, largest {largest}; margin at least {:.2} %\n",
        100.0 * effect.tau,
        400.0 * effect.tau
    )
}

/// The build effect from the pairs of all rebuilds; or what kept them from being measured.
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
