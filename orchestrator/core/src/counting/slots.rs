//! Per-thread counters: written by their own thread without locks, and summed by the reader.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Number of threads with a slot of their own. Later threads share the last slot through atomic
/// adds.
const SLOTS: usize = 512;
const SHARED: usize = SLOTS - 1;

/// One thread's counters, on cache lines of their own so that threads do not slow each other down.
#[repr(align(128))]
struct ThreadSlot {
    allocations: AtomicU64,
    bytes: AtomicU64,
    frees: AtomicU64,
}

static TABLE: [ThreadSlot; SLOTS] = [const {
    ThreadSlot {
        allocations: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        frees: AtomicU64::new(0),
    }
}; SLOTS];
/// Number of slots in use.
static USED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's slot plus one; 0 means that it has none yet. The cell has no destructor, so it
    /// is readable as long as the thread lives.
    static MINE: Cell<usize> = const { Cell::new(0) };
}

/// Sums of allocation events since counting began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllocationTotals {
    /// Successful allocations.
    pub allocations: u64,
    /// Requested bytes of those allocations.
    pub bytes: u64,
    /// Freed blocks.
    pub frees: u64,
}

impl AllocationTotals {
    /// Returns the events since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            allocations: self.allocations - earlier.allocations,
            bytes: self.bytes - earlier.bytes,
            frees: self.frees - earlier.frees,
        }
    }
}

/// Gives the calling thread the first slot. It is called once, before any other thread exists.
pub(crate) fn become_driver() {
    USED.store(1, Relaxed);
    MINE.set(1);
}

/// Returns the driver thread's own totals.
pub fn driver() -> AllocationTotals {
    read(&TABLE[0])
}

/// Returns the totals over all threads.
pub(crate) fn sum_all_threads() -> AllocationTotals {
    let used = USED.load(Relaxed).min(SLOTS);
    let mut sum = AllocationTotals::default();
    for slot in &TABLE[..used] {
        let one = read(slot);
        sum.allocations += one.allocations;
        sum.bytes += one.bytes;
        sum.frees += one.frees;
    }
    sum
}

/// Returns the allocations and their bytes over all threads. It must be fast, because each scope
/// calls it at its beginning and at its end.
#[inline(always)]
pub fn allocated() -> (u64, u64) {
    if USED.load(Relaxed) <= 1 {
        return (
            TABLE[0].allocations.load(Relaxed),
            TABLE[0].bytes.load(Relaxed),
        );
    }
    let totals = sum_all_threads();
    (totals.allocations, totals.bytes)
}

#[inline]
fn read(slot: &ThreadSlot) -> AllocationTotals {
    AllocationTotals {
        allocations: slot.allocations.load(Relaxed),
        bytes: slot.bytes.load(Relaxed),
        frees: slot.frees.load(Relaxed),
    }
}

#[inline(always)]
pub(super) fn add_alloc(size: usize) {
    let index = index();
    let slot = &TABLE[index];
    add(&slot.allocations, 1, index);
    add(&slot.bytes, size as u64, index);
}

#[inline(always)]
pub(super) fn add_free() {
    let index = index();
    add(&TABLE[index].frees, 1, index);
}

#[inline(always)]
fn add(counter: &AtomicU64, amount: u64, index: usize) {
    if index == SHARED {
        counter.fetch_add(amount, Relaxed);
    } else {
        // Only this thread writes here, so a load and a store lose no update and need no bus lock.
        counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
    }
}

#[inline(always)]
fn index() -> usize {
    match MINE.get() {
        0 => take_slot(),
        mine => mine - 1,
    }
}

#[cold]
fn take_slot() -> usize {
    let index = USED.fetch_add(1, Relaxed).min(SHARED);
    MINE.set(index + 1);
    index
}
