//! `orch doctor --calibrate`: compares each workload with itself, and keeps how much that scatters
//! and how often it errs.

use super::table;
use crate::calibration::{
    ArithmeticSpeed, CalibrationKey, MachineCalibration, MemorySpeed, PairNoise,
};
use crate::cli::Outcome;
use crate::cli::args::DoctorOptions;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::compare;
use crate::error::CommandError;
use crate::format;
use crate::judge::{alarms, estimate, verdict};
use crate::machine::{self, Machine};
use crate::measure::{bandwidth, clock};
use crate::plugin::build::{self, PreparedPlugin};
use crate::project::{self, LoadedScenario, PluginSet};
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::interrupt::Interrupt;
use crate::runner::lock::LockPurpose;
use crate::runner::pair_series::{PairContext, PairRecord, PairSeries, PairSides};
use crate::scenario::Job;
use std::time::Duration;

/// Pairs of each comparison: a clear change is decided by 14.
pub(super) const PAIRS: usize = 16;
/// Comparisons of all workloads together, unless the user says otherwise.
const COMPARISONS: usize = 60;
/// Of each workload: together they have 64 pairs.
const LEAST_COMPARISONS: usize = 4;
/// The turns of a pair take at most 300 ms; two processes, and what they set up, come on top.
const PAIR: Duration = Duration::from_millis(350);
/// Larger than any cache: a multiple of the largest, and at least this.
const BUFFER: usize = 256 << 20;
/// A product of such sides keeps a core's units busy.
const LARGE_SIDE: u64 = 256;

/// A workload that can be measured, with its build.
struct Candidate<'a> {
    job: &'a Job,
    prepared: &'a PreparedPlugin,
    margin: f64,
    tau: Option<f64>,
    /// What kept it from being measured to the end.
    lost: Option<String>,
    comparisons: Vec<PairSeries>,
}

/// What was asked for.
struct Order {
    comparisons: usize,
    seed: u64,
}

/// Measures the workloads of a scenario and keeps what was found.
pub(super) fn calibrate(options: &DoctorOptions) -> Outcome {
    let scope_clock = clock::ClockCalibration::begin();
    let path = project::named_or_default(options.scenario.as_deref(), "--scenario FILE")?;
    let loaded = project::load(&path)?;
    let interrupt = output::listen_to_signals()?;
    let mut progress = Progress::new();
    let mark = format!(
        "{}-{}",
        std::process::id(),
        jiff::Timestamp::now().as_nanosecond()
    );
    let uses = |key: &str| loaded.scenario.uses_plugin(key);
    let plugins = project::prepare(
        &loaded.scenario,
        uses,
        &build::prepare_kept,
        project::BuildWait::OF_TREE,
        &mark,
        &interrupt,
        &mut progress,
    )?;
    let jobs = project::chosen_jobs(
        &loaded,
        &loaded.scenario,
        &plugins,
        options.filter.as_deref(),
    )?;
    let machine = Machine::read();
    let mut kept = MachineCalibration::load(&machine);
    let mut candidates = candidates(&loaded, &kept, &jobs, &plugins)?;
    let order = Order {
        comparisons: options
            .comparisons
            .unwrap_or_else(|| per_workload(jobs.len())),
        seed: options.seed.unwrap_or_else(|| fastrand::u64(..1 << 48)),
    };
    output::note(&format::wrap(
        &announcement(jobs.len(), order.comparisons),
        80,
        2,
    ));
    let _held = project::take_lock(LockPurpose::Measuring, &interrupt, &mut progress)?;
    let memory = memory(&machine);
    let cpus = machine::usable_cpus();
    let ground = PairContext {
        cpus: &cpus,
        clock: scope_clock.end(),
        mark: &mark,
    };
    measure(&mut candidates, &order, &ground, &interrupt, &mut progress)?;
    keep(&mut kept, &candidates, &loaded, memory.clone(), order.seed);
    let file = kept
        .store(&machine)
        .map_err(|error| CommandError::system_while("cannot keep the calibration", &error))?;
    let rows: Vec<table::Row> = candidates
        .iter()
        .map(|candidate| row(candidate, order.seed))
        .collect();
    let whole = table::Table {
        rows,
        memory,
        arithmetic: arithmetic(&candidates),
        pairs: PAIRS,
    };
    let end = if interrupt.requested() {
        "interrupted: only whole comparisons were kept\n"
    } else {
        ""
    };
    output::print(&format!(
        "{}{end}kept in {}\nseed {}\n",
        table::shown(&whole),
        file.display(),
        order.seed
    ))?;
    let lost = candidates.iter().any(|candidate| candidate.lost.is_some());
    Ok(match (interrupt.requested(), lost) {
        (true, _) => Exit::Interrupted,
        (_, true) => Exit::Incomplete,
        _ => Exit::Fine,
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
        "{}, {} of {PAIRS} pairs each: up to {most}, and more where an iteration is long; \
         Ctrl-C keeps what is complete",
        many(workloads, "workload"),
        many(comparisons, "comparison")
    )
}

fn candidates<'a>(
    loaded: &LoadedScenario,
    kept: &MachineCalibration,
    jobs: &'a [Job],
    plugins: &'a PluginSet,
) -> Result<Vec<Candidate<'a>>, CommandError> {
    let candidate = |job: &'a Job| {
        let tau = compare::build_effect(loaded, kept, job);
        Ok(Candidate {
            job,
            prepared: super::built(plugins, &job.plugin)?,
            margin: verdict::equivalence_margin(job.settings.tolerance, tau.unwrap_or(0.0)),
            tau,
            lost: None,
            comparisons: Vec::new(),
        })
    };
    jobs.iter().map(candidate).collect()
}

/// Compares all workloads with themselves, again and again. Ctrl-C ends it after the last whole
/// comparison.
fn measure(
    candidates: &mut [Candidate],
    order: &Order,
    ground: &PairContext,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<(), CommandError> {
    let mut random = fastrand::Rng::with_seed(order.seed);
    progress.see(ProgressEvent::BeginPairs {
        workloads: order.comparisons,
    });
    for left in (0..order.comparisons).rev() {
        let found = compare_once(candidates, ground, &mut random, interrupt, progress)
            .map_err(|error| CommandError::system_while("the measuring ended early", &error))?;
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
                // One that is lost has no more pairs.
                _ if series.pairs.len() < PAIRS => {}
                _ => candidate.comparisons.push(series),
            }
        }
        progress.see(ProgressEvent::StillOpen { workloads: left });
    }
    progress.see(ProgressEvent::End);
    Ok(())
}

/// One comparison: a pair of each workload in random order, then the next. `None`: the user stopped
/// it.
fn compare_once(
    candidates: &[Candidate],
    ground: &PairContext,
    random: &mut fastrand::Rng,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> std::io::Result<Option<Vec<PairSeries>>> {
    let mut found: Vec<PairSeries> = candidates.iter().map(|_| PairSeries::default()).collect();
    for _ in 0..PAIRS {
        let mut turn: Vec<usize> = (0..candidates.len()).collect();
        random.shuffle(&mut turn);
        for index in turn {
            // Coins of its own: how many a pair uses depends on how long its turns are, and later
            // ones must not.
            let mut coins = random.fork();
            let candidate = &candidates[index];
            let series = &mut found[index];
            if candidate.lost.is_some() || series.failed.is_some() {
                continue;
            }
            let sides = PairSides {
                jobs: [candidate.job; 2],
                prepared: [candidate.prepared; 2],
            };
            series.measure_pair(&sides, ground, &mut coins, interrupt)?;
            if interrupt.requested() {
                return Ok(None);
            }
            let estimate = estimate::hodges_lehmann(&series.differences()).unwrap_or(0.0);
            progress.see(ProgressEvent::Pair {
                job: &candidate.job.id,
                pairs: series.pairs.len(),
                estimate,
            });
        }
    }
    Ok(Some(found))
}

/// What the whole comparisons of a workload say; nothing where there are none.
fn noise(candidate: &Candidate, seed: u64) -> Option<PairNoise> {
    let comparisons: Vec<Vec<f64>> = candidate
        .comparisons
        .iter()
        .map(PairSeries::differences)
        .collect();
    let all = comparisons.concat();
    let detectable = |pairs: usize| alarms::detectable_shift(&all, pairs).map(f64::exp_m1);
    // Each as if it had been compared alone: then the evidence asked for is least, and false
    // findings are likeliest.
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
    candidates: &[Candidate],
    loaded: &LoadedScenario,
    memory: MemorySpeed,
    seed: u64,
) {
    for candidate in candidates {
        let job = candidate.job;
        let folder = super::spec(loaded, job).map(|spec| spec.source.folder());
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

fn row(candidate: &Candidate, seed: u64) -> table::Row {
    table::Row {
        id: candidate.job.id.clone(),
        noise: noise(candidate, seed),
        tau: candidate.tau,
        lost: candidate.lost.clone(),
    }
}

fn memory(machine: &Machine) -> MemorySpeed {
    // `L3 32768K`
    let kib = |cache: &String| {
        cache
            .rsplit(' ')
            .next()?
            .strip_suffix('K')?
            .parse::<usize>()
            .ok()
    };
    let largest = machine.cpu.caches.iter().filter_map(kib).max().unwrap_or(0) << 10;
    // A small machine must not swap for it.
    let affordable = usize::try_from(machine.memory_bytes / 16).unwrap_or(BUFFER);
    let buffer_bytes = (4 * largest).max(BUFFER).min(affordable.max(1 << 20));
    let bytes_per_second = bandwidth::measure_copy(buffer_bytes);
    MemorySpeed {
        bytes_per_second,
        buffer_bytes,
        measured: jiff::Timestamp::now().to_string(),
    }
}

/// The best rate of a large matrix product on one thread.
fn arithmetic(candidates: &[Candidate]) -> Option<ArithmeticSpeed> {
    let rate = |candidate: &Candidate| {
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

/// Operations of one iteration of a large product on one thread; `None` for any other job.
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

/// Of both sides, per iteration.
fn shortest_ns(pair: &PairRecord) -> Option<f64> {
    let shortest = pair.a_ns.iter().chain(&pair.b_ns).min()?;
    Some(*shortest as f64 / pair.iterations.max(1) as f64)
}
