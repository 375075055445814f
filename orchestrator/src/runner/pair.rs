//! Two fresh workers that take turns on the same CPUs: the unit of every comparison of times.
//!
//! Whatever could tell the sides apart is decided by a coin: which is spawned first, which loads
//! and sets up first, and which begins each turn. Everything else is the same for both: arguments,
//! environment, addresses, iterations.

use super::interrupt::Interrupt;
use super::orphans;
use super::process::{WorkerLaunch, warn_of_leftovers};
use super::watched_worker::{self, WatchedWorker};
use super::worker_exit::{PassFailure, WaitEnd};
use crate::protocol::{MemoryShift, PairReady, PairStart, Phase, TurnSamples, WorkerReply};
use crate::worker::page::SharedPage;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};

/// Index of the baseline in everything that comes in twos.
pub(crate) const A: usize = 0;
/// Index of the candidate.
pub(crate) const B: usize = 1;

/// What is drawn before a pair is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairCoins {
    /// The side whose process is spawned first.
    pub(crate) spawn_first: usize,
    /// The side that loads, sets up and warms up first.
    pub(crate) load_first: usize,
    /// Where both workers have their memory.
    pub(crate) shift: MemoryShift,
    pub(crate) stack: usize,
}

impl PairCoins {
    /// Places differ from pair to pair, so that no verdict hangs on a lucky one. What costs time
    /// depends on the lower twelve bits of addresses, and on which pages share a set of the caches.
    pub(crate) fn draw(random: &mut fastrand::Rng) -> Self {
        Self {
            spawn_first: random.usize(..2),
            load_first: random.usize(..2),
            shift: MemoryShift {
                heap: 16 * random.usize(..256),
                pages: random.usize(..512),
            },
            stack: 16 * random.usize(..256),
        }
    }
}

/// How the turns of a pair are taken, decided when both workers are warm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PairTurns {
    pub(crate) iterations: u64,
    pub(crate) count: usize,
    pub(crate) untimed: bool,
}

/// How a pair ended.
#[derive(Debug)]
pub(crate) enum PairEnd {
    Done(Box<PairDone>),
    /// One side failed or was skipped; the other was ended.
    Failed {
        side: usize,
        phase: Phase,
        message: String,
    },
    Interrupted,
}

/// A pair's samples, by side.
#[derive(Debug)]
pub(crate) struct PairDone {
    pub(crate) turned: [TurnSamples; 2],
    /// The digest documents as the plugins wrote them; empty where there is none.
    pub(crate) digests: [String; 2],
    /// Both sides had their memory at the same addresses.
    pub(crate) same_addresses: bool,
    /// The side that began each turn.
    pub(crate) turn_first: Vec<usize>,
    pub(crate) wall: Duration,
    pub(crate) warnings: Vec<String>,
}

/// Runs one pair. `plan` decides the turns when both sides are warm; `random` gives the coins of
/// the turns.
pub(crate) fn run_pair(
    launches: [&WorkerLaunch; 2],
    coins: &PairCoins,
    plan: impl FnOnce([&PairReady; 2]) -> PairTurns,
    random: &mut fastrand::Rng,
    interrupt: &Interrupt,
) -> io::Result<PairEnd> {
    let started = Instant::now();
    let (common, common_file) = SharedPage::create()?;
    let mut pair = PairWorkers {
        workers: spawn_workers(launches, coins.spawn_first)?,
        failed: None,
        interrupt,
    };
    let mut loading = coins.load_first;
    for side in sides_from(coins.load_first) {
        loading = side;
        pair.workers[side].hand_over(launches[side].request, Some(common_file.as_fd()))?;
        pair.wait_until(|workers| workers[side].ready().is_some() || workers[side].has_answered())?;
    }
    let (mut begun, mut same_addresses, mut digests) =
        (None, false, [String::new(), String::new()]);
    if let [Some(a), Some(b)] = [A, B].map(|side| pair.workers[side].ready().cloned()) {
        let turns = plan([&a, &b]);
        let turn_first: Vec<usize> = (0..turns.count).map(|_| random.usize(..2)).collect();
        // Who begins hears it last, and so runs alone from its first turn on.
        for side in sides_from(1 - turn_first.first().copied().unwrap_or(A)) {
            pair.workers[side].start_turns(&start_message(turns, &turn_first, side))?;
        }
        same_addresses = a.stack == b.stack;
        digests = [a.digest, b.digest];
        begun = Some(turn_first);
    }
    pair.wait_until(|workers| workers.iter().all(WatchedWorker::is_over))?;
    let wall = started.elapsed();
    let mut warnings: Vec<String> = pair
        .workers
        .iter()
        .zip(["A", "B"])
        .flat_map(|(worker, name)| {
            warn_of_leftovers(orphans::kill_leftovers(worker.pid()))
                .into_iter()
                .map(move |text| format!("{name}: {text}"))
        })
        .collect();
    // The side that ended by itself says why; the other was only told to. When both are late, it is
    // the turn of one.
    let late = pair.workers.iter().any(WatchedWorker::is_late);
    let on_turn = match begun.as_deref() {
        Some(turn_first) => side_at(turn_first, common.get().turn.load(Acquire)),
        None => Some(loading),
    };
    let blamed = on_turn.filter(|_| late).or(pair.failed).unwrap_or(A);
    let mut replies = Vec::new();
    for side in sides_from(blamed) {
        match pair.workers[side]
            .exit()
            .interpret(launches[side], &mut warnings)
        {
            Ok(reply) => replies.push((side, reply)),
            Err(PassFailure::Interrupted) => return Ok(PairEnd::Interrupted),
            Err(
                PassFailure::Failed { phase, message } | PassFailure::Skipped { phase, message },
            ) => {
                return Ok(PairEnd::Failed {
                    side,
                    phase,
                    message,
                });
            }
        }
    }
    replies.sort_by_key(|(side, _)| *side);
    let mut turned = replies.into_iter().map(|(_, reply)| reply);
    match (begun, turned.next(), turned.next()) {
        (Some(turn_first), Some(WorkerReply::Turned(a)), Some(WorkerReply::Turned(b))) => {
            Ok(PairEnd::Done(Box::new(PairDone {
                turned: [a, b],
                digests,
                same_addresses,
                turn_first,
                wall,
                warnings,
            })))
        }
        _ => Ok(PairEnd::Failed {
            side: blamed,
            phase: Phase::Run,
            message: "the worker sent another answer than asked for".to_owned(),
        }),
    }
}

fn sides_from(first: usize) -> [usize; 2] {
    if first == A { [A, B] } else { [B, A] }
}

fn spawn_workers(launches: [&WorkerLaunch; 2], first: usize) -> io::Result<[WatchedWorker; 2]> {
    let [one, other] = sides_from(first).map(|side| WatchedWorker::spawn(launches[side]));
    Ok(if first == A {
        [one?, other?]
    } else {
        [other?, one?]
    })
}

/// A worker's places in the common order: turn t has the places 2t and 2t + 1.
fn start_message(turns: PairTurns, turn_first: &[usize], side: usize) -> PairStart {
    let places = (0u32..)
        .zip(turn_first)
        .map(|(turn, first)| 2 * turn + u32::from(*first != side))
        .collect();
    PairStart {
        iterations: turns.iterations,
        untimed: turns.untimed,
        places,
    }
}

/// The side whose place in the common order it is.
fn side_at(turn_first: &[usize], place: u32) -> Option<usize> {
    let first = *turn_first.get(place as usize / 2)?;
    Some(if place.is_multiple_of(2) {
        first
    } else {
        1 - first
    })
}

/// Both workers, and which of them failed first.
struct PairWorkers<'a> {
    workers: [WatchedWorker; 2],
    failed: Option<usize>,
    interrupt: &'a Interrupt,
}

impl PairWorkers<'_> {
    /// Waits until `done`, or until both workers are over.
    fn wait_until(&mut self, done: impl Fn(&[WatchedWorker; 2]) -> bool) -> io::Result<()> {
        while !done(&self.workers) && !self.workers.iter().all(WatchedWorker::is_over) {
            let until = self
                .workers
                .iter_mut()
                .filter(|worker| !worker.is_over())
                .map(|worker| worker.enforce_limits(self.interrupt))
                .min();
            let [a, b] = &self.workers;
            watched_worker::wait_for_any(&[a, b], until.unwrap_or_default(), self.interrupt)?;
            self.workers
                .iter_mut()
                .try_for_each(WatchedWorker::take_in)?;
            self.end_together();
        }
        Ok(())
    }

    /// When a side has failed, the other waits for turns that will never come.
    fn end_together(&mut self) {
        for side in [A, B] {
            if self.failed.is_none() && self.workers[side].has_failed() {
                self.failed = Some(side);
                let end = if self.workers[side].is_late() {
                    WaitEnd::TimedOut
                } else {
                    WaitEnd::Gone
                };
                self.workers[1 - side].request_end(end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_belongs_to_one_side() {
        let turn_first = [A, B, B, A, B];
        let turns = PairTurns {
            iterations: 1,
            count: turn_first.len(),
            untimed: true,
        };
        let mut all: Vec<u32> = [A, B]
            .into_iter()
            .flat_map(|side| start_message(turns, &turn_first, side).places)
            .collect();
        assert_eq!(start_message(turns, &turn_first, A).places, [0, 3, 5, 6, 9]);
        for side in [A, B] {
            for place in start_message(turns, &turn_first, side).places {
                assert_eq!(side_at(&turn_first, place), Some(side), "{place}");
            }
        }
        assert_eq!(side_at(&turn_first, 10), None);
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<u32>>());
    }
}
