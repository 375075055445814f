//! The scopes of all threads: assignment of recorders to threads, and the evaluation at the end.
//!
//! Each thread has its own recorder. The driver's recorder has the tree from which totals are
//! taken. Scopes on other threads form separate roots, marked as pool scopes. The allocations of a
//! driver scope are those of all threads while it was open, so that the work of a thread pool
//! counts in the scope that waits for it.

use super::recorder::{COUNTERS, CallSeries, DEPTH, NODES, ScopeRecorder};
use super::{names, overflow};
use crate::measure::clock::ScopeClock;
use crate::measure::rounding;
use crate::protocol::{CounterSum, ScopeComplaint, ScopeNode};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Maximum number of threads whose scopes are recorded. Beyond it, only counters are recorded, and
/// a complaint reports this.
const THREADS: usize = 64;

static RECORDERS: [AtomicPtr<ScopeRecorder>; THREADS] =
    [const { AtomicPtr::new(null_mut()) }; THREADS];
static USED: AtomicUsize = AtomicUsize::new(0);
static CLOCK_MULT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

thread_local! {
/// Recorder of this thread. It has no destructor, because the threads of a plugin may end at
/// any time.
static MINE: Cell< * mut ScopeRecorder > = const { Cell::new(null_mut()) }; }

/// Makes the calling thread the driver. It is called once, before the plugin is loaded.
pub(super) fn become_driver(clock: ScopeClock) -> bool {
    let mult = match clock {
        ScopeClock::Counter { mult } => mult,
        ScopeClock::Monotonic => 0,
    };
    CLOCK_MULT.store(mult, Ordering::Relaxed);
    !new_recorder().is_null()
}

/// Returns zeroed memory for a value, outside the heap; null if there is none.
fn map<T>() -> *mut T {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    let (protection, flags) = (
        ProtFlags::READ | ProtFlags::WRITE,
        MapFlags::PRIVATE | MapFlags::NORESERVE,
    );
    // SAFETY: a fresh private mapping at an address of the kernel's choice.
    unsafe { mmap_anonymous(null_mut(), size_of::<T>(), protection, flags) }
        .map_or(null_mut(), |memory| memory.cast())
}

#[cold]
fn new_recorder() -> *mut ScopeRecorder {
    let index = USED.fetch_add(1, Ordering::Relaxed);
    let Some(place) = RECORDERS.get(index) else {
        return null_mut();
    };
    let recorder: *mut ScopeRecorder = map();
    if recorder.is_null() {
        return null_mut();
    }
    let mult = CLOCK_MULT.load(Ordering::Relaxed);
    let clock = if mult == 0 {
        ScopeClock::Monotonic
    } else {
        ScopeClock::Counter { mult }
    };
    // SAFETY: the mapping is large enough and page aligned. The fields are written before they are
    // read. The arrays' zero bytes are valid values, guarded by `nodes_used`, `counters_used` and
    // `depth`.
    unsafe {
        (&raw mut (*recorder).clock).write(clock);
        (&raw mut (*recorder).driver).write(index == 0);
        (&raw mut (*recorder).series).write(if index == 0 {
            map::<CallSeries>()
        } else {
            null_mut()
        });
        (*recorder).clear();
    }
    place.store(recorder, Ordering::Release);
    MINE.set(recorder);
    recorder
}

/// Runs `act` on the calling thread's recorder, which is created if necessary.
#[inline(always)]
fn with_mine(act: impl FnOnce(&mut ScopeRecorder)) {
    let mut recorder = MINE.get();
    if recorder.is_null() {
        recorder = new_recorder();
        if recorder.is_null() {
            return;
        }
    }
    // SAFETY: only the owning thread gets here through its thread-local pointer, `act` does not
    // call back into this module, and the mapping is never removed. Other threads read it only
    // between runs, see `collect`.
    act(unsafe { &mut *recorder });
}

#[inline(always)]
pub(super) fn enter(name: u32) {
    with_mine(|recorder| recorder.enter(name));
}

#[inline(always)]
pub(super) fn exit(name: u32) {
    with_mine(|recorder| recorder.exit(name));
}

pub(super) fn count(name: u32, amount: f64) {
    if MINE.get().is_null() && new_recorder().is_null() {
        overflow::add(name, amount);
        return;
    }
    with_mine(|recorder| recorder.count(name, amount));
}

/// Discards everything recorded so far, on all threads. The plugin must not be running.
pub(super) fn forget() {
    overflow::forget();
    for_each(|recorder| recorder.clear());
}

/// Ends the scopes that the driver left open.
pub(super) fn close_open() {
    with_mine(ScopeRecorder::close_open);
}

/// Notifies all recorders of a new iteration.
pub(super) fn next_iteration() {
    for_each(ScopeRecorder::next_iteration);
}

/// Contents of a finished recording.
pub(super) struct CollectedScopes {
    pub(super) scopes: Vec<ScopeNode>,
    /// Counters that were added to outside of any scope.
    pub(super) counters: Vec<CounterSum>,
    pub(super) complaints: Vec<ScopeComplaint>,
}

/// Reads the trees of all threads. The plugin must not be running.
pub(super) fn collect() -> CollectedScopes {
    let mut collected = CollectedScopes {
        scopes: Vec::new(),
        counters: Vec::new(),
        complaints: Vec::new(),
    };
    next_iteration();
    let (mut unbalanced, mut not_numbers, mut dropped) = (0, 0, 0);
    for_each(|recorder| {
        unbalanced += recorder.unbalanced;
        if recorder.driver {
            // Another thread may have handed over its work just before it closes its scopes.
            unbalanced += recorder.depth as u64 + recorder.beyond as u64;
        }
        not_numbers += recorder.not_numbers;
        dropped += recorder.dropped;
        let root = recorder.tree(0);
        add_counters(&mut collected.counters, root.counters);
        merge(&mut collected.scopes, root.children);
    });
    add_counters(&mut collected.counters, overflow::sums());
    let used = USED.load(Ordering::Relaxed);
    if used > THREADS {
        collected.complaints.push(ScopeComplaint::Threads {
            threads: used - THREADS,
        });
    }
    if unbalanced > 0 {
        collected
            .complaints
            .push(ScopeComplaint::Unbalanced { scopes: unbalanced });
    }
    if not_numbers > 0 {
        collected.complaints.push(ScopeComplaint::NotFinite {
            additions: not_numbers,
        });
    }
    if names::overflowed() {
        collected.complaints.push(ScopeComplaint::Names {
            most: names::MOST - 1,
        });
    }
    if dropped > 0 {
        collected.complaints.push(ScopeComplaint::Places {
            dropped,
            places: NODES,
            depth: DEPTH,
            counters: COUNTERS,
        });
    }
    collected
}

/// Merges the trees of further threads: the same name in the same place becomes one row.
fn merge(into: &mut Vec<ScopeNode>, from: Vec<ScopeNode>) {
    for node in from {
        match into
            .iter_mut()
            .find(|known| known.name == node.name && known.pool == node.pool)
        {
            None => into.push(node),
            Some(known) => {
                known.calls += node.calls;
                known.total_ns += node.total_ns;
                known.self_ns += node.self_ns;
                known.min_ns = known.min_ns.min(node.min_ns);
                known.max_ns = known.max_ns.max(node.max_ns);
                known.allocations += node.allocations;
                known.bytes += node.bytes;
                add_counters(&mut known.counters, node.counters);
                merge(&mut known.children, node.children);
            }
        }
    }
}

fn add_counters(into: &mut Vec<CounterSum>, from: Vec<CounterSum>) {
    for counter in from {
        match into.iter_mut().find(|known| known.name == counter.name) {
            Some(known) if (known.sum + counter.sum).is_finite() => {
                let (one, other) = ([known.sum, known.rounding], [counter.sum, counter.rounding]);
                [known.sum, known.rounding] = rounding::merge_sums(one, other);
            }
            // The sums of the threads are too large together, so the first one is kept.
            Some(_) => {}
            None => into.push(counter),
        }
    }
}

fn for_each(mut act: impl FnMut(&mut ScopeRecorder)) {
    for place in &RECORDERS {
        let recorder = place.load(Ordering::Acquire);
        if !recorder.is_null() {
            // SAFETY: the mapping is never removed. Callers are between runs, when the threads of a
            // well-behaved plugin are idle. A thread that still records races with this code on
            // plain numbers inside the mapping. This corrupts only the figures of that plugin,
            // because every index is checked before use.
            act(unsafe { &mut *recorder });
        }
    }
}

/// Returns the names of the driver's open scopes, outermost first. It is safe in a signal handler.
pub(super) fn open_names() -> impl Iterator<Item = &'static [u8]> {
    let recorder = RECORDERS[0].load(Ordering::Acquire);
    let depth = if recorder.is_null() {
        0
    } else {
        // SAFETY: a plain read of a mapping that is never removed. The handler may have interrupted
        // a write, so the depth is bounded and names are looked up with a check.
        unsafe { (&raw const (*recorder).depth).read_volatile() }
    };
    (0..depth.min(DEPTH)).map(move |level| {
        // SAFETY: as above, and `level` is below DEPTH.
        let id = unsafe { (&raw const (*recorder).frames[level].name).read_volatile() };
        names::name(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This is a single test, because the process has only one set of recorders. It covers order,
    /// nesting, counters and imbalance.
    #[test]
    fn recorder_builds_a_tree_and_reports_imbalance() {
        assert!(become_driver(ScopeClock::Monotonic));
        let (outer, inner, work) = (
            names::intern("outer"),
            names::intern("inner"),
            names::intern("work"),
        );
        for _ in 0..3 {
            next_iteration();
            enter(outer);
            enter(inner);
            count(work, 2.0);
            exit(inner);
            enter(inner);
            exit(inner);
            exit(outer);
        }
        let collected = collect();
        assert_eq!(collected.complaints, Vec::new());
        let [node] = &collected.scopes[..] else {
            panic!("{:?}", collected.scopes)
        };
        assert_eq!(
            (node.name.as_str(), node.calls, node.pool),
            ("outer", 3, false)
        );
        let [child] = &node.children[..] else {
            panic!("{node:?}")
        };
        assert_eq!((child.name.as_str(), child.calls), ("inner", 6));
        assert_eq!(
            child.counters,
            [CounterSum {
                name: "work".into(),
                sum: 6.0,
                rounding: 0.0
            }]
        );
        assert!(child.total_ns <= node.total_ns);
        assert_eq!(
            (node.series_min_ns.len(), child.series_min_ns.len()),
            (0, 2),
            "two calls in each iteration"
        );
        assert!(
            child
                .series_min_ns
                .iter()
                .all(|ns| (child.min_ns..=child.max_ns).contains(ns))
        );
        assert_eq!(node.self_ns, node.total_ns - child.total_ns);

        forget();
        exit(outer);
        enter(outer);
        exit(inner);
        let collected = collect();
        assert_eq!(collected.scopes, []);
        assert_eq!(collected.complaints.len(), 1, "{:?}", collected.complaints);

        forget();
        for _ in 0..2_000 {
            enter(outer);
        }
        for _ in 0..2_000 {
            exit(outer);
        }
        let collected = collect();
        assert_eq!(collected.complaints.len(), 1, "{:?}", collected.complaints);
    }
}
