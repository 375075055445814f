//! Execution of one pass in one worker process.

use super::interrupt::Interrupt;
use super::orphans;
use super::watched_worker::{self, WatchedWorker};
use super::worker_exit::PassFailure;
use crate::model::warning::JobWarning;
use orch_core::protocol::{PluginErrorKind, WorkerReply};
use std::io;
use std::time::{Duration, Instant};

pub(crate) use super::watched_worker::WorkerLaunch;

/// Result of a pass.
#[derive(Debug)]
pub(crate) struct FinishedPass {
    pub(crate) result: Result<WorkerReply, PassFailure>,
    pub(crate) warnings: Vec<JobWarning>,
    pub(crate) wall: Duration,
    pub(crate) limits: LimitsMet,
}

/// Limits that a worker reached, and the kind of error that its plugin reported. The message of the
/// failure contains the same in words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LimitsMet {
    pub(crate) timed_out: bool,
    /// Size of the last allocation that was refused; 0 if none was refused.
    pub(crate) refused_bytes: u64,
    pub(crate) reported: Option<PluginErrorKind>,
}

/// Executes one pass in a fresh worker process.
pub(crate) fn run_pass(launch: &WorkerLaunch, interrupt: &Interrupt) -> io::Result<FinishedPass> {
    let started = Instant::now();
    let mut worker = WatchedWorker::spawn(launch)?;
    worker.send_request(launch.request, None)?;
    while !worker.is_over() {
        let until = worker.enforce_limits(interrupt);
        watched_worker::wait_for_any(&[&worker], until, interrupt)?;
        worker.read_and_reap()?;
    }
    let wall = started.elapsed();
    let mut warnings: Vec<JobWarning> = warn_of_leftovers(orphans::kill_leftovers(worker.pid()))
        .into_iter()
        .collect();
    let exit = worker.read_exit();
    let limits = exit.find_limits_met();
    let result = exit.interpret(launch, &mut warnings);
    Ok(FinishedPass {
        result,
        warnings,
        wall,
        limits,
    })
}

/// Warns about processes that a plugin left running.
pub(super) fn warn_of_leftovers(count: usize) -> Option<JobWarning> {
    (count > 0).then_some(JobWarning::LeftProcesses { count })
}
