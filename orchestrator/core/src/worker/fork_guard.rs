//! Guard against forked plugins: one worker is one process, so a child that a plugin forks and lets
//! return must not continue as a second worker.

use super::page::PageLayout;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

static WORKER: AtomicI32 = AtomicI32::new(0);

/// Stores the id of the worker's process, before any plugin code runs.
pub(super) fn note_worker() {
    WORKER.store(own_pid(), Relaxed);
}

/// Ends a process other than the worker's. It is called whenever the plugin has returned, but never
/// inside a sample.
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
