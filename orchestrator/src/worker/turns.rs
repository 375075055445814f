//! Taking turns with the other worker of a pair: one runs while the other sleeps, in an order that
//! `orch` has drawn.

use super::library::{CallError, LiveInstance};
use super::page::PageLayout;
use super::passes;
use crate::protocol::{PairStart, TurnSamples, WorkerReply};
use rustix::thread::futex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Runs this worker's samples, each when its place in the common order has come.
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

/// Sleeps until the common counter has come to `place`. A partner that died is noticed by `orch`,
/// which ends this worker too.
fn wait_for(turn: &AtomicU32, place: u32) {
    loop {
        let now = turn.load(Acquire);
        if now == place {
            return;
        }
        // Returns at once if the counter has moved on meanwhile; whatever the reason for waking, it
        // is read again.
        let _ = futex::wait(turn, futex::Flags::empty(), now, None);
    }
}

fn hand_over(turn: &AtomicU32, next: u32) {
    turn.store(next, Release);
    // Nobody may be waiting: then this worker has the next turn too.
    let _ = futex::wake(turn, futex::Flags::empty(), 1);
}
