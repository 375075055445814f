//! Turns of the two workers of a pair: one runs while the other sleeps, in an order that `orch` has
//! drawn. Each worker counts its turns in its own page, which the other one can only read.

use super::library::{CallError, LiveInstance};
use super::page::{OtherPage, PageLayout};
use super::passes;
use crate::protocol::{PairStart, TurnSamples, WorkerReply};

/// Takes this worker's samples, each at its place in the common order.
pub(super) fn take_turns(
    instance: &mut LiveInstance,
    page: &PageLayout,
    other: &OtherPage,
    go: &PairStart,
) -> Result<WorkerReply, CallError> {
    let mut samples_ns = Vec::with_capacity(go.places.len());
    let before = passes::usage();
    for (taken, &place) in (0..).zip(&go.places) {
        // All places before this one that are not this worker's are the other worker's.
        other.wait_for_turns(place.saturating_sub(taken), page);
        if go.untimed {
            passes::take_whole_sample(instance, page, go.iterations)?;
        }
        samples_ns.push(passes::take_whole_sample(instance, page, go.iterations)?);
        page.hand_over(taken + 1);
    }
    Ok(WorkerReply::Turned(TurnSamples {
        samples_ns,
        usage: passes::usage().since(before),
    }))
}
