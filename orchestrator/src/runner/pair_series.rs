//! Series of pairs of processes of two builds: the number of turns in each pair, and everything
//! that was measured.

use super::interrupt::Interrupt;
use super::pair::{self, A, B, PairCoins, PairDone, PairEnd, PairTurns};
use super::plan_execution::choose_cpus;
use super::process::WorkerLaunch;
use super::sandbox_grants;
use crate::model::warning::{JobWarning, SidedWarning};
use crate::plan::SAMPLE_TIME;
use crate::plugin::BuiltinPlugin;
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
/// Time of a run of a program from which on each run is independent of its worker, so that a turn
/// is a pair of its own.
pub(crate) const LONG_RUN_NS: f64 = 20e6;
/// Approximate maximum time of the turns of one pair of workers of programs, which a job's `time`
/// may lower, and the largest number of these turns.
const LARGEST_TURNS_BUDGET: Duration = Duration::from_secs(5);
const MOST_TURNS: usize = 16;

/// The two builds that are compared.
#[derive(Clone, Copy)]
pub(crate) struct PairSides<'a> {
    pub(crate) jobs: [&'a Job; 2],
    pub(crate) prepared: [&'a PreparedPlugin; 2],
    pub(crate) unit: PairUnit,
}

/// Part of a measurement that gives one difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairUnit {
    /// A pair of workers. A worker keeps what can change its times, such as its addresses, for its
    /// whole life.
    Workers,
    /// A turn of both sides, where an iteration is a run of a program that takes at least 20 ms.
    /// Each run is a process of its own, so the next turn repeats everything that matters.
    Turns,
}

impl PairUnit {
    /// Returns the unit for the workloads of two plugins.
    pub(crate) fn of_plugins(prepared: [&PreparedPlugin; 2]) -> Self {
        let runs_programs = |one: &&PreparedPlugin| one.builtin == Some(BuiltinPlugin::Command);
        if prepared.iter().all(runs_programs) {
            Self::Turns
        } else {
            Self::Workers
        }
    }
}

impl PairSides<'_> {
    /// Returns the time of the samples of one pair, in nanoseconds.
    fn budget_ns(&self, largest: Duration) -> f64 {
        let [a, b] = self.jobs.map(|job| job.settings.time);
        largest.min(a).min(b).as_nanos() as f64
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
    unit: PairUnit,
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
        let budget_ns = sides.budget_ns(LARGEST_BUDGET);
        let plan = |ready: [&PairReady; 2]| {
            let chosen = *chosen.get_or_insert_with(|| plan_pairs(ready, sides));
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

    /// Adds the differences of a pair of workers.
    fn add_pair(&mut self, done: PairDone, coins: &PairCoins, chosen: PairPlan, budget_ns: f64) {
        let turns = done.turn_first.len().max(1);
        let part = match chosen.unit {
            PairUnit::Workers => turns,
            PairUnit::Turns => 1,
        };
        let parts = turns / part;
        let [a_turned, b_turned] = &done.turned;
        let switches = a_turned.usage.involuntary_switches + b_turned.usage.involuntary_switches;
        let wall_ns = u64::try_from(done.wall.as_nanos()).unwrap_or(u64::MAX);
        let a_ns = a_turned.samples_ns.chunks(part);
        let b_ns = b_turned.samples_ns.chunks(part);
        for ((a_ns, b_ns), turn_first) in a_ns.zip(b_ns).zip(done.turn_first.chunks(part)) {
            let Some(summary) = summarise_samples(a_ns, b_ns, chosen) else {
                let message = "a sample took zero time".to_owned();
                self.failed = Some(SideFailure {
                    side: A,
                    phase: Phase::Run,
                    message,
                });
                return;
            };
            self.pairs.push(PairRecord {
                difference: summary.difference,
                floor: summary.floor,
                block: chosen.turns.block,
                iterations: chosen.iterations,
                untimed: chosen.untimed,
                spawn_first: coins.spawn_first,
                load_first: coins.load_first,
                turn_first: turn_first.to_vec(),
                stack_shift: coins.stack,
                heap_shift: coins.shift.heap,
                page_shift: coins.shift.pages,
                same_addresses: done.same_addresses,
                involuntary_switches: switches / parts as u64,
                a_ns: a_ns.to_vec(),
                b_ns: b_ns.to_vec(),
                wall_ns: wall_ns / parts as u64,
            });
            self.summaries.push(summary);
        }
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
        if chosen.unit == PairUnit::Workers {
            self.settle_turns(wall_ns, chosen, budget_ns);
        }
    }

    /// Chooses the number of turns again once enough pairs show the noise of the workload.
    fn settle_turns(&mut self, wall_ns: u64, chosen: PairPlan, budget_ns: f64) {
        let turns_ns: u64 = self
            .pairs
            .last()
            .map_or(0, |pair| pair.a_ns.iter().chain(&pair.b_ns).sum());
        let turns_ns = turns_ns as f64 * if chosen.untimed { 2.0 } else { 1.0 };
        self.process_ns.push((wall_ns as f64 - turns_ns).max(1e6));
        if self.pairs.len() == SETTLED {
            let turn_ns = turns_ns / chosen.turns.turns as f64;
            let process_ns =
                orch_core::judge::estimate::median(&self.process_ns).unwrap_or(turn_ns);
            let turns = turns::reestimate_plan(&self.summaries, process_ns, turn_ns, budget_ns);
            self.plan = Some(PairPlan { turns, ..chosen });
        }
    }
}

/// Summarises samples of both sides; `None` if one took no time.
fn summarise_samples(a_ns: &[u64], b_ns: &[u64], chosen: PairPlan) -> Option<PairSummary> {
    let iterations = chosen.iterations.max(1) as f64;
    let [a, b] = [a_ns, b_ns]
        .map(|samples| -> Vec<f64> { samples.iter().map(|ns| *ns as f64 / iterations).collect() });
    summarise_pair(PairSamples { a: &a, b: &b }, chosen.turns.block)
}

/// Chooses iterations and turns of a workload from the reports of both sides of its first pair. The
/// choice is symmetric in the sides.
fn plan_pairs(ready: [&PairReady; 2], sides: &PairSides) -> PairPlan {
    let budget_ns = sides.budget_ns(LARGEST_BUDGET);
    let unit = sides.unit;
    let [a, b] = ready;
    let slowest_ns = a.iteration_ns.max(b.iteration_ns).max(f64::MIN_POSITIVE);
    // A sample is long enough for the faster side, but a sample of a much slower side must not use
    // up the pair's time.
    let affordable = (budget_ns / 8.0 / slowest_ns) as u64;
    let fewest = a.iterations.min(b.iterations);
    // Both sides have inputs for the smaller number.
    let most = match a.is_limited || b.is_limited {
        true => fewest,
        false => a.iterations.max(b.iterations),
    };
    let iterations = most.min(affordable.max(fewest)).max(1);
    let sample_ns = iterations as f64 * slowest_ns;
    if unit == PairUnit::Turns && iterations == 1 && slowest_ns >= LONG_RUN_NS {
        let turns_ns = sides.budget_ns(LARGEST_TURNS_BUDGET);
        let affordable = (turns_ns / (2.0 * slowest_ns)) as usize;
        return PairPlan {
            iterations,
            untimed: false,
            turns: TurnPlan {
                turns: affordable.clamp(1, MOST_TURNS),
                block: 1,
            },
            unit,
        };
    }
    let untimed = sample_ns < LONG_SAMPLE_NS;
    let turn_ns = 2.0 * sample_ns * if untimed { 2.0 } else { 1.0 };
    PairPlan {
        iterations,
        untimed,
        turns: turns::guess_plan(turn_ns, budget_ns),
        unit: PairUnit::Workers,
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

#[cfg(test)]
mod tests {
    use super::*;
    use orch_core::protocol::{MemoryShift, ResourceUsage, TurnSamples};

    fn finished_pair(a_ns: &[u64], b_ns: &[u64]) -> PairDone {
        let turned = [a_ns, b_ns].map(|samples| TurnSamples {
            samples_ns: samples.to_vec(),
            usage: ResourceUsage::default(),
        });
        PairDone {
            turned,
            digests: [String::new(), String::new()],
            same_addresses: true,
            turn_first: vec![A, B, A],
            wall: Duration::from_millis(600),
            warnings: Vec::new(),
        }
    }

    fn add(unit: PairUnit, block: usize) -> PairSeries {
        let coins = PairCoins {
            spawn_first: A,
            load_first: B,
            shift: MemoryShift::default(),
            stack: 16,
        };
        let chosen = PairPlan {
            iterations: 1,
            untimed: false,
            turns: TurnPlan { turns: 3, block },
            unit,
        };
        let mut series = PairSeries::default();
        let done = finished_pair(&[50, 60, 70], &[100, 30, 70]);
        series.add_pair(done, &coins, chosen, 1e9);
        series
    }

    #[test]
    fn each_turn_of_programs_is_a_pair_with_its_own_difference() {
        let series = add(PairUnit::Turns, 1);
        let ln2 = 2f64.ln();
        let expected = [ln2, -ln2, 0.0];
        for (found, expected) in series.differences().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
        let firsts: Vec<&[usize]> = series
            .pairs
            .iter()
            .map(|pair| &pair.turn_first[..])
            .collect();
        assert_eq!(firsts, [&[A][..], &[B], &[A]]);
        let wall: u64 = series.pairs.iter().map(|pair| pair.wall_ns).sum();
        assert_eq!(wall, 600_000_000);
        assert!(series.pairs.iter().all(|pair| pair.a_ns.len() == 1));
    }

    #[test]
    fn turns_of_workers_are_one_pair() {
        let series = add(PairUnit::Workers, 3);
        assert_eq!(series.pairs.len(), 1);
        assert_eq!(series.pairs[0].b_ns, [100, 30, 70]);
        assert!((series.differences()[0] - (30f64 / 50.0).ln()).abs() < 1e-12);
    }

    #[test]
    fn failed_sample_of_no_time_ends_the_series() {
        let mut series = add(PairUnit::Turns, 1);
        let pairs = series.pairs.len();
        let coins = PairCoins::draw(&mut SeededRandom::from_seed(1));
        let chosen = PairPlan {
            iterations: 1,
            untimed: false,
            turns: TurnPlan { turns: 3, block: 1 },
            unit: PairUnit::Turns,
        };
        series.add_pair(finished_pair(&[0, 1, 1], &[1, 1, 1]), &coins, chosen, 1e9);
        assert!(series.failed.is_some());
        assert_eq!(series.pairs.len(), pairs);
    }
}
