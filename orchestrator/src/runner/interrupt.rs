//! Ctrl-C, SIGTERM and a closed terminal: a flag and a descriptor to wait on, so that a run ends in
//! an orderly way.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Returns whether this process was started with the signal ignored.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: all-zero bytes are a valid sigaction. Without a new action, the call only reads the
    // present one.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0
            && now.sa_sigaction == libc::SIG_IGN
    }
}

/// Time after the first signal in which further signals do not count. No user reacts to a message
/// in less time.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// State of the user's request to stop.
#[derive(Clone)]
pub(crate) struct Interrupt {
    flag: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
}

impl Interrupt {
    /// Listens to SIGINT, SIGTERM and SIGHUP from now on. After the first signal, `acknowledge` is
    /// called to confirm the signal to the user. A signal that arrives some time later ends the
    /// program at once. `timeout` and many CI systems send two signals in quick succession; these
    /// count as one.
    pub(crate) fn listen(acknowledge: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        // orch may have been started with SIGCHLD ignored. Then it could not wait for the end of a
        // worker.
        // SAFETY: the default disposition runs no code of ours.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        let flag = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicBool::new(false));
        let (read, write) = UnixStream::pair()?;
        for signal in [
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGTERM,
            signal_hook::consts::SIGHUP,
        ] {
            // `nohup orch run` continues after its terminal is closed.
            if signal == signal_hook::consts::SIGHUP && is_ignored(signal) {
                continue;
            }
            signal_hook::flag::register_conditional_shutdown(
                signal,
                130,
                Arc::clone(&acknowledged),
            )?;
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        let wake: Arc<OwnedFd> = Arc::new(read.into());
        let heard = Arc::clone(&wake);
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                // Polling does not consume the byte, so it stays readable for all other waiters.
                let mut polled = [PollFd::new(&*heard, PollFlags::IN)];
                while poll(&mut polled, None).is_err_and(|error| error == Errno::INTR) {}
                acknowledge();
                std::thread::sleep(IMPATIENCE);
                acknowledged.store(true, Ordering::Relaxed);
            })?;
        Ok(Self { flag, wake })
    }

    /// Returns an interrupt that no signal sets.
    #[cfg(test)]
    pub(crate) fn without_signals() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        // A closed end would make the descriptor readable.
        std::mem::forget(write);
        Ok(Self {
            flag: Arc::default(),
            wake: Arc::new(read.into()),
        })
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Returns a descriptor that becomes readable once an interrupt was requested, and stays
    /// readable.
    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.wake
    }
}
