//! Pairs of processes of two builds, one after the other: how long their turns are, and all that
//! was measured.

use super::interrupt::Interrupt;
use super::pair::{self, A, B, PairCoins, PairDone, PairEnd, PairTurns};
use super::plan_execution::cpus_for;
use super::process::WorkerLaunch;
use super::sandbox_grants;
use crate::judge::pair::{PairSamples, PairSummary, summarise};
use crate::judge::turns::{self, TurnPlan};
use crate::measure::clock::ScopeClock;
use crate::plan::SAMPLE_TIME;
use crate::plugin::build::PreparedPlugin;
use crate::protocol::{PairReady, Pass, Phase, WorkerRequest};
use crate::scenario::Job;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// Samples of one pair take at most about this long.
const PAIR_BUDGET: Duration = Duration::from_millis(300);
/// A worker of a pair warms up for at most this long.
const WARM_UP: Duration = Duration::from_millis(20);
/// Samples that are longer pay for cold caches with less than the sides' difference that anybody
/// can see, and an untimed one would double the time of a comparison.
const LONG_SAMPLE_NS: f64 = 10e6;
/// How many turns a pair has is settled after this many pairs.
const SETTLED: usize = 6;

/// The two builds.
#[derive(Clone, Copy)]
pub(crate) struct PairSides<'a> {
    pub(crate) jobs: [&'a Job; 2],
    pub(crate) prepared: [&'a PreparedPlugin; 2],
}

/// What is the same for all pairs.
pub(crate) struct PairContext<'a> {
    pub(crate) cpus: &'a [usize],
    pub(crate) clock: ScopeClock,
    pub(crate) mark: &'a str,
}

/// One pair of processes: everything that was drawn and everything that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PairRecord {
    /// ln(time of B / time of A).
    pub(crate) difference: f64,
    /// Minima of blocks were compared; else medians.
    pub(crate) floor: bool,
    /// Turns in a block.
    pub(crate) block: usize,
    /// Iterations in each sample.
    pub(crate) iterations: u64,
    /// A sample after each hand-over was not timed.
    pub(crate) untimed: bool,
    /// The coins: the side (0 is A) that was spawned first, that loaded first, that began each
    /// turn.
    pub(crate) spawn_first: usize,
    pub(crate) load_first: usize,
    pub(crate) turn_first: Vec<usize>,
    /// How far stack, heap and mappings of both sides were moved.
    pub(crate) stack_shift: usize,
    pub(crate) heap_shift: usize,
    pub(crate) page_shift: usize,
    /// Both sides had their memory at the same addresses.
    pub(crate) same_addresses: bool,
    pub(crate) a_ns: Vec<u64>,
    pub(crate) b_ns: Vec<u64>,
    pub(crate) involuntary_switches: u64,
    pub(crate) wall_ns: u64,
}

/// One side failed, so there are no more pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SideFailure {
    pub(crate) side: usize,
    pub(crate) phase: Phase,
    pub(crate) message: String,
}

/// The pairs of one workload so far.
#[derive(Default)]
pub(crate) struct PairSeries {
    pub(crate) pairs: Vec<PairRecord>,
    pub(crate) failed: Option<SideFailure>,
    pub(crate) warnings: Vec<String>,
    pub(crate) wall: Duration,
    /// The digest documents of both sides, of the first pair.
    pub(crate) digests: Option<[String; 2]>,
    summaries: Vec<PairSummary>,
    plan: Option<PairPlan>,
    /// From spawn to burial without the turns, of each pair.
    process_ns: Vec<f64>,
}

/// What all pairs of a workload have in common.
#[derive(Clone, Copy)]
struct PairPlan {
    iterations: u64,
    untimed: bool,
    turns: TurnPlan,
}

impl PairSeries {
    /// ln(time of B / time of A) of each pair, in the order measured.
    pub(crate) fn differences(&self) -> Vec<f64> {
        self.pairs.iter().map(|pair| pair.difference).collect()
    }

    /// Measures one more pair. Nothing is added when a side failed, or the user stopped it.
    pub(crate) fn measure_pair(
        &mut self,
        sides: &PairSides,
        context: &PairContext,
        random: &mut fastrand::Rng,
        interrupt: &Interrupt,
    ) -> io::Result<()> {
        let coins = PairCoins::draw(random);
        let requests = [A, B].map(|side| build_request(sides, side, context, &coins));
        let launches = [A, B].map(|side| WorkerLaunch {
            request: &requests[side],
            // Half of the time a worker waits for the other one.
            timeout: sides.jobs[side].settings.timeout * 2,
            threads: sides.jobs[side].settings.threads,
            env: &sides.prepared[side].env,
            mark: context.mark,
            stack: Some(coins.stack),
        });
        let mut chosen = self.plan;
        let plan = |ready: [&PairReady; 2]| {
            let chosen = *chosen.get_or_insert_with(|| plan_pairs(ready));
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
                    self.add_pair(*done, &coins, chosen);
                }
            }
        }
        Ok(())
    }

    fn add_pair(&mut self, done: PairDone, coins: &PairCoins, chosen: PairPlan) {
        let iterations = chosen.iterations.max(1) as f64;
        let per_iteration = |side: usize| -> Vec<f64> {
            done.turned[side]
                .samples_ns
                .iter()
                .map(|ns| *ns as f64 / iterations)
                .collect()
        };
        let (a, b) = (per_iteration(A), per_iteration(B));
        let Some(summary) = summarise(PairSamples { a: &a, b: &b }, chosen.turns.block) else {
            let message = "a sample took no time at all".to_owned();
            self.failed = Some(SideFailure {
                side: A,
                phase: Phase::Run,
                message,
            });
            return;
        };
        self.digests.get_or_insert(done.digests);
        let random = "the system gives both sides random addresses (it forbids to turn them off), \
            so pairs scatter more";
        for warning in done
            .warnings
            .into_iter()
            .chain((!done.same_addresses).then(|| random.to_owned()))
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
            let process_ns = crate::judge::estimate::median(&self.process_ns).unwrap_or(turn_ns);
            let turns = turns::reestimate(
                &self.summaries,
                process_ns,
                turn_ns,
                PAIR_BUDGET.as_nanos() as f64,
            );
            self.plan = Some(PairPlan { turns, ..chosen });
        }
    }
}

/// Iterations and turns of a workload, from what both sides of its first pair say. Nothing here
/// depends on which is which.
fn plan_pairs(ready: [&PairReady; 2]) -> PairPlan {
    let [a, b] = ready;
    let slowest_ns = a.iteration_ns.max(b.iteration_ns).max(f64::MIN_POSITIVE);
    // Long enough for the faster side, but a sample of a much slower one must not take all of the
    // pair's time.
    let affordable = (PAIR_BUDGET.as_nanos() as f64 / 8.0 / slowest_ns) as u64;
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
        turns: turns::first_guess(turn_ns, PAIR_BUDGET.as_nanos() as f64),
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
        cpus: cpus_for(context.cpus, job.settings.threads),
        memory: job.settings.memory,
        clock: context.clock,
        shift: coins.shift,
        folder: sides.prepared[side].folder.clone(),
        sandbox: sandbox_grants::sandbox_grants(sides.prepared[side], &job.workload, &job.params),
    }
}
