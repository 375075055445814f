//! Ctrl-C, SIGTERM and a closed terminal: a flag and a descriptor to wait on, so that a run ends in an orderly way.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether whoever started orch had this signal ignored.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: all-zero bytes are a valid sigaction, and without a new action the call only reports the present one.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0 && now.sa_sigaction == libc::SIG_IGN
    }
}

/// Whether the user wants to stop.
#[derive(Clone)]
pub(crate) struct Interrupt {
    flag: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
}

impl Interrupt {
    /// Listens to SIGINT, SIGTERM and SIGHUP from now on. The second one ends the program at once, as if nobody listened.
    pub(crate) fn listen() -> io::Result<Self> {
        // Whoever started orch may ignore SIGCHLD; then no worker's end could be waited for.
        // SAFETY: the default disposition runs no code of ours.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        let flag = Arc::new(AtomicBool::new(false));
        let (read, write) = UnixStream::pair()?;
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
            // `nohup orch run` goes on when its terminal is gone.
            if signal == signal_hook::consts::SIGHUP && is_ignored(signal) {
                continue;
            }
            // Registered first, so that it sees the flag before the flag is set.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))?;
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self { flag, wake: Arc::new(read.into()) })
    }

    pub(crate) fn requested(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Becomes readable once an interrupt was requested, and stays so.
    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.wake
    }
}
