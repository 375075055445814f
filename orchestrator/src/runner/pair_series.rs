//! Series of pairs of processes of two builds: the number of turns in each pair, and everything
//! that was measured.

use super::interrupt::Interrupt;
use super::pair::{self, A, B, PairCoins, PairDone, PairEnd, PairTurns};
use super::plan_execution::choose_cpus;
use super::process::WorkerLaunch;
use super::sandbox_grants;
use crate::model::warning::{JobWarning, SidedWarning};
use crate::plan::SAMPLE_TIME;
use crate::plugin::build::PreparedPlugin;
use crate::scenario::Job;
use orch_core::judge::pair::{PairSamples, PairSummary, summarise_pair};
use orch_core::judge::turns::{self, TurnPlan};
use orch_core::measure::clock::ScopeClock;
use orch_core::protocol::{PairReady, Pass, Phase, WorkerRequest};
use orch_core::random::SeededRandom;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// Approximate maximum time of the samples of one pair; a job's `time` may lower it.
const LARGEST_BUDGET: Duration = Duration::from_millis(300);
/// Maximum warm-up time of a worker of a pair.
const WARM_UP: Duration = Duration::from_millis(20);
/// For longer samples, the cost of cold caches is smaller than any detectable difference between
/// the sides, and an untimed sample would double the time of a comparison.
const LONG_SAMPLE_NS: f64 = 10e6;
/// Number of pairs after which the number of turns is settled.
const SETTLED: usize = 6;

/// The two builds that are compared.
#[derive(Clone, Copy)]
pub(crate) struct PairSides<'a> {
    pub(crate) jobs: [&'a Job; 2],
    pub(crate) prepared: [&'a PreparedPlugin; 2],
}

impl PairSides<'_> {
    /// Returns the time of the samples of one pair, in nanoseconds.
    fn budget_ns(&self) -> f64 {
        let [a, b] = self.jobs.map(|job| job.settings.time);
        LARGEST_BUDGET.min(a).min(b).as_nanos() as f64
    }
}

/// Settings that all pairs share.
pub(crate) struct PairContext<'a> {
    pub(crate) cpus: &'a [usize],
    pub(crate) clock: ScopeClock,
    pub(crate) mark: &'a str,
}

/// One pair of processes: all random choices and all measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PairRecord {
    /// ln(time of B / time of A).
    pub(crate) difference: f64,
    /// Whether minima of blocks were compared; otherwise medians.
    pub(crate) floor: bool,
    /// Turns in a block.
    pub(crate) block: usize,
    /// Iterations in each sample.
    pub(crate) iterations: u64,
    /// Whether a sample after each hand-over was not timed.
    pub(crate) untimed: bool,
    /// The coins: the side (0 is A) that was spawned first, the side that loaded first, and the
    /// side that began each turn.
    pub(crate) spawn_first: usize,
    pub(crate) load_first: usize,
    pub(crate) turn_first: Vec<usize>,
    /// Distances by which the stack, heap and mappings of both sides were moved.
    pub(crate) stack_shift: usize,
    pub(crate) heap_shift: usize,
    pub(crate) page_shift: usize,
    /// Whether both sides had their memory at the same addresses.
    pub(crate) same_addresses: bool,
    pub(crate) a_ns: Vec<u64>,
    pub(crate) b_ns: Vec<u64>,
    pub(crate) involuntary_switches: u64,
    pub(crate) wall_ns: u64,
}

/// Failure of one side, which ends the series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SideFailure {
    pub(crate) side: usize,
    pub(crate) phase: Phase,
    pub(crate) message: String,
}

/// Pairs of one workload so far.
#[derive(Default)]
pub(crate) struct PairSeries {
    pub(crate) pairs: Vec<PairRecord>,
    pub(crate) failed: Option<SideFailure>,
    pub(crate) warnings: Vec<SidedWarning>,
    pub(crate) wall: Duration,
    /// Digest documents of both sides, from the first pair.
    pub(crate) digests: Option<[String; 2]>,
    summaries: Vec<PairSummary>,
    plan: Option<PairPlan>,
    /// Time of each pair from spawn to reaping, without the turns.
    process_ns: Vec<f64>,
}

/// Size of the samples and turns of all pairs of a workload.
#[derive(Clone, Copy)]
struct PairPlan {
    iterations: u64,
    untimed: bool,
    turns: TurnPlan,
}

impl PairSeries {
    /// Returns ln(time of B / time of A) of each pair, in the order measured.
    pub(crate) fn differences(&self) -> Vec<f64> {
        self.pairs.iter().map(|pair| pair.difference).collect()
    }

    /// Measures one more pair. Adds nothing if a side failed or the user stopped the pair.
    pub(crate) fn measure_pair(
        &mut self,
        sides: &PairSides,
        context: &PairContext,
        random: &mut SeededRandom,
        interrupt: &Interrupt,
    ) -> io::Result<()> {
        let coins = PairCoins::draw(random);
        let requests = [A, B].map(|side| build_request(sides, side, context, &coins));
        let launches = [A, B].map(|side| WorkerLaunch {
            request: &requests[side],
            // A worker spends half of the time waiting for the other one.
            timeout: sides.jobs[side].settings.timeout * 2,
            threads: sides.jobs[side].settings.threads,
            env: &sides.prepared[side].env,
            mark: context.mark,
            stack: Some(coins.stack),
        });
        let mut chosen = self.plan;
        let budget_ns = sides.budget_ns();
        let plan = |ready: [&PairReady; 2]| {
            let chosen = *chosen.get_or_insert_with(|| plan_pairs(ready, budget_ns));
            PairTurns {
                iterations: chosen.iterations,
                count: chosen.turns.turns,
                untimed: chosen.untimed,
            }
        };
        match pair::run_pair(
            [&launches[A], &launches[B]],
            &coins,
            plan,
            random,
            interrupt,
        )? {
            PairEnd::Interrupted => {}
            PairEnd::Failed {
                side,
                phase,
                message,
            } => {
                self.failed = Some(SideFailure {
                    side,
                    phase,
                    message,
                })
            }
            PairEnd::Done(done) => {
                self.plan = chosen;
                self.wall += done.wall;
                if let Some(chosen) = chosen {
                    self.add_pair(*done, &coins, chosen, budget_ns);
                }
            }
        }
        Ok(())
    }

    fn add_pair(&mut self, done: PairDone, coins: &PairCoins, chosen: PairPlan, budget_ns: f64) {
        let iterations = chosen.iterations.max(1) as f64;
        let per_iteration = |side: usize| -> Vec<f64> {
            done.turned[side]
                .samples_ns
                .iter()
                .map(|ns| *ns as f64 / iterations)
                .collect()
        };
        let (a, b) = (per_iteration(A), per_iteration(B));
        let Some(summary) = summarise_pair(PairSamples { a: &a, b: &b }, chosen.turns.block) else {
            let message = "a sample took zero time".to_owned();
            self.failed = Some(SideFailure {
                side: A,
                phase: Phase::Run,
                message,
            });
            return;
        };
        self.digests.get_or_insert(done.digests);
        let random = || SidedWarning {
            side: None,
            warning: JobWarning::RandomAddresses,
        };
        for warning in done
            .warnings
            .into_iter()
            .chain((!done.same_addresses).then(random))
        {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        let [a_turned, b_turned] = done.turned;
        self.pairs.push(PairRecord {
            difference: summary.difference,
            floor: summary.floor,
            block: chosen.turns.block,
            iterations: chosen.iterations,
            untimed: chosen.untimed,
            spawn_first: coins.spawn_first,
            load_first: coins.load_first,
            turn_first: done.turn_first,
            stack_shift: coins.stack,
            heap_shift: coins.shift.heap,
            page_shift: coins.shift.pages,
            same_addresses: done.same_addresses,
            involuntary_switches: a_turned.usage.involuntary_switches
                + b_turned.usage.involuntary_switches,
            a_ns: a_turned.samples_ns,
            b_ns: b_turned.samples_ns,
            wall_ns: u64::try_from(done.wall.as_nanos()).unwrap_or(u64::MAX),
        });
        self.summaries.push(summary);
        let turns_ns: u64 = self
            .pairs
            .last()
            .map_or(0, |pair| pair.a_ns.iter().chain(&pair.b_ns).sum());
        let turns_ns = turns_ns as f64 * if chosen.untimed { 2.0 } else { 1.0 };
        self.process_ns
            .push((done.wall.as_nanos() as f64 - turns_ns).max(1e6));
        if self.pairs.len() == SETTLED {
            let turn_ns = turns_ns / chosen.turns.turns as f64;
            let process_ns =
                orch_core::judge::estimate::median(&self.process_ns).unwrap_or(turn_ns);
            let turns = turns::reestimate_plan(&self.summaries, process_ns, turn_ns, budget_ns);
            self.plan = Some(PairPlan { turns, ..chosen });
        }
    }
}

/// Chooses iterations and turns of a workload from the reports of both sides of its first pair. The
/// choice is symmetric in the sides.
fn plan_pairs(ready: [&PairReady; 2], budget_ns: f64) -> PairPlan {
    let [a, b] = ready;
    let slowest_ns = a.iteration_ns.max(b.iteration_ns).max(f64::MIN_POSITIVE);
    // A sample is long enough for the faster side, but a sample of a much slower side must not use
    // up the pair's time.
    let affordable = (budget_ns / 8.0 / slowest_ns) as u64;
    let iterations = a
        .iterations
        .max(b.iterations)
        .min(affordable.max(a.iterations.min(b.iterations)))
        .max(1);
    let sample_ns = iterations as f64 * slowest_ns;
    let untimed = sample_ns < LONG_SAMPLE_NS;
    let turn_ns = 2.0 * sample_ns * if untimed { 2.0 } else { 1.0 };
    PairPlan {
        iterations,
        untimed,
        turns: turns::guess_plan(turn_ns, budget_ns),
    }
}

fn build_request(
    sides: &PairSides,
    side: usize,
    context: &PairContext,
    coins: &PairCoins,
) -> WorkerRequest {
    let job = sides.jobs[side];
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    WorkerRequest {
        library: sides.prepared[side].library.clone(),
        pass: Pass::Pair {
            sample_ns: nanos(SAMPLE_TIME),
            warm_up_ns: nanos(WARM_UP),
        },
        workload: job.workload.clone(),
        params: serde_json::Value::Object(job.params.clone()).to_string(),
        cpus: choose_cpus(context.cpus, job.settings.threads),
        memory: job.settings.memory,
        clock: context.clock,
        shift: coins.shift,
        folder: sides.prepared[side].folder.clone(),
        sandbox: sandbox_grants::find_grants(sides.prepared[side], &job.workload, &job.params),
    }
}
