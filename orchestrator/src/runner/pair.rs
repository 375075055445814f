//! Two fresh workers that take turns on the same CPUs: the unit of every comparison of times.
//!
//! Everything that could distinguish the sides is decided by a coin: which side is spawned first,
//! which loads and sets up first, and which begins each turn. Everything else is the same for both
//! sides: arguments, environment, addresses, iterations.

use super::interrupt::Interrupt;
use super::orphans;
use super::process::{WorkerLaunch, warn_of_leftovers};
use super::watched_worker::{self, WatchedWorker};
use super::worker_exit::{PassFailure, WaitEnd};
use crate::model::warning::{SidedWarning, WarnedSide};
use orch_core::protocol::{MemoryShift, PairReady, PairStart, Phase, TurnSamples, WorkerReply};
use orch_core::random::SeededRandom;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Index of the baseline in arrays of two sides.
pub(crate) const A: usize = 0;
/// Index of the candidate in arrays of two sides.
pub(crate) const B: usize = 1;

/// Random choices that are made before a pair is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairCoins {
    /// The side whose process is spawned first.
    pub(crate) spawn_first: usize,
    /// The side that loads, sets up and warms up first.
    pub(crate) load_first: usize,
    /// Placement of the memory of both workers.
    pub(crate) shift: MemoryShift,
    pub(crate) stack: usize,
}

impl PairCoins {
    /// Draws the choices. The addresses differ from pair to pair, so that no verdict depends on one
    /// lucky placement. Times depend on the lower twelve bits of addresses and on the pages that
    /// share a set of the caches.
    pub(crate) fn draw(random: &mut SeededRandom) -> Self {
        Self {
            spawn_first: random.draw_from(0..2),
            load_first: random.draw_from(0..2),
            shift: MemoryShift {
                heap: 16 * random.draw_from(0..256),
                pages: random.draw_from(0..512),
            },
            stack: 16 * random.draw_from(0..256),
        }
    }
}

/// Size of the turns of a pair, decided after both workers have warmed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PairTurns {
    pub(crate) iterations: u64,
    pub(crate) count: usize,
    pub(crate) untimed: bool,
}

/// End of a pair.
#[derive(Debug)]
pub(crate) enum PairEnd {
    Done(Box<PairDone>),
    /// One side failed or was skipped; the other side was ended.
    Failed {
        side: usize,
        phase: Phase,
        message: String,
    },
    Interrupted,
}

/// Samples of a pair, by side.
#[derive(Debug)]
pub(crate) struct PairDone {
    pub(crate) turned: [TurnSamples; 2],
    /// Digest documents as the plugins wrote them; empty if there is none.
    pub(crate) digests: [String; 2],
    /// Whether both sides had their memory at the same addresses.
    pub(crate) same_addresses: bool,
    /// The side that began each turn.
    pub(crate) turn_first: Vec<usize>,
    pub(crate) wall: Duration,
    pub(crate) warnings: Vec<SidedWarning>,
}

/// Measures one pair. `plan` decides the turns after both sides have warmed up; `random` supplies
/// the coins of the turns.
pub(crate) fn run_pair(
    launches: [&WorkerLaunch; 2],
    coins: &PairCoins,
    plan: impl FnOnce([&PairReady; 2]) -> PairTurns,
    random: &mut SeededRandom,
    interrupt: &Interrupt,
) -> io::Result<PairEnd> {
    let started = Instant::now();
    let mut pair = PairWorkers {
        workers: spawn_workers(launches, coins.spawn_first)?,
        failed: None,
        interrupt,
    };
    let mut loading = coins.load_first;
    for side in order_sides(coins.load_first) {
        loading = side;
        let other = pair.workers[1 - side].open_page()?;
        pair.workers[side].send_request(launches[side].request, Some(other.as_fd()))?;
        pair.wait_until(|workers| workers[side].ready().is_some() || workers[side].has_answered())?;
        if pair.workers[side].ready().is_none() {
            // It failed, or is late. The other side has done nothing.
            break;
        }
    }
    let (mut begun, mut same_addresses, mut digests) =
        (None, false, [String::new(), String::new()]);
    if let [Some(a), Some(b)] = [A, B].map(|side| pair.workers[side].ready().cloned()) {
        let turns = plan([&a, &b]);
        let turn_first: Vec<usize> = (0..turns.count).map(|_| random.draw_from(0..2)).collect();
        // The side that begins gets the message last, so it runs alone from its first turn on.
        for side in order_sides(1 - turn_first.first().copied().unwrap_or(A)) {
            pair.workers[side].start_turns(&build_start_message(turns, &turn_first, side))?;
        }
        same_addresses = a.stack == b.stack;
        digests = [a.digest, b.digest];
        begun = Some(turn_first);
    }
    pair.wait_until(|workers| workers.iter().all(WatchedWorker::is_over))?;
    let wall = started.elapsed();
    let mut warnings: Vec<SidedWarning> = pair
        .workers
        .iter()
        .enumerate()
        .filter_map(|(side, worker)| {
            Some(SidedWarning {
                side: Some(WarnedSide::of_index(side)),
                warning: warn_of_leftovers(orphans::kill_leftovers(worker.pid()))?,
            })
        })
        .collect();
    let turns_taken = [A, B].map(|side| pair.workers[side].count_turns());
    let are_on_turn = [A, B].map(|side| pair.workers[side].is_on_turn());
    // The reason comes from the side that ended by itself, because orch only requested the end of
    // the other side. If both are late, the reason comes from the side whose turn it is.
    let late = pair.workers.iter().any(WatchedWorker::is_late);
    let on_turn = match begun.as_deref() {
        Some(turn_first) => find_side_on_turn(turn_first, turns_taken, are_on_turn),
        None => Some(loading),
    };
    let blamed = on_turn.filter(|_| late).or(pair.failed).unwrap_or(A);
    let mut replies = Vec::new();
    for side in order_sides(blamed) {
        let mut own = Vec::new();
        let result = pair.workers[side]
            .read_exit()
            .interpret(launches[side], &mut own);
        warnings.extend(own.into_iter().map(|warning| SidedWarning {
            side: None,
            warning,
        }));
        match result {
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
            message: "the worker sent an answer of the wrong kind".to_owned(),
        }),
    }
}

fn order_sides(first: usize) -> [usize; 2] {
    if first == A { [A, B] } else { [B, A] }
}

fn spawn_workers(launches: [&WorkerLaunch; 2], first: usize) -> io::Result<[WatchedWorker; 2]> {
    let [one, other] = order_sides(first).map(|side| WatchedWorker::spawn(launches[side]));
    Ok(if first == A {
        [one?, other?]
    } else {
        [other?, one?]
    })
}

/// Builds the message that starts the turns of a worker.
fn build_start_message(turns: PairTurns, turn_first: &[usize], side: usize) -> PairStart {
    PairStart {
        iterations: turns.iterations,
        untimed: turns.untimed,
        places: list_places(turn_first, side),
    }
}

/// Lists the places of a side in the common order. Turn t has the places 2t and 2t + 1.
fn list_places(turn_first: &[usize], side: usize) -> Vec<u32> {
    (0u32..)
        .zip(turn_first)
        .map(|(turn, first)| 2 * turn + u32::from(*first != side))
        .collect()
}

/// Finds the side whose turn it is: by the notes of the workers, and if these name both or neither,
/// by the turns that they have taken. A plugin can change only its own side's notes. `None` if
/// nothing names exactly one side.
fn find_side_on_turn(
    turn_first: &[usize],
    taken: [u32; 2],
    are_on_turn: [bool; 2],
) -> Option<usize> {
    match are_on_turn {
        [true, false] => return Some(A),
        [false, true] => return Some(B),
        _ => {}
    }
    let has_turn = |side: &usize| {
        let places = list_places(turn_first, *side);
        let next = places.get(taken[*side] as usize);
        next.is_some_and(|place| taken[1 - *side] >= place - taken[*side])
    };
    match [A, B].into_iter().filter(has_turn).collect::<Vec<_>>()[..] {
        [side] => Some(side),
        _ => None,
    }
}

/// Both workers, and the one that failed first.
struct PairWorkers<'a> {
    workers: [WatchedWorker; 2],
    failed: Option<usize>,
    interrupt: &'a Interrupt,
}

impl PairWorkers<'_> {
    /// Waits until `done` returns true or both workers have ended.
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
                .try_for_each(WatchedWorker::read_and_reap)?;
            self.end_other_side();
        }
        Ok(())
    }

    /// Ends the other side after one side has failed. The other side would wait for turns that
    /// never come.
    fn end_other_side(&mut self) {
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
    fn each_place_is_the_turn_of_exactly_one_side() {
        let turn_first = [A, B, B, A, B];
        assert_eq!(list_places(&turn_first, A), [0, 3, 5, 6, 9]);
        assert_eq!(list_places(&turn_first, B), [1, 2, 4, 7, 8]);
        let mut taken = [0, 0];
        for place in 0..10 {
            let side = find_side_on_turn(&turn_first, taken, [true; 2]).unwrap();
            assert!(list_places(&turn_first, side).contains(&place), "{place}");
            taken[side] += 1;
        }
        assert_eq!(find_side_on_turn(&turn_first, taken, [false; 2]), None);
    }

    #[test]
    fn side_that_waits_is_not_on_turn_whatever_the_other_counts() {
        let turn_first = [A, B, B, A, B];
        for changed in [0, 2, 3, u32::MAX] {
            assert_eq!(
                find_side_on_turn(&turn_first, [3, changed], [false, true]),
                Some(B)
            );
            assert_eq!(
                find_side_on_turn(&turn_first, [changed, 3], [true, false]),
                Some(A)
            );
        }
    }
}
