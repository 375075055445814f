//! `orch doctor --rebuilds N`: how much the same code differs between builds, per workload.

use super::Outcome;
use super::args::DoctorOptions;
use super::exit::Exit;
use super::output::{self, Failure};
use super::progress::Progress;
use super::project;
use crate::calibration::{BuildEffect, Calibration, Subject};
use crate::format;
use crate::judge::build_effect;
use crate::judge::estimate::median;
use crate::machine::{self, Machine};
use crate::measure::clock;
use crate::plugin::build::{self, PluginFailure, Prepared};
use crate::plugin::cargo::Watcher;
use crate::plugin::{PluginSource, PluginSpec};
use crate::runner::contest::{self, Contest, Contested, Ground, Limits, Stopped};
use crate::runner::event::{Event, Observer};
use crate::runner::interrupt::Interrupt;
use crate::runner::lock::{self, Purpose};
use crate::scenario::Job;
use std::time::Duration;

/// Pairs of each rebuild: fewer than any verdict needs, because none is wanted here.
const PAIRS: usize = 12;
/// Sizes of the code put in front are multiples of this, the alignment that compilers give functions by themselves.
const STEP: usize = 16;
const MOST_STEPS: usize = 16 << 10;

/// Measures the build effect of all workloads of a scenario's crates.
pub(super) fn doctor(options: &DoctorOptions) -> Outcome {
    if options.rebuilds < 3 {
        return Err(Failure::Input("error: --rebuilds needs at least 3 builds to tell how they differ".to_owned()));
    }
    let calibration = clock::Calibration::begin();
    let interrupt = Interrupt::listen().map_err(|error| Failure::system("cannot listen to signals", &error))?;
    let path = match &options.scenario {
        Some(path) => path.clone(),
        None => project::default_scenario()?,
    };
    let loaded = project::load(&path)?;
    let scenario = &loaded.scenario;
    let mark = format!("{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
    let mut progress = Progress::new();
    let is_crate = |key: &str| {
        scenario.plugins.iter().any(|(known, spec)| known == key && matches!(spec.source, PluginSource::Crate { .. }))
    };
    let wanted = |key: &str| scenario.uses(key) && is_crate(key);
    let mut random = fastrand::Rng::new();
    let mut builds = Vec::new();
    for build in 0..=options.rebuilds {
        // Every place inside of a cache line has its turn.
        let steps = if build == 0 { 0 } else { random.usize(0..MOST_STEPS / 4) * 4 + build % 4 };
        let prepare = |key: &str, spec: &PluginSpec, watch: &mut Watcher| -> Result<Prepared, PluginFailure> {
            if build == 0 {
                build::prepare_kept(key, spec, watch)
            } else {
                build::prepare_padded(key, spec, STEP * steps, watch)
            }
        };
        let Some(plugins) = project::prepare(scenario, wanted, &prepare, &mark, &interrupt, &mut progress)? else {
            return Ok(Exit::Interrupted);
        };
        builds.push(plugins);
    }
    let Some((base, rebuilds)) = builds.split_first() else { return Ok(Exit::Bug) };
    let jobs = project::chosen_jobs(&loaded, scenario, base, options.filter.as_deref())?;
    let jobs: Vec<&Job> = jobs.iter().filter(|job| is_crate(&job.plugin)).collect();
    let mut contests = Vec::new();
    for rebuild in rebuilds {
        for job in &jobs {
            let of = |plugins: &'_ project::Plugins| match plugins.prepared.get(&job.plugin) {
                Some(Ok(prepared)) => Ok(prepared.clone()),
                Some(Err(failure)) => Err(Failure::Input(format!("error: plugin {}: {}", job.plugin, failure.message))),
                None => Err(Failure::Input(format!("error: plugin {} was not built", job.plugin))),
            };
            contests.push((*job, of(base)?, of(rebuild)?));
        }
    }
    let held = lock::take(Purpose::Measuring, || progress.see(Event::WaitingForLock), || interrupt.requested())
        .map_err(|error| Failure::system("cannot take the lock", &error))?;
    let Some(_held) = held else { return Ok(Exit::Interrupted) };
    let cpus = machine::usable_cpus();
    let ground = Ground {
        cpus: &cpus,
        clock: calibration.end(),
        mark: &mark,
        limits: Limits { pairs: PAIRS, time: Duration::from_secs(60) },
    };
    // No margin: nothing is decided before all pairs are there.
    let paired: Vec<Contest> =
        contests.iter().map(|(job, a, b)| Contest { jobs: [job, job], prepared: [a, b], margin: 0.0 }).collect();
    let contested = contest::measure(&paired, &ground, &mut |_| false, &mut random, &interrupt, &mut progress)
        .map_err(|error| Failure::system("the measuring ended early", &error))?;
    if interrupt.requested() {
        return Ok(Exit::Interrupted);
    }
    let machine = Machine::read();
    let mut kept = Calibration::load(&machine);
    let mut text = String::from("Build effect: the same code at other places of the library\n\n");
    let mut lost = false;
    for (index, job) in jobs.iter().enumerate() {
        let own: Vec<&Contested> = contested.iter().skip(index).step_by(jobs.len()).collect();
        let folder = scenario.plugins.iter().find(|(key, _)| *key == job.plugin).map(|(_, spec)| spec.source.folder());
        match (effect(&own), folder) {
            (Ok(effect), Some(folder)) => {
                text.push_str(&format!(
                    "{}: tau {}, largest {}; margin at least {}\n",
                    job.id,
                    format::percent(effect.tau),
                    format::change(effect.largest),
                    format::percent(4.0 * effect.tau)
                ));
                let params = serde_json::Value::Object(job.params.clone()).to_string();
                let subject = Subject {
                    folder: &folder,
                    workload: &job.workload,
                    params: &params,
                    threads: job.settings.threads,
                };
                kept.set_build_effect(subject, effect);
            }
            (Err(reason), _) => {
                lost = true;
                text.push_str(&format!("{}: {reason}\n", job.id));
            }
            (Ok(_), None) => {}
        }
    }
    let path = kept.store(&machine).map_err(|error| Failure::system("cannot keep the calibration", &error))?;
    output::print(&format!("{text}\n{} rebuilds, {PAIRS} pairs each; kept in {}\n", rebuilds.len(), path.display()))?;
    Ok(if lost { Exit::Incomplete } else { Exit::Fine })
}

/// The build effect from the pairs of all rebuilds; or what kept them from being measured.
fn effect(rebuilds: &[&Contested]) -> Result<BuildEffect, String> {
    let (mut estimates, mut errors) = (Vec::new(), Vec::new());
    for rebuild in rebuilds {
        if let Stopped::Failed { phase, message, .. } = &rebuild.stopped {
            return Err(format!("failed in {}: {message}", phase.name()));
        }
        let differences: Vec<f64> = rebuild.pairs.iter().map(|pair| pair.difference).collect();
        estimates.extend(median(&differences));
        errors.extend(build_effect::standard_error(&differences));
    }
    let tau = build_effect::tau(&estimates, &errors).ok_or("too few rebuilds were measured")?;
    let largest = estimates.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
    Ok(BuildEffect {
        tau: tau.exp_m1(),
        largest: largest.exp_m1(),
        rebuilds: estimates.len(),
        measured: jiff::Timestamp::now().to_string(),
    })
}
