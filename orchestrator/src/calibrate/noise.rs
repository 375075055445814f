//! Comparisons of each workload with itself: their scatter, and their share of wrong verdicts.

use super::{CalibrateRequest, find_built, find_spec};
use crate::calibration::{
    ArithmeticSpeed, CalibrationKey, MachineCalibration, MemorySpeed, PairNoise,
};
use crate::compare;
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::machine::{self, Machine};
use crate::plugin::build::{self, PreparedPlugin};
use crate::project::{self, LoadedScenario, PluginSet};
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::interrupt::Interrupt;
use crate::runner::lock::LockPurpose;
use crate::runner::pair_series::{PairContext, PairRecord, PairSeries, PairSides, PairUnit};
use crate::scenario::Job;
use orch_core::format;
use orch_core::judge::{alarms, estimate, verdict};
use orch_core::measure::bandwidth;
use orch_core::random::SeededRandom;
use std::path::PathBuf;
use std::time::Duration;

/// Pairs of each comparison. A clear change is decided after 14 pairs.
const PAIRS: usize = 16;
/// Comparisons of all workloads together, unless the user says otherwise.
const COMPARISONS: usize = 60;
/// Fewest comparisons of each workload; together they have 64 pairs.
const LEAST_COMPARISONS: usize = 4;
/// Estimated time of a pair. Its turns take at most 300 ms; the rest is for two processes and their
/// setup.
const PAIR: Duration = Duration::from_millis(350);
/// Least size of the buffer, which is four times the largest cache and larger than any cache.
const BUFFER: usize = 256 << 20;
/// Side of a matrix product that keeps a core's units busy.
const LARGE_SIDE: u64 = 256;

/// A workload that can be measured, with its build.
struct NoiseCandidate<'a> {
    job: &'a Job,
    prepared: &'a PreparedPlugin,
    margin: f64,
    tau: Option<f64>,
    /// Reason why it was not measured to the end.
    lost: Option<String>,
    comparisons: Vec<PairSeries>,
}

/// Request for noise measurements.
struct NoiseOrder {
    comparisons: usize,
    seed: u64,
}

/// The noise of a workload.
pub(crate) struct WorkloadNoise {
    pub(crate) id: String,
    /// Noise, or `None` if no comparison is complete.
    pub(crate) noise: Option<PairNoise>,
    pub(crate) tau: Option<f64>,
    pub(crate) lost: Option<String>,
}

/// Result of the noise measurements.
pub(crate) struct NoiseResult {
    pub(crate) rows: Vec<WorkloadNoise>,
    pub(crate) memory: MemorySpeed,
    pub(crate) arithmetic: Option<ArithmeticSpeed>,
    /// Pairs of each comparison.
    pub(crate) pairs: usize,
    /// File that keeps the result.
    pub(crate) file: PathBuf,
    pub(crate) seed: u64,
    /// Whether the user stopped the measurement. The result then covers complete comparisons only.
    pub(crate) is_interrupted: bool,
}

/// Measures the workloads of a scenario and stores the result. `comparisons` is the number per
/// workload.
pub(crate) fn measure_noise(
    request: &CalibrateRequest,
    comparisons: Option<usize>,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<NoiseResult, CommandError> {
    let named = request.scenario.as_deref();
    let path = project::named_or_default(named, "name a scenario: `--scenario FILE`")?;
    let loaded = project::load(&path)?;
    let uses = |key: &str| loaded.scenario.uses_plugin(key);
    let plugins = project::prepare(
        &loaded.scenario,
        uses,
        &build::prepare_kept_plugin,
        project::BuildWait::OF_TREE,
        &context.mark,
        context.interrupt,
        observer,
    )?;
    let filter = request.filter.as_deref();
    let jobs = project::chosen_jobs(&loaded, &loaded.scenario, &plugins, filter)?;
    let machine = Machine::read();
    let mut kept = MachineCalibration::load(&machine);
    let mut candidates = find_candidates(&loaded, &kept, &jobs, &plugins)?;
    let order = NoiseOrder {
        comparisons: comparisons.unwrap_or_else(|| per_workload(jobs.len())),
        seed: request.seed.unwrap_or_else(orch_core::random::draw_seed),
    };
    let text = format::wrap(&announcement(jobs.len(), order.comparisons), 80, 2);
    observer.see(ProgressEvent::Note { text: &text });
    let _held = project::take_lock(LockPurpose::Measuring, context.interrupt, observer)?;
    let memory = memory(&machine);
    let cpus = machine::usable_cpus();
    let ground = PairContext {
        cpus: &cpus,
        clock: context.clock(),
        mark: &context.mark,
    };
    measure(
        &mut candidates,
        &order,
        &ground,
        context.interrupt,
        observer,
    )?;
    keep(&mut kept, &candidates, &loaded, memory.clone(), order.seed);
    let file = kept
        .store(&machine)
        .map_err(|error| CommandError::system_while("cannot store the calibration", &error))?;
    Ok(NoiseResult {
        rows: candidates
            .iter()
            .map(|candidate| row(candidate, order.seed))
            .collect(),
        memory,
        arithmetic: arithmetic(&candidates),
        pairs: PAIRS,
        file,
        seed: order.seed,
        is_interrupted: context.interrupt.is_requested(),
    })
}

fn per_workload(workloads: usize) -> usize {
    COMPARISONS
        .div_ceil(workloads.max(1))
        .max(LEAST_COMPARISONS)
}

fn announcement(workloads: usize, comparisons: usize) -> String {
    let pairs = workloads * comparisons * PAIRS;
    let most = PAIR * u32::try_from(pairs).unwrap_or(u32::MAX);
    let most = format::time(most.as_secs_f64() * 1e9);
    let minutes = PAIR.as_secs_f64() * pairs as f64 / 60.0;
    let most = if minutes < 2.0 {
        most
    } else {
        format!("{minutes:.0} min")
    };
    let many =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}, {} of {PAIRS} pairs each: up to {most}, and more for long iterations; Ctrl-C stops \
         and keeps the complete comparisons",
        many(workloads, "workload"),
        many(comparisons, "comparison")
    )
}

fn find_candidates<'a>(
    loaded: &LoadedScenario,
    kept: &MachineCalibration,
    jobs: &'a [Job],
    plugins: &'a PluginSet,
) -> Result<Vec<NoiseCandidate<'a>>, CommandError> {
    let candidate = |job: &'a Job| {
        let tau = compare::build_effect(loaded, kept, job);
        Ok(NoiseCandidate {
            job,
            prepared: find_built(plugins, &job.plugin)?,
            margin: verdict::equivalence_margin(job.settings.tolerance, tau.unwrap_or(0.0)),
            tau,
            lost: None,
            comparisons: Vec::new(),
        })
    };
    jobs.iter().map(candidate).collect()
}

/// Compares all workloads with themselves repeatedly. Ctrl-C ends this after the last complete
/// comparison.
fn measure(
    candidates: &mut [NoiseCandidate],
    order: &NoiseOrder,
    ground: &PairContext,
    interrupt: &Interrupt,
    observer: &mut dyn ProgressObserver,
) -> Result<(), CommandError> {
    let mut random = SeededRandom::from_seed(order.seed);
    observer.see(ProgressEvent::BeginPairs {
        workloads: order.comparisons,
    });
    for left in (0..order.comparisons).rev() {
        let found = compare_once(candidates, ground, &mut random, interrupt, observer)
            .map_err(|error| CommandError::system_while("the measurement ended early", &error))?;
        let Some(found) = found else { break };
        for (candidate, series) in candidates.iter_mut().zip(found) {
            match &series.failed {
                Some(failed) if candidate.lost.is_none() => {
                    candidate.lost = Some(format!(
                        "failed in {}: {}",
                        failed.phase.name(),
                        failed.message
                    ));
                }
                // A workload that failed has an incomplete series.
                _ if series.pairs.len() < PAIRS => {}
                _ => candidate.comparisons.push(series),
            }
        }
        observer.see(ProgressEvent::StillOpen { workloads: left });
    }
    observer.see(ProgressEvent::End);
    Ok(())
}

/// Makes one comparison of each workload. Each turn measures one pair of every workload, in random
/// order. Returns `None` if the user stopped it.
fn compare_once(
    candidates: &[NoiseCandidate],
    ground: &PairContext,
    random: &mut SeededRandom,
    interrupt: &Interrupt,
    observer: &mut dyn ProgressObserver,
) -> std::io::Result<Option<Vec<PairSeries>>> {
    let mut found: Vec<PairSeries> = candidates.iter().map(|_| PairSeries::default()).collect();
    for _ in 0..PAIRS {
        let mut turn: Vec<usize> = (0..candidates.len()).collect();
        random.shuffle_items(&mut turn);
        for index in turn {
            // Each pair has a generator of its own. The number of coins that a pair uses depends on
            // the length of its turns, and must not change later coins.
            let mut coins = random.draw_generator();
            let candidate = &candidates[index];
            let series = &mut found[index];
            if candidate.lost.is_some() || series.failed.is_some() {
                continue;
            }
            let sides = PairSides {
                jobs: [candidate.job; 2],
                prepared: [candidate.prepared; 2],
                unit: PairUnit::Workers,
            };
            series.measure_pair(&sides, ground, &mut coins, interrupt)?;
            if interrupt.is_requested() {
                return Ok(None);
            }
            let estimate = estimate::hodges_lehmann(&series.differences()).unwrap_or(0.0);
            observer.see(ProgressEvent::Pair {
                job: &candidate.job.id,
                pairs: series.pairs.len(),
                estimate,
            });
        }
    }
    Ok(Some(found))
}

/// Summarises the complete comparisons of a workload; returns `None` if there are none.
fn noise(candidate: &NoiseCandidate, seed: u64) -> Option<PairNoise> {
    let comparisons: Vec<Vec<f64>> = candidate
        .comparisons
        .iter()
        .map(PairSeries::differences)
        .collect();
    let all = comparisons.concat();
    let detectable = |pairs: usize| alarms::detectable_shift(&all, pairs).map(f64::exp_m1);
    // Each comparison is judged alone. The required evidence is then least, and false findings are
    // most likely.
    let alarmed = |margin: f64| {
        let alone = |differences: &&Vec<f64>| {
            alarms::find_false_findings(std::slice::from_ref(*differences), &[margin])
                .contains(&true)
        };
        comparisons.iter().filter(alone).count()
    };
    Some(PairNoise {
        spread: estimate::mad_spread(&all)?,
        detectable_at_16: detectable(16),
        detectable_at_64: detectable(64),
        comparisons: comparisons.len(),
        pairs: PAIRS,
        false_findings: alarmed(candidate.margin),
        false_without_margin: alarmed(0.0),
        margin: candidate.margin,
        seed,
        measured: jiff::Timestamp::now().to_string(),
    })
}

fn keep(
    kept: &mut MachineCalibration,
    candidates: &[NoiseCandidate],
    loaded: &LoadedScenario,
    memory: MemorySpeed,
    seed: u64,
) {
    for candidate in candidates {
        let job = candidate.job;
        let folder = find_spec(loaded, job).map(|spec| spec.source.folder());
        if let (Some(folder), Some(noise)) = (folder, noise(candidate, seed)) {
            let params = serde_json::Value::Object(job.params.clone()).to_string();
            let (workload, threads) = (job.workload.as_str(), job.settings.threads);
            kept.set_noise(
                CalibrationKey {
                    folder: &folder,
                    workload,
                    params: &params,
                    threads,
                },
                noise,
            );
        }
    }
    kept.set_memory(memory);
    if let Some(found) = arithmetic(candidates) {
        kept.set_arithmetic(found);
    }
}

fn row(candidate: &NoiseCandidate, seed: u64) -> WorkloadNoise {
    WorkloadNoise {
        id: candidate.job.id.clone(),
        noise: noise(candidate, seed),
        tau: candidate.tau,
        lost: candidate.lost.clone(),
    }
}

fn memory(machine: &Machine) -> MemorySpeed {
    // A cache is listed as `L3 32768K`.
    let kib = |cache: &String| {
        cache
            .rsplit(' ')
            .next()?
            .strip_suffix('K')?
            .parse::<usize>()
            .ok()
    };
    let largest = machine.cpu.caches.iter().filter_map(kib).max().unwrap_or(0) << 10;
    // The buffer must not make a small machine swap.
    let affordable = usize::try_from(machine.memory_bytes / 16).unwrap_or(BUFFER);
    let buffer_bytes = (4 * largest).max(BUFFER).min(affordable.max(1 << 20));
    let bytes_per_second = bandwidth::measure_copy(buffer_bytes);
    MemorySpeed {
        bytes_per_second,
        buffer_bytes,
        measured: jiff::Timestamp::now().to_string(),
    }
}

/// Returns the best rate of a large matrix product on one thread.
fn arithmetic(candidates: &[NoiseCandidate]) -> Option<ArithmeticSpeed> {
    let rate = |candidate: &NoiseCandidate| {
        let flop = flop(candidate.job)?;
        let pairs = candidate
            .comparisons
            .iter()
            .flat_map(|series| &series.pairs);
        let shortest_ns = pairs.filter_map(shortest_ns).min_by(f64::total_cmp)?;
        Some((flop / shortest_ns * 1e9, candidate.job.id.clone()))
    };
    let (flop_per_second, job) = candidates
        .iter()
        .filter_map(rate)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    Some(ArithmeticSpeed {
        flop_per_second,
        job,
        measured: jiff::Timestamp::now().to_string(),
    })
}

/// Returns the operations of one iteration of a large product on one thread; `None` for any other
/// job.
fn flop(job: &Job) -> Option<f64> {
    let side = |name: &str| {
        job.params
            .get(name)?
            .as_u64()
            .filter(|side| *side >= LARGE_SIDE)
    };
    let is_product = job.workload == "matmul" && job.settings.threads == 1;
    let [m, k, n] = ["m", "k", "n"].map(side);
    is_product.then_some(2.0 * m? as f64 * k? as f64 * n? as f64)
}

/// Returns the shortest time of an iteration over both sides.
fn shortest_ns(pair: &PairRecord) -> Option<f64> {
    let shortest = pair.a_ns.iter().chain(&pair.b_ns).min()?;
    Some(*shortest as f64 / pair.iterations.max(1) as f64)
}
