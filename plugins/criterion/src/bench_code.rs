//! The functions in which a benchmark's own code begins, for the extension `orch.code/1`.

use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The loop around the routine, and the function that was listed in `criterion_group!`. They are
/// those of the benchmark that was set up last.
static BEGINNINGS: [AtomicPtr<c_void>; 2] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 2];

/// Keeps the address of the loop that calls the routine.
pub(crate) fn note_loop(address: *const ()) {
    BEGINNINGS[0].store(address.cast_mut().cast(), Ordering::Relaxed);
}

/// Keeps the address of the function that defines the benchmark.
pub(crate) fn note_target(address: *const ()) {
    BEGINNINGS[1].store(address.cast_mut().cast(), Ordering::Relaxed);
}

/// Returns the address with that index; null after the last one.
pub(crate) fn find_beginning(index: u32) -> *const c_void {
    let place = BEGINNINGS.get(index as usize);
    place.map_or(std::ptr::null(), |place| place.load(Ordering::Relaxed))
}
