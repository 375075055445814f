//! The number of threads of a workload, as the orchestrator sets it, and the corresponding thread
//! pool.

use orch_sdk::{Error, Result};
use std::env::VarError;
use std::time::{Duration, Instant};

/// Variable in which the orchestrator passes the number of CPUs of a worker.
const VARIABLE: &str = "ORCH_THREADS";

/// The threads of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The driver alone. No thread pool is created or used, so that allocations are counted
    /// exactly.
    One,
    /// The driver and others: this many together, at least 2.
    Many(usize),
}

impl Threads {
    /// Reads the orchestrator's setting; one thread if there is none.
    ///
    /// # Errors
    /// The setting is not a number of threads.
    pub fn asked() -> Result<Self> {
        match std::env::var(VARIABLE) {
            Ok(text) => Self::parse(&text),
            Err(VarError::NotPresent) => Ok(Self::One),
            Err(error) => Err(Error::msg(format_args!("{VARIABLE}: {error}"))),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text.parse() {
            Ok(1) => Ok(Self::One),
            Ok(threads @ 2..) => Ok(Self::Many(threads)),
            _ => Err(Error::msg(format_args!(
                "{VARIABLE} is '{text}', expected a number of threads"
            ))),
        }
    }

    /// Returns the number of threads.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Many(threads) => threads,
        }
    }

    /// Makes the calling thread a member of a rayon pool of this size, and waits until each of its
    /// threads has a CPU.
    ///
    /// As a member, the driver does its share of the work itself. Outside of the pool it would
    /// sleep, and each iteration would include the time to wake it and a thread of the pool. The
    /// pool ends with the process, because rayon cannot release a thread that it did not start.
    /// Another instance on the same thread reuses the pool.
    ///
    /// # Errors
    /// The calling thread is in a pool of another size, or the pool's threads cannot be started.
    pub fn start(self) -> Result<()> {
        let Self::Many(threads) = self else {
            return Ok(());
        };
        if rayon::current_thread_index().is_some() {
            let existing = rayon::current_num_threads();
            return if existing == threads {
                Ok(())
            } else {
                Err(Error::msg(format_args!(
                    "this thread is in a pool of {existing} threads, not of {threads}"
                )))
            };
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .use_current_thread()
            .thread_name(|index| format!("nn-{index}"))
            .build()?;
        pool.broadcast(|_| keep_busy(SPREADING));
        std::mem::forget(pool);
        Ok(())
    }
}

/// Time for which all threads are busy before the first iteration. A new thread shares the CPU of
/// the thread that started it until the kernel moves it. This took up to 20 ms when all samples of
/// a process took no longer; such a process measured one thread.
const SPREADING: Duration = Duration::from_millis(50);

fn keep_busy(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_follow_the_orchestrators_setting() -> Result<()> {
        assert_eq!(Threads::parse("1")?, Threads::One);
        assert_eq!(Threads::parse("8")?, Threads::Many(8));
        for wrong in ["0", "-1", "two", ""] {
            let error = Threads::parse(wrong).expect_err(wrong).to_string();
            assert_eq!(
                error,
                format!("ORCH_THREADS is '{wrong}', expected a number of threads")
            );
        }
        Ok(())
    }

    #[test]
    fn pool_is_joined_once() -> Result<()> {
        Threads::One.start()?;
        assert_eq!(rayon::current_thread_index(), None);
        Threads::Many(2).start()?;
        assert_eq!(
            (rayon::current_thread_index(), rayon::current_num_threads()),
            (Some(0), 2)
        );
        Threads::Many(2).start()?;
        assert!(Threads::Many(3).start().is_err());
        Ok(())
    }
}
