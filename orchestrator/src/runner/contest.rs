//! Two builds of each workload against each other: pair after pair, until each verdict stands or its budget ends.

use super::event::{Event, Observer};
use super::execute::cpus_for;
use super::interrupt::Interrupt;
use super::pair::{self, A, B, Coins, PairDone, PairEnd, Turns};
use super::process::Launch;
use crate::judge::assessment::{Assessment, assess};
use crate::judge::pair::{PairSamples, PairSummary, summarise};
use crate::judge::turns::{self, TurnPlan};
use crate::judge::verdict::{ALPHA, Case, Finding, decide};
use crate::measure::clock::ScopeClock;
use crate::plan::SAMPLE_TIME;
use crate::plugin::build::Prepared;
use crate::protocol::{Pass, Phase, Ready, Request};
use crate::scenario::Job;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// Samples of one pair take at most about this long.
const PAIR_BUDGET: Duration = Duration::from_millis(300);
/// A worker of a pair warms up for at most this long.
const WARM_UP: Duration = Duration::from_millis(20);
/// Samples that are longer pay for cold caches with less than the sides' difference that anybody can see, and an untimed
/// one would double the time of a comparison.
const LONG_SAMPLE_NS: f64 = 10e6;
/// How many turns a pair has is settled after this many pairs.
const SETTLED: usize = 6;

/// One workload on both sides.
pub(crate) struct Contest<'a> {
    pub(crate) jobs: [&'a Job; 2],
    pub(crate) prepared: [&'a Prepared; 2],
    /// The relative difference that matters.
    pub(crate) margin: f64,
}

/// When measuring a workload ends though its verdict is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) pairs: usize,
    pub(crate) time: Duration,
}

/// What is the same for all contests.
pub(crate) struct Ground<'a> {
    pub(crate) cpus: &'a [usize],
    pub(crate) clock: ScopeClock,
    pub(crate) mark: &'a str,
    pub(crate) limits: Limits,
}

/// What became of a contest.
#[derive(Debug, Clone)]
pub(crate) struct Contested {
    pub(crate) pairs: Vec<PairRecord>,
    pub(crate) assessment: Assessment,
    pub(crate) finding: Finding,
    pub(crate) stopped: Stopped,
    pub(crate) warnings: Vec<String>,
    pub(crate) wall: Duration,
}

/// Why no more pairs were measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stopped {
    Decided,
    /// The limit of pairs.
    Pairs,
    /// The limit of time.
    Time,
    Interrupted,
    /// One side failed.
    Failed {
        side: usize,
        phase: Phase,
        message: String,
    },
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
    /// The coins: the side (0 is A) that was spawned first, that loaded first, that began each turn.
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

/// Measures all contests. `only_layout` is asked, once per contest, whether a change that times show is one of layout
/// alone: it then ends as it stands, and is no evidence for or against the others. Only errors of the system end it early.
pub(crate) fn measure(
    contests: &[Contest],
    ground: &Ground,
    only_layout: &mut dyn FnMut(usize) -> bool,
    random: &mut fastrand::Rng,
    interrupt: &Interrupt,
    observer: &mut dyn Observer,
) -> io::Result<Vec<Contested>> {
    let mut states: Vec<State> = contests.iter().map(|_| State::new()).collect();
    observer.see(Event::BeginPairs { workloads: states.len() });
    loop {
        settle(contests, &mut states, only_layout);
        let mut open: Vec<usize> = Vec::new();
        for (index, state) in states.iter().enumerate() {
            if state.is_open(ground.limits) {
                open.push(index);
            }
        }
        observer.see(Event::StillOpen { workloads: open.len() });
        if open.is_empty() || interrupt.requested() {
            break;
        }
        random.shuffle(&mut open);
        for index in open {
            states[index].one_more(&contests[index], ground, random, interrupt)?;
            let state = &states[index];
            let Assessment { estimate, pairs, .. } = state.assessment;
            observer.see(Event::Pair { job: &contests[index].jobs[A].id, pairs, estimate });
            if interrupt.requested() {
                break;
            }
        }
    }
    observer.see(Event::End);
    Ok(states.into_iter().map(|state| state.end(ground.limits)).collect())
}

/// Judges all contests together. What will not be reported as a change, because its side failed or only its layout
/// differs, counts for nothing: it would lower the bar for the rest and then be gone.
fn settle(contests: &[Contest], states: &mut [State], only_layout: &mut dyn FnMut(usize) -> bool) {
    loop {
        let cases: Vec<Case> = contests
            .iter()
            .zip(states.iter())
            .map(|(contest, state)| Case {
                assessment: &state.assessment,
                margin: contest.margin,
                counts: state.failed.is_none() && !state.only_layout,
            })
            .collect();
        let mut again = false;
        for (index, finding) in decide(&cases, ALPHA).into_iter().enumerate() {
            let state = &mut states[index];
            if state.only_layout {
                continue;
            }
            state.finding = finding;
            if matches!(finding, Finding::Higher | Finding::Lower) && !std::mem::replace(&mut state.asked, true) {
                state.only_layout = only_layout(index);
                again |= state.only_layout;
            }
        }
        if !again {
            return;
        }
    }
}

struct State {
    pairs: Vec<PairRecord>,
    summaries: Vec<PairSummary>,
    assessment: Assessment,
    finding: Finding,
    plan: Option<Chosen>,
    /// From spawn to burial without the turns, of each pair.
    process_ns: Vec<f64>,
    failed: Option<Stopped>,
    /// The machine code was compared, and is the same: its finding stays as it was then.
    only_layout: bool,
    asked: bool,
    warnings: Vec<String>,
    wall: Duration,
}

/// What all pairs of a workload have in common.
#[derive(Clone, Copy)]
struct Chosen {
    iterations: u64,
    untimed: bool,
    turns: TurnPlan,
}

impl State {
    fn new() -> Self {
        Self {
            pairs: Vec::new(),
            summaries: Vec::new(),
            assessment: assess(&[], ALPHA),
            finding: Finding::Open,
            plan: None,
            process_ns: Vec::new(),
            failed: None,
            only_layout: false,
            asked: false,
            warnings: Vec::new(),
            wall: Duration::ZERO,
        }
    }

    fn is_open(&self, limits: Limits) -> bool {
        self.failed.is_none()
            && self.finding == Finding::Open
            && self.pairs.len() < limits.pairs
            && self.wall < limits.time
    }

    fn end(self, limits: Limits) -> Contested {
        let stopped = match self.failed {
            Some(failed) => failed,
            None if self.finding != Finding::Open => Stopped::Decided,
            None if self.pairs.len() >= limits.pairs => Stopped::Pairs,
            None if self.wall >= limits.time => Stopped::Time,
            None => Stopped::Interrupted,
        };
        Contested {
            pairs: self.pairs,
            assessment: self.assessment,
            finding: self.finding,
            stopped,
            warnings: self.warnings,
            wall: self.wall,
        }
    }

    /// Measures one more pair and takes it into account.
    fn one_more(
        &mut self,
        contest: &Contest,
        ground: &Ground,
        random: &mut fastrand::Rng,
        interrupt: &Interrupt,
    ) -> io::Result<()> {
        let coins = Coins::draw(random);
        let requests = [A, B].map(|side| request(contest, side, ground, &coins));
        let launches = [A, B].map(|side| Launch {
            request: &requests[side],
            // Half of the time a worker waits for the other one.
            timeout: contest.jobs[side].settings.timeout * 2,
            threads: contest.jobs[side].settings.threads,
            env: &contest.prepared[side].env,
            mark: ground.mark,
            stack: Some(coins.stack),
        });
        let mut chosen = self.plan;
        let plan = |ready: [&Ready; 2]| {
            let chosen = *chosen.get_or_insert_with(|| choose(ready));
            Turns { iterations: chosen.iterations, count: chosen.turns.turns, untimed: chosen.untimed }
        };
        match pair::run([&launches[A], &launches[B]], &coins, plan, random, interrupt)? {
            PairEnd::Interrupted => {}
            PairEnd::Failed { side, phase, message } => self.failed = Some(Stopped::Failed { side, phase, message }),
            PairEnd::Done(done) => {
                self.plan = chosen;
                self.wall += done.wall;
                if let Some(chosen) = chosen {
                    self.take(*done, &coins, chosen);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, done: PairDone, coins: &Coins, chosen: Chosen) {
        let iterations = chosen.iterations.max(1) as f64;
        let per_iteration = |side: usize| -> Vec<f64> {
            done.turned[side].samples_ns.iter().map(|ns| *ns as f64 / iterations).collect()
        };
        let (a, b) = (per_iteration(A), per_iteration(B));
        let Some(summary) = summarise(PairSamples { a: &a, b: &b }, chosen.turns.block) else {
            let message = "a sample took no time at all".to_owned();
            self.failed = Some(Stopped::Failed { side: A, phase: Phase::Run, message });
            return;
        };
        let random =
            "the system gives both sides random addresses (it forbids to turn them off), so pairs scatter more";
        for warning in done.warnings.into_iter().chain((!done.same_addresses).then(|| random.to_owned())) {
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
            involuntary_switches: a_turned.usage.involuntary_switches + b_turned.usage.involuntary_switches,
            a_ns: a_turned.samples_ns,
            b_ns: b_turned.samples_ns,
            wall_ns: u64::try_from(done.wall.as_nanos()).unwrap_or(u64::MAX),
        });
        self.summaries.push(summary);
        let turns_ns: u64 = self.pairs.last().map_or(0, |pair| pair.a_ns.iter().chain(&pair.b_ns).sum());
        let turns_ns = turns_ns as f64 * if chosen.untimed { 2.0 } else { 1.0 };
        self.process_ns.push((done.wall.as_nanos() as f64 - turns_ns).max(1e6));
        let differences: Vec<f64> = self.summaries.iter().map(|summary| summary.difference).collect();
        self.assessment = assess(&differences, ALPHA);
        if self.pairs.len() == SETTLED {
            let turn_ns = turns_ns / chosen.turns.turns as f64;
            let process_ns = crate::judge::estimate::median(&self.process_ns).unwrap_or(turn_ns);
            let turns = turns::reestimate(&self.summaries, process_ns, turn_ns, PAIR_BUDGET.as_nanos() as f64);
            self.plan = Some(Chosen { turns, ..chosen });
        }
    }
}

/// Iterations and turns of a workload, from what both sides of its first pair say. Nothing here depends on which is which.
fn choose(ready: [&Ready; 2]) -> Chosen {
    let [a, b] = ready;
    let slowest_ns = a.iteration_ns.max(b.iteration_ns).max(f64::MIN_POSITIVE);
    // Long enough for the faster side, but a sample of a much slower one must not take all of the pair's time.
    let affordable = (PAIR_BUDGET.as_nanos() as f64 / 8.0 / slowest_ns) as u64;
    let iterations = a.iterations.max(b.iterations).min(affordable.max(a.iterations.min(b.iterations))).max(1);
    let sample_ns = iterations as f64 * slowest_ns;
    let untimed = sample_ns < LONG_SAMPLE_NS;
    let turn_ns = 2.0 * sample_ns * if untimed { 2.0 } else { 1.0 };
    Chosen { iterations, untimed, turns: turns::first_guess(turn_ns, PAIR_BUDGET.as_nanos() as f64) }
}

fn request(contest: &Contest, side: usize, ground: &Ground, coins: &Coins) -> Request {
    let job = contest.jobs[side];
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Request {
        library: contest.prepared[side].library.clone(),
        pass: Pass::Pair { sample_ns: nanos(SAMPLE_TIME), warm_up_ns: nanos(WARM_UP) },
        workload: job.workload.clone(),
        params: serde_json::Value::Object(job.params.clone()).to_string(),
        cpus: cpus_for(ground.cpus, job.settings.threads),
        memory: job.settings.memory,
        clock: ground.clock,
        shift: coins.shift,
    }
}

/// The medians over pairs of each side's shortest sample, in nanoseconds per iteration.
pub(crate) fn typical(contested: &Contested) -> [Option<f64>; 2] {
    let side = |of: fn(&PairRecord) -> &Vec<u64>| {
        let floors: Vec<f64> = contested
            .pairs
            .iter()
            .filter_map(|pair| Some(*of(pair).iter().min()? as f64 / pair.iterations.max(1) as f64))
            .collect();
        crate::judge::estimate::median(&floors)
    };
    [side(|pair| &pair.a_ns), side(|pair| &pair.b_ns)]
}
