//! The context of every command that builds and measures: its start, its clock, its interrupt, its
//! mark.

use crate::runner::interrupt::Interrupt;
use orch_core::measure::clock::{ClockCalibration, ScopeClock};
use std::time::{Duration, Instant};

/// A command at work.
pub(crate) struct CommandContext<'a> {
    pub(crate) interrupt: &'a Interrupt,
    /// Time at which the command began, UTC.
    pub(crate) started: jiff::Timestamp,
    begun: Instant,
    calibration: ClockCalibration,
    /// Text that identifies the command's processes.
    pub(crate) mark: String,
}

impl<'a> CommandContext<'a> {
    /// Begins a command. The scope clock is calibrated from here to the call of [`Self::clock`].
    pub(crate) fn begin(interrupt: &'a Interrupt) -> Self {
        let begun = Instant::now();
        let calibration = ClockCalibration::begin();
        let started = jiff::Timestamp::now();
        Self {
            interrupt,
            started,
            begun,
            calibration,
            mark: format!("{}-{}", std::process::id(), started.as_nanosecond()),
        }
    }

    /// Returns the time since the command began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Returns the clock of scopes, calibrated over the time since the command began.
    pub(crate) fn clock(&self) -> ScopeClock {
        self.calibration.end()
    }
}
