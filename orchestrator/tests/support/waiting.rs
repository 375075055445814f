//! Waiting for what another process does.

use std::process::Child;
use std::time::{Duration, Instant};

/// Longest wait. A machine may be slow or stand still, so it only ends a test that would never end.
const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(2);

/// Waits until something has happened.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits until a process has done something, which must happen before it ends.
pub fn wait_while_running(child: &mut Child, what: &str, mut done: impl FnMut() -> bool) {
    wait_until(what, || {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("the process ended before {what}: {status}");
        }
        done()
    });
}
