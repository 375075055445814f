//! Turns of the two workers of a pair: one runs while the other sleeps, in an order that `orch` has
//! drawn.

use super::library::{CallError, LiveInstance};
use super::page::PageLayout;
use super::passes;
use crate::protocol::{PairStart, TurnSamples, WorkerReply};
use rustix::thread::futex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Takes this worker's samples, each at its place in the common order.
pub(super) fn take_turns(
    instance: &mut LiveInstance,
    page: &PageLayout,
    common: &PageLayout,
    go: &PairStart,
) -> Result<WorkerReply, CallError> {
    let mut samples_ns = Vec::with_capacity(go.places.len());
    let before = passes::usage();
    for &place in &go.places {
        wait_for(&common.turn, place);
        if go.untimed {
            passes::take_sample(instance, page, go.iterations)?;
        }
        samples_ns.push(passes::take_sample(instance, page, go.iterations)?);
        hand_over(&common.turn, place + 1);
    }
    Ok(WorkerReply::Turned(TurnSamples {
        samples_ns,
        usage: passes::usage().since(before),
    }))
}

/// Sleeps until the common counter reaches `place`. If the other worker dies, `orch` notices it and
/// ends this worker too.
fn wait_for(turn: &AtomicU32, place: u32) {
    loop {
        let now = turn.load(Acquire);
        if now == place {
            return;
        }
        // The call returns at once if the counter has already changed. The counter is read again
        // after waking, whatever the reason.
        let _ = futex::wait(turn, futex::Flags::empty(), now, None);
    }
}

fn hand_over(turn: &AtomicU32, next: u32) {
    turn.store(next, Release);
    // If no worker is waiting, this worker has the next turn too.
    let _ = futex::wake(turn, futex::Flags::empty(), 1);
}
