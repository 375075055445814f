//! The scope recorder: builds the tree of scopes while the plugin runs, without allocating.
//!
//! Each thread has a recorder of its own. The driver's holds the tree that totals are taken from; scopes opened on
//! other threads form roots of their own, marked as pool scopes. Allocations of a driver scope are those of all
//! threads while it was open, so that the work of a thread pool lands in the scope that waits for it.

use super::names;
use crate::counting;
use crate::measure::clock::ScopeClock;
use crate::protocol::{Counter, ScopeNode};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Deepest nesting that is recorded. JSON readers commonly stop at 128 levels, and a scope takes two.
const DEPTH: usize = 48;
const NODES: usize = 8192;
const COUNTERS: usize = 1024;
/// Threads beyond this many are not recorded, and said so.
const THREADS: usize = 64;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Node {
    name: u32,
    first_child: u32,
    next_sibling: u32,
    /// The child entered last: the next one is most often the same or its sibling.
    recent_child: u32,
    first_counter: u32,
    calls: u64,
    total_ns: u64,
    min_ns: u64,
    max_ns: u64,
    allocations: u64,
    bytes: u64,
}

#[derive(Clone, Copy)]
struct Frame {
    node: u32,
    name: u32,
    start: u64,
    allocations: u64,
    bytes: u64,
}

#[derive(Clone, Copy)]
struct Sum {
    name: u32,
    next: u32,
    sum: f64,
}

/// One thread's scopes. Lives in a mapping of its own, zeroed at first and then set up by `clear`.
struct Recorder {
    clock: ScopeClock,
    driver: bool,
    depth: usize,
    /// Scopes open beyond DEPTH.
    beyond: usize,
    /// Scopes that were open when everything was forgotten, and will still be closed.
    forgotten: usize,
    nodes_used: usize,
    counters_used: usize,
    unbalanced: u64,
    not_numbers: u64,
    dropped: u64,
    frames: [Frame; DEPTH],
    nodes: [Node; NODES],
    counters: [Sum; COUNTERS],
}

static RECORDERS: [AtomicPtr<Recorder>; THREADS] = [const { AtomicPtr::new(null_mut()) }; THREADS];
static USED: AtomicUsize = AtomicUsize::new(0);
static CLOCK_MULT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

thread_local! {
    /// This thread's recorder. No destructor: plugins' threads may end at any time.
    static MINE: Cell<*mut Recorder> = const { Cell::new(null_mut()) };
}

/// Makes the calling thread the driver. Called once, before the plugin is loaded.
pub(super) fn become_driver(clock: ScopeClock) -> bool {
    let mult = match clock {
        ScopeClock::Counter { mult } => mult,
        ScopeClock::Monotonic => 0,
    };
    CLOCK_MULT.store(mult, Ordering::Relaxed);
    !new_recorder().is_null()
}

#[cold]
fn new_recorder() -> *mut Recorder {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    let index = USED.fetch_add(1, Ordering::Relaxed);
    let Some(place) = RECORDERS.get(index) else { return null_mut() };
    let size = size_of::<Recorder>();
    // SAFETY: a fresh private mapping at an address of the kernel's choice.
    let mapped = unsafe {
        mmap_anonymous(null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE)
    };
    let Ok(memory) = mapped else { return null_mut() };
    let recorder: *mut Recorder = memory.cast();
    let mult = CLOCK_MULT.load(Ordering::Relaxed);
    let clock = if mult == 0 { ScopeClock::Monotonic } else { ScopeClock::Counter { mult } };
    // SAFETY: the mapping is large enough and page aligned; the fields are written before anybody reads them, and the
    // arrays' zero bytes are valid values that `nodes_used`, `counters_used` and `depth` guard.
    unsafe {
        (&raw mut (*recorder).clock).write(clock);
        (&raw mut (*recorder).driver).write(index == 0);
        (&raw mut (*recorder).depth).write(0);
        (*recorder).clear();
    }
    place.store(recorder, Ordering::Release);
    MINE.set(recorder);
    recorder
}

/// Runs `act` on the calling thread's recorder, making one if the thread has none yet.
#[inline(always)]
fn with_mine(act: impl FnOnce(&mut Recorder)) {
    let mut recorder = MINE.get();
    if recorder.is_null() {
        recorder = new_recorder();
        if recorder.is_null() {
            return;
        }
    }
    // SAFETY: only the owning thread gets here through its thread-local pointer, `act` does not call back into this
    // module, and the mapping is never removed. Others read it only between runs, see `collect`.
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
    with_mine(|recorder| recorder.count(name, amount));
}

/// Forgets what was recorded so far, on all threads. The plugin must not be running.
pub(super) fn forget() {
    for_each(|recorder| recorder.clear());
}

/// What a finished recording holds.
pub(super) struct Collected {
    pub(super) scopes: Vec<ScopeNode>,
    /// Counters that were added to outside of any scope.
    pub(super) counters: Vec<Counter>,
    pub(super) complaints: Vec<String>,
}

/// Reads all threads' trees. The plugin must not be running.
pub(super) fn collect() -> Collected {
    let mut collected = Collected { scopes: Vec::new(), counters: Vec::new(), complaints: Vec::new() };
    let (mut unbalanced, mut not_numbers, mut dropped) = (0, 0, 0);
    for_each(|recorder| {
        unbalanced += recorder.unbalanced;
        if recorder.driver {
            // Another thread may have handed its work over just before it closes its scopes.
            unbalanced += recorder.depth as u64 + recorder.beyond as u64;
        }
        not_numbers += recorder.not_numbers;
        dropped += recorder.dropped;
        let root = recorder.tree(0);
        add_counters(&mut collected.counters, root.counters);
        merge(&mut collected.scopes, root.children);
    });
    let used = USED.load(Ordering::Relaxed);
    if used > THREADS {
        collected.complaints.push(format!("scopes of {} threads were not recorded", used - THREADS));
    }
    if unbalanced > 0 {
        collected.complaints.push(format!(
            "{unbalanced} scopes were closed out of order or never closed; every scope_enter needs its own scope_exit \
             on the same thread"
        ));
    }
    if not_numbers > 0 {
        collected.complaints.push(format!("{not_numbers} additions to counters were NaN or infinite and left out"));
    }
    if dropped > 0 {
        collected.complaints.push(format!(
            "{dropped} scopes or counters were not recorded: more than {NODES} places in the tree, {DEPTH} levels or \
             {COUNTERS} counters"
        ));
    }
    collected
}

/// Adds trees of further threads to what is there: the same name in the same place is one row.
fn merge(into: &mut Vec<ScopeNode>, from: Vec<ScopeNode>) {
    for node in from {
        match into.iter_mut().find(|known| known.name == node.name && known.pool == node.pool) {
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

fn add_counters(into: &mut Vec<Counter>, from: Vec<Counter>) {
    for counter in from {
        match into.iter_mut().find(|known| known.name == counter.name) {
            Some(known) => known.sum += counter.sum,
            None => into.push(counter),
        }
    }
}

fn for_each(mut act: impl FnMut(&mut Recorder)) {
    for place in &RECORDERS {
        let recorder = place.load(Ordering::Acquire);
        if !recorder.is_null() {
            // SAFETY: the mapping is never removed. Callers are between runs: a well-behaved plugin's threads are idle
            // then; one that still records on a thread of its own races with us on plain numbers inside this mapping,
            // which garbles that plugin's own figures and nothing else (every index is checked before use).
            act(unsafe { &mut *recorder });
        }
    }
}

/// Names of the driver's open scopes, outermost first. Safe in a signal handler.
pub(super) fn open_names() -> impl Iterator<Item = &'static [u8]> {
    let recorder = RECORDERS[0].load(Ordering::Acquire);
    // SAFETY: plain reads of a mapping that is never removed; the handler may have interrupted a write, so the depth
    // is bounded and names are looked up with a check.
    let depth = if recorder.is_null() { 0 } else { unsafe { (&raw const (*recorder).depth).read_volatile() } };
    (0..depth.min(DEPTH)).map(move |level| {
        // SAFETY: as above, and `level` is below DEPTH.
        let id = unsafe { (&raw const (*recorder).frames[level].name).read_volatile() };
        names::name(id)
    })
}

impl Recorder {
    fn clear(&mut self) {
        // The driver is between runs and has none open; a pool thread may be about to close its last ones.
        self.forgotten = if self.driver { 0 } else { self.depth };
        self.depth = 0;
        self.beyond = 0;
        self.counters_used = 0;
        self.unbalanced = 0;
        self.not_numbers = 0;
        self.dropped = 0;
        self.nodes[0] = Node::new(0);
        self.nodes_used = 1;
    }

    #[inline(always)]
    fn enter(&mut self, name: u32) {
        let parent = match self.depth {
            0 => 0,
            depth if depth < DEPTH => self.frames[depth - 1].node,
            _ => {
                self.beyond += 1;
                self.dropped += 1;
                return;
            }
        };
        let node = if parent == NONE { NONE } else { self.child(parent, name) };
        let (allocations, bytes) = self.allocated();
        let frame = &mut self.frames[self.depth];
        self.depth += 1;
        *frame = Frame { node, name, start: 0, allocations, bytes };
        frame.start = self.clock.now();
    }

    #[inline(always)]
    fn exit(&mut self, name: u32) {
        let end = self.clock.now();
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        if self.depth == 0 {
            match self.forgotten {
                0 => self.unbalanced += 1,
                _ => self.forgotten -= 1,
            }
            return;
        }
        let frame = self.frames[self.depth - 1];
        if frame.name != name {
            self.unbalanced += 1;
            return;
        }
        self.depth -= 1;
        let (allocations, bytes) = self.allocated();
        let ns = self.clock.elapsed_ns(frame.start, end);
        let Some(node) = self.nodes.get_mut(frame.node as usize) else { return };
        node.calls += 1;
        node.total_ns += ns;
        node.min_ns = node.min_ns.min(ns);
        node.max_ns = node.max_ns.max(ns);
        node.allocations += allocations.saturating_sub(frame.allocations);
        node.bytes += bytes.saturating_sub(frame.bytes);
    }

    fn count(&mut self, name: u32, amount: f64) {
        let node = match self.depth {
            0 => 0,
            depth => self.frames[depth.min(DEPTH) - 1].node as usize,
        };
        if !amount.is_finite() {
            self.not_numbers += 1;
            return;
        }
        let Some(mut at) = self.nodes.get(node).map(|node| node.first_counter) else {
            self.dropped += 1;
            return;
        };
        while let Some(counter) = self.counters[..self.counters_used].get_mut(at as usize) {
            if counter.name == name {
                counter.sum += amount;
                return;
            }
            at = counter.next;
        }
        if self.counters_used == COUNTERS {
            self.dropped += 1;
            return;
        }
        self.counters[self.counters_used] = Sum { name, next: self.nodes[node].first_counter, sum: amount };
        // Below COUNTERS, which is far below 2^32.
        self.nodes[node].first_counter = self.counters_used as u32;
        self.counters_used += 1;
    }

    #[inline(always)]
    fn allocated(&self) -> (u64, u64) {
        // A pool thread's scopes hold what that thread allocated itself, which its own slot cannot tell apart here;
        // only the driver's tree is used for allocations.
        if !self.driver {
            return (0, 0);
        }
        let totals = counting::everyone();
        (totals.allocations, totals.bytes)
    }

    /// The child of `parent` named `name`, made if there is none yet.
    #[inline(always)]
    fn child(&mut self, parent: u32, name: u32) -> u32 {
        let recent = self.nodes[parent as usize].recent_child;
        if let Some(node) = self.nodes.get(recent as usize) {
            if node.name == name {
                return recent;
            }
            // Siblings follow each other in the order they were first entered, and mostly are entered in that order.
            if let Some(next) = self.nodes.get(node.next_sibling as usize)
                && next.name == name
            {
                let found = node.next_sibling;
                self.nodes[parent as usize].recent_child = found;
                return found;
            }
        }
        self.search_child(parent, name)
    }

    #[cold]
    fn search_child(&mut self, parent: u32, name: u32) -> u32 {
        let mut last = NONE;
        let mut at = self.nodes[parent as usize].first_child;
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.name == name {
                self.nodes[parent as usize].recent_child = at;
                return at;
            }
            last = at;
            at = node.next_sibling;
        }
        if self.nodes_used == NODES {
            self.dropped += 1;
            return NONE;
        }
        // Below NODES, which is far below 2^32.
        let new = self.nodes_used as u32;
        self.nodes_used += 1;
        self.nodes[new as usize] = Node::new(name);
        match last {
            NONE => self.nodes[parent as usize].first_child = new,
            last => self.nodes[last as usize].next_sibling = new,
        }
        self.nodes[parent as usize].recent_child = new;
        new
    }

    fn tree(&self, index: u32) -> ScopeNode {
        let node = &self.nodes[index as usize];
        let mut children = Vec::new();
        let mut at = node.first_child;
        while let Some(child) = self.nodes[..self.nodes_used].get(at as usize) {
            // A scope that was entered but never left has no calls and no time of its own.
            if child.calls > 0 {
                children.push(self.tree(at));
            }
            at = child.next_sibling;
        }
        let mut counters = Vec::new();
        let mut at = node.first_counter;
        while let Some(counter) = self.counters[..self.counters_used].get(at as usize) {
            counters.push(Counter { name: names::text(counter.name), sum: counter.sum });
            at = counter.next;
        }
        counters.reverse();
        let inside: u64 = children.iter().map(|child: &ScopeNode| child.total_ns).sum();
        ScopeNode {
            name: names::text(node.name),
            pool: !self.driver,
            calls: node.calls,
            total_ns: node.total_ns,
            self_ns: node.total_ns.saturating_sub(inside),
            min_ns: if node.calls == 0 { 0 } else { node.min_ns },
            max_ns: node.max_ns,
            allocations: node.allocations,
            bytes: node.bytes,
            counters,
            children,
        }
    }
}

impl Node {
    fn new(name: u32) -> Self {
        Self {
            name,
            first_child: NONE,
            next_sibling: NONE,
            recent_child: NONE,
            first_counter: NONE,
            calls: 0,
            total_ns: 0,
            min_ns: u64::MAX,
            max_ns: 0,
            allocations: 0,
            bytes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because the recorder belongs to the process: order, nesting, counters, imbalance.
    #[test]
    fn a_tree_is_built_and_imbalance_is_said() {
        assert!(become_driver(ScopeClock::Monotonic));
        let (outer, inner, work) = (names::intern("outer"), names::intern("inner"), names::intern("work"));
        for _ in 0..3 {
            enter(outer);
            enter(inner);
            count(work, 2.0);
            exit(inner);
            enter(inner);
            exit(inner);
            exit(outer);
        }
        let collected = collect();
        assert_eq!(collected.complaints, Vec::<String>::new());
        let [node] = &collected.scopes[..] else { panic!("{:?}", collected.scopes) };
        assert_eq!((node.name.as_str(), node.calls, node.pool), ("outer", 3, false));
        let [child] = &node.children[..] else { panic!("{node:?}") };
        assert_eq!((child.name.as_str(), child.calls), ("inner", 6));
        assert_eq!(child.counters, [Counter { name: "work".into(), sum: 6.0 }]);
        assert!(child.total_ns <= node.total_ns);
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
