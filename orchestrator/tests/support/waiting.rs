//! Waiting for actions of another process.

use std::io::Read;
use std::process::Child;
use std::time::{Duration, Instant};

/// Maximum wait, long enough for a slow or frozen machine. It only ends tests that would never end.
const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(2);

/// Waits until a condition is true.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits for a condition that must become true while `child` runs. Panics if `child` ends first.
pub fn wait_while_running(child: &mut Child, what: &str, mut done: impl FnMut() -> bool) {
    wait_until(what, || {
        if let Some(status) = child.try_wait().unwrap() {
            let mut words = String::new();
            if let Some(stderr) = &mut child.stderr {
                let _ = stderr.read_to_string(&mut words);
            }
            panic!("the process ended while the test waited for {what}: {status}\n{words}");
        }
        done()
    });
}
