//! One worker is one process: a child that a plugin forks and lets return does not go on as a
//! second one.

use super::page::PageLayout;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

static WORKER: AtomicI32 = AtomicI32::new(0);

/// Notes which process is the worker, before any plugin code runs.
pub(super) fn note_worker() {
    WORKER.store(own_pid(), Relaxed);
}

/// Ends a process that is another one; called whenever the plugin has returned, and never inside of
/// a sample.
pub(super) fn end_forked_child(page: &PageLayout) {
    if own_pid() != WORKER.load(Relaxed) {
        page.forked.store(1 + page.phase() as u32, Relaxed);
        // SAFETY: _exit has no preconditions.
        unsafe { libc::_exit(0) }
    }
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}
