//! The scope recorder of one thread: a tree of fixed size that is built without allocating while
//! the plugin runs.

use super::names;
use crate::counting;
use crate::measure::clock::ScopeClock;
use crate::measure::rounding::RoundedSum;
use crate::protocol::{CounterSum, ScopeNode};

/// Maximum recorded nesting. JSON readers commonly stop at 128 levels, and a scope takes two
/// levels.
pub(super) const DEPTH: usize = 48;
pub(super) const NODES: usize = 8192;
pub(super) const COUNTERS: usize = 1024;
/// Most calls of a scope within one iteration whose durations are kept in order.
pub(super) const SERIES: usize = 256;
/// For each node of the tree, the shortest duration, plus one, of the first, second, ... call of an
/// iteration; 0 means none.
pub(super) type CallSeries = [[u64; SERIES]; NODES];
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct RecordedScope {
    name: u32,
    first_child: u32,
    next_sibling: u32,
    /// Child that was entered last. The next one is most often the same or its sibling.
    recent_child: u32,
    first_counter: u32,
    calls: u64,
    total_ns: u64,
    min_ns: u64,
    max_ns: u64,
    allocations: u64,
    bytes: u64,
    /// Calls in this iteration so far, and calls in each of the earlier iterations.
    calls_now: u32,
    calls_each: u32,
    /// Whether iterations had different numbers of calls, so that their order has no meaning.
    uneven: bool,
}

#[derive(Clone, Copy)]
pub(super) struct ScopeFrame {
    node: u32,
    pub(super) name: u32,
    start: u64,
    allocations: u64,
    bytes: u64,
}

#[derive(Clone, Copy)]
struct CounterSlot {
    name: u32,
    next: u32,
    sum: RoundedSum,
}

/// Scopes of one thread. The recorder is in its own mapping, which is zeroed first and then set up
/// by `clear`.
pub(super) struct ScopeRecorder {
    pub(super) clock: ScopeClock,
    pub(super) driver: bool,
    pub(super) depth: usize,
    /// Number of open scopes beyond DEPTH.
    pub(super) beyond: usize,
    /// Number of scopes that were open when the recording was discarded and that will still be
    /// closed.
    forgotten: usize,
    nodes_used: usize,
    counters_used: usize,
    pub(super) unbalanced: u64,
    pub(super) not_numbers: u64,
    pub(super) dropped: u64,
    /// Durations of calls in order, for the driver only; null for other threads.
    pub(super) series: *mut CallSeries,
    pub(super) frames: [ScopeFrame; DEPTH],
    nodes: [RecordedScope; NODES],
    counters: [CounterSlot; COUNTERS],
}

impl ScopeRecorder {
    pub(super) fn clear(&mut self) {
        // The driver is between runs and has no open scope. A pool thread may be about to close its
        // last ones.
        self.forgotten = if self.driver { 0 } else { self.depth };
        self.depth = 0;
        self.beyond = 0;
        self.counters_used = 0;
        self.unbalanced = 0;
        self.not_numbers = 0;
        self.dropped = 0;
        if !self.series.is_null() {
            // SAFETY: as in `exit`; the rows in use are those of the nodes in use.
            let rows = unsafe { &mut (&mut (*self.series))[..self.nodes_used.min(NODES)] };
            rows.iter_mut().for_each(|row| row.fill(0));
        }
        self.nodes[0] = RecordedScope::new(0);
        self.nodes_used = 1;
    }

    #[inline(always)]
    pub(super) fn enter(&mut self, name: u32) {
        let parent = match self.depth {
            0 => 0,
            depth if depth < DEPTH => self.frames[depth - 1].node,
            _ => {
                self.beyond += 1;
                self.dropped += 1;
                return;
            }
        };
        let node = if parent == NONE {
            NONE
        } else {
            self.find_or_add_child(parent, name)
        };
        let (allocations, bytes) = self.allocated();
        let frame = &mut self.frames[self.depth];
        self.depth += 1;
        *frame = ScopeFrame {
            node,
            name,
            start: 0,
            allocations,
            bytes,
        };
        frame.start = self.clock.now();
    }

    #[inline(always)]
    pub(super) fn exit(&mut self, name: u32) {
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
        if self.frames[self.depth - 1].name != name {
            self.unbalanced += 1;
            // The scope is closed out of order. Scopes that were opened inside it and not closed
            // end with it.
            if !self.frames[..self.depth]
                .iter()
                .any(|frame| frame.name == name)
            {
                return;
            }
            while self.frames[self.depth - 1].name != name {
                self.leave(end);
            }
        }
        self.leave(end);
    }

    /// Ends all open scopes, because the call into the plugin is over.
    pub(super) fn close_open(&mut self) {
        let end = self.clock.now();
        self.unbalanced += self.depth as u64 + self.beyond as u64;
        self.beyond = 0;
        while self.depth > 0 {
            self.leave(end);
        }
    }

    /// Ends the innermost open scope.
    #[inline(always)]
    fn leave(&mut self, end: u64) {
        let frame = self.frames[self.depth - 1];
        self.depth -= 1;
        let (allocations, bytes) = self.allocated();
        let ns = self.clock.elapsed_ns(frame.start, end);
        let Some(node) = self.nodes.get_mut(frame.node as usize) else {
            return;
        };
        node.calls += 1;
        node.total_ns += ns;
        node.min_ns = node.min_ns.min(ns);
        node.max_ns = node.max_ns.max(ns);
        node.allocations += allocations.saturating_sub(frame.allocations);
        node.bytes += bytes.saturating_sub(frame.bytes);
        let call = node.calls_now as usize;
        node.calls_now += 1;
        if call < SERIES && !self.series.is_null() {
            // SAFETY: the mapping has NODES rows of SERIES numbers, belongs to this thread, and is
            // never removed; `frame.node` was just found to be below NODES.
            let shortest = unsafe { &mut (*self.series)[frame.node as usize][call] };
            // Zero wraps to the largest number, so that "none yet" is never the minimum.
            *shortest = (*shortest).wrapping_sub(1).min(ns).wrapping_add(1);
        }
    }

    /// Begins a new iteration: calls are numbered from the first again.
    pub(super) fn next_iteration(&mut self) {
        for node in &mut self.nodes[..self.nodes_used] {
            node.uneven |=
                node.calls_each != 0 && node.calls_now != 0 && node.calls_each != node.calls_now;
            if node.calls_now != 0 {
                node.calls_each = node.calls_now;
            }
            node.calls_now = 0;
        }
    }

    /// Returns the shortest duration of each call of an iteration, in order; empty if the order has
    /// no meaning.
    fn series_of(&self, index: u32) -> Vec<u64> {
        let node = &self.nodes[index as usize];
        let calls = node.calls_each as usize;
        if self.series.is_null() || node.uneven || !(2..=SERIES).contains(&calls) {
            return Vec::new();
        }
        // SAFETY: as in `exit`; `index` is below NODES, because the node was found.
        let row = unsafe { &(&(*self.series))[index as usize] };
        row[..calls]
            .iter()
            .map(|shortest| shortest.saturating_sub(1))
            .collect()
    }

    pub(super) fn count(&mut self, name: u32, amount: f64) {
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
                // A sum that is not finite cannot be stored as JSON.
                self.not_numbers += u64::from(!counter.sum.add(amount));
                return;
            }
            at = counter.next;
        }
        if self.counters_used == COUNTERS {
            self.dropped += 1;
            return;
        }
        let mut sum = RoundedSum::ZERO;
        sum.add(amount);
        self.counters[self.counters_used] = CounterSlot {
            name,
            next: self.nodes[node].first_counter,
            sum,
        };
        // The number is below COUNTERS, which is far below 2^32.
        self.nodes[node].first_counter = self.counters_used as u32;
        self.counters_used += 1;
    }

    #[inline(always)]
    fn allocated(&self) -> (u64, u64) {
        // The scopes of a pool thread contain that thread's own allocations, which cannot be
        // separated here. Only the driver's tree is used for allocations.
        if !self.driver {
            return (0, 0);
        }
        counting::allocated()
    }

    /// Returns the child of `parent` named `name`, and creates it if necessary.
    #[inline(always)]
    fn find_or_add_child(&mut self, parent: u32, name: u32) -> u32 {
        let recent = self.nodes[parent as usize].recent_child;
        if let Some(node) = self.nodes.get(recent as usize) {
            if node.name == name {
                return recent;
            }
            // Siblings are linked in the order in which they were first entered, and are mostly
            // entered again in that order.
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
        // The number is below NODES, which is far below 2^32.
        let new = self.nodes_used as u32;
        self.nodes_used += 1;
        self.nodes[new as usize] = RecordedScope::new(name);
        match last {
            NONE => self.nodes[parent as usize].first_child = new,
            last => self.nodes[last as usize].next_sibling = new,
        }
        self.nodes[parent as usize].recent_child = new;
        new
    }

    pub(super) fn tree(&self, index: u32) -> ScopeNode {
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
            let (sum, rounding) = (counter.sum.sum, counter.sum.rounding());
            counters.push(CounterSum {
                name: names::text(counter.name),
                sum,
                rounding,
            });
            at = counter.next;
        }
        counters.reverse();
        let inside: u64 = children
            .iter()
            .map(|child: &ScopeNode| child.total_ns)
            .sum();
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
            series_min_ns: self.series_of(index),
            counters,
            children,
        }
    }
}

impl RecordedScope {
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
            calls_now: 0,
            calls_each: 0,
            uneven: false,
        }
    }
}
