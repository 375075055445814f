//! The counting allocator: the worker executable's own `malloc` family. It forwards to glibc and,
//! when switched on, counts every call of every library in the process.
//!
//! Switched off, each entry point is one jump through a pointer. Switched on, a call adds to a slot
//! of its own thread (single writer, no lock), and a side table holds the *requested* size of each
//! live block. This makes live bytes and their peak exact, whereas `malloc_usable_size` differs
//! between runs of the same program.
//!
//! Calls count as in valgrind's memcheck: an allocation is a successful call that returns a block,
//! zero-sized ones included; `realloc` of a block is one allocation of the new size and one free;
//! bytes are requested bytes.

mod entry;
mod live;
mod slots;

pub(crate) use entry::start;
pub(crate) use live::{
    foreign_blocks, live_bytes, peak_bytes, refused_bytes, restart_peak, single_threaded, untracked,
};
pub(crate) use slots::{AllocationTotals, allocated, driver, sum_all_threads};
