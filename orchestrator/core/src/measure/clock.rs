//! The clocks: a monotonic clock for samples, a cycle counter for scopes, and the factor between
//! them.

use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Clock of scope durations. `orch` selects and calibrates it, and every worker of a run uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeClock {
    /// The CPU's constant-rate counter; nanoseconds = ticks * `mult` / 2^32.
    Counter {
        /// Nanoseconds per tick as a 32.32 fixed-point number.
        mult: u64,
    },
    /// The operating system's monotonic clock, used if the counter is not reliable.
    Monotonic,
}

impl ScopeClock {
    /// Reads the clock; only differences mean anything.
    #[inline(always)]
    pub fn now(self) -> u64 {
        match self {
            Self::Counter { .. } => counter(),
            Self::Monotonic => monotonic_ns(),
        }
    }

    /// Returns the nanoseconds between two readings, rounded down. Rounding down keeps children
    /// within their parent: the sum of floors is at most the floor of the sum.
    #[inline(always)]
    pub(crate) fn elapsed_ns(self, from: u64, to: u64) -> u64 {
        let ticks = to.saturating_sub(from);
        match self {
            // The product of a 64-bit tick count and a 64-bit factor fits in 128 bits.
            Self::Counter { mult } => ((u128::from(ticks) * u128::from(mult)) >> 32) as u64,
            Self::Monotonic => ticks,
        }
    }
}

/// A calibration in progress. It begins when the program starts, and ends when the first worker is
/// spawned.
pub struct ClockCalibration {
    started: Instant,
    ticks: u64,
}

/// Least duration of a calibration. Over this time, a reading error of 100 ns is 5 parts per
/// million.
const CALIBRATION: Duration = Duration::from_millis(20);

impl ClockCalibration {
    /// Notes both clocks.
    pub fn begin() -> Self {
        Self {
            started: Instant::now(),
            ticks: counter(),
        }
    }

    /// Ends the calibration, after a wait if it is too short.
    pub fn end(&self) -> ScopeClock {
        if !counter_is_constant() {
            return ScopeClock::Monotonic;
        }
        while self.started.elapsed() < CALIBRATION {
            std::hint::spin_loop();
        }
        let nanos = self.started.elapsed().as_nanos();
        let ticks = u128::from(counter().saturating_sub(self.ticks));
        match (nanos << 32).checked_div(ticks).map(u64::try_from) {
            Some(Ok(mult)) if mult > 0 => ScopeClock::Counter { mult },
            _ => ScopeClock::Monotonic,
        }
    }
}

/// Returns the smallest step between two different readings of the sample clock, over a few
/// readings.
pub fn measure_resolution() -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..50 {
        let start = Instant::now();
        let mut step = start.elapsed();
        while step.is_zero() {
            step = start.elapsed();
        }
        best = best.min(step);
    }
    best
}

/// Returns the time of one reading of the sample clock: the least of a few batches.
pub fn measure_overhead() -> Duration {
    const READINGS: u32 = 1000;
    let batch = || {
        let start = Instant::now();
        for _ in 0..READINGS {
            std::hint::black_box(Instant::now());
        }
        start.elapsed() / READINGS
    };
    (0..20).map(|_| batch()).min().unwrap_or_default()
}

fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // Seconds since boot and nanoseconds below 10^9: both are small and never negative.
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction, and Linux leaves it open to user programs.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "x86_64")]
fn counter_is_constant() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| {
        let flags = text
            .lines()
            .find(|line| line.starts_with("flags"))
            .unwrap_or_default();
        ["constant_tsc", "nonstop_tsc"]
            .iter()
            .all(|flag| flags.split(' ').any(|word| word == *flag))
    })
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn counter() -> u64 {
    let ticks: u64;
    // SAFETY: the virtual counter is readable from user programs on Linux and has no side effects.
    unsafe { std::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

#[cfg(target_arch = "aarch64")]
fn counter_is_constant() -> bool {
    true
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn counter() -> u64 {
    0
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn counter_is_constant() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_of_parts_never_exceed_the_floor_of_the_whole() {
        let clock = ScopeClock::Counter {
            mult: (0.384_6 * 4_294_967_296.0) as u64,
        };
        for parts in [[1, 2, 3], [7, 7, 7], [1000, 1, 999]] {
            let whole: u64 = parts.iter().sum();
            let sum: u64 = parts.iter().map(|&part| clock.elapsed_ns(0, part)).sum();
            assert!(sum <= clock.elapsed_ns(0, whole), "{parts:?}");
        }
    }

    #[test]
    fn counter_that_runs_backwards_gives_zero() {
        assert_eq!(ScopeClock::Monotonic.elapsed_ns(10, 9), 0);
    }
}
