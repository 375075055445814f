//! Faults that last: too long, for ever, or longer than the worker.

use crate::trigger::fault;
use orch_sdk::prelude::*;
use std::ffi::{c_int, c_uint};
use std::time::Duration;

fault! {
    /// Never returns, and keeps its CPU busy
    "hang" Hangs {}
    |_fault| loop {
        std::hint::spin_loop();
    }
}

fault! {
    /// Sleeps
    "sleep" Sleeps {
        #[param(default = 1000, unit = "ms")]
        ms: u64,
    }
    |fault| {
        std::thread::sleep(Duration::from_millis(fault.ms));
        Ok(())
    }
}

fault! {
    /// Leaves a process behind, in a session of its own, with the worker's files open
    "fork_daemon" ForksDaemon {
        /// How long the process lives
        #[param(default = 60, range = 0..=3600, unit = "s")]
        seconds: c_uint,
    }
    |fault| fork_daemon(fault.seconds)
}

unsafe extern "C" {
    safe fn fork() -> c_int;
    safe fn setsid() -> c_int;
    safe fn sleep(seconds: c_uint) -> c_uint;
    safe fn _exit(status: c_int) -> !;
}

fn fork_daemon(seconds: c_uint) -> Result<()> {
    match fork() {
        -1 => Err(std::io::Error::last_os_error().into()),
        0 => {
            // Between fork and _exit only calls that are allowed in a signal handler: other threads
            // are gone.
            setsid();
            sleep(seconds);
            _exit(0)
        }
        _ => Ok(()),
    }
}
