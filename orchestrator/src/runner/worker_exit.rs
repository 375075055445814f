//! The end of a worker and its meaning: a result, or a failure with its phase, its place and the
//! plugin's last words.

use super::crash_site;
use super::process::LimitsMet;
use super::scrambled_times::scramble_reply;
use super::watched_worker::WorkerLaunch;
use crate::model::warning::JobWarning;
use orch_core::protocol::{Pass, Phase, PluginError, PluginErrorKind, WorkerFarewell, WorkerReply};
use orch_core::worker::page::PageLayout;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Maximum output of a plugin while it measures: twice the capacity of a pipe, because a pipe may
/// still be full from setup. A plugin that writes more waits for orch to read, and its times
/// include this wait.
const NOISE_LIMIT: u64 = 128 << 10;

/// Words with which programs report that they may not use a file, and the remedy.
const FILES: (&[&str], &str) = (
    &["ermission denied", "EACCES", "os error 13)"],
    "; if the sandbox denied it, allow it with `read: [PATH]`, `write: [PATH]` or `sandbox: off` \
     on the plugin in the scenario",
);
/// Words with which programs report that they may not use the network, signals or other processes,
/// and the remedy.
const BEYOND: (&[&str], &str) = (
    &[
        "peration not permitted",
        "EPERM",
        "os error 1)",
        "name resolution",
    ],
    "; if the sandbox denied it: plugins may not use the network or other processes; `sandbox: \
     off` on the plugin in the scenario allows it",
);

/// Reason why a pass gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PassFailure {
    /// The plugin failed.
    Failed { phase: Phase, message: String },
    /// The plugin reported that it cannot run here.
    Skipped { phase: Phase, message: String },
    /// The user stopped the run.
    Interrupted,
}

/// Reason why waiting for a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitEnd {
    Gone,
    TimedOut,
    Interrupted,
}

/// Everything that is left of a dead worker.
pub(super) struct WorkerExit<'a> {
    pub(super) page: &'a PageLayout,
    pub(super) reply: Option<&'a WorkerReply>,
    pub(super) farewell: Option<&'a WorkerFarewell>,
    /// Phase in which data that orch's own code did not send came over the channel, and the defect
    /// of the data.
    pub(super) junk: Option<(Phase, &'a str)>,
    /// Lifetime of the worker.
    pub(super) lived: Duration,
    pub(super) status: ExitStatus,
    pub(super) end: WaitEnd,
    /// Whether the beginning of a message arrived, and not its end.
    pub(super) has_half_message: bool,
    /// Whether the plugin closed the channel and continued to run.
    pub(super) closed_channel: bool,
    pub(super) output_bytes: u64,
    /// The part of `output_bytes` that came after setup.
    pub(super) measured_bytes: u64,
    pub(super) last_words: Option<String>,
}

impl WorkerExit<'_> {
    pub(super) fn find_limits_met(&self) -> LimitsMet {
        let reported = match self.reply {
            Some(WorkerReply::Failed(error)) => Some(error.kind),
            _ => None,
        };
        let refused_bytes = self.page.refused.load(Relaxed);
        LimitsMet {
            timed_out: self.end == WaitEnd::TimedOut,
            refused_bytes,
            reported,
        }
    }

    /// Returns the result of the pass, or the reason why there is none.
    pub(super) fn interpret(
        &self,
        launch: &WorkerLaunch,
        warnings: &mut Vec<JobWarning>,
    ) -> Result<WorkerReply, PassFailure> {
        self.find_result(launch, warnings).map_err(|mut failure| {
            if let PassFailure::Failed { message, .. } | PassFailure::Skipped { message, .. } =
                &mut failure
            {
                message.push_str(Self::find_hint(message, launch));
            }
            failure
        })
    }

    fn find_result(
        &self,
        launch: &WorkerLaunch,
        warnings: &mut Vec<JobWarning>,
    ) -> Result<WorkerReply, PassFailure> {
        if self.end == WaitEnd::Interrupted {
            return Err(PassFailure::Interrupted);
        }
        if let Some((phase, what)) = self.junk {
            let message = format!(
                "the plugin wrote into orch's own channel: {what}{}",
                self.describe_last_words()
            );
            return Err(PassFailure::Failed { phase, message });
        }
        if self.end == WaitEnd::TimedOut {
            let limit = launch.timeout;
            // Half of the time of a pair belongs to the other side.
            let limit = if launch.stack.is_some() {
                limit / 2
            } else {
                limit
            };
            let pass = launch.request.pass.name();
            let place = self.describe_place();
            return Err(self.build_failure(format!(
                "still running after its timeout of {limit:?}, in the {pass} pass{place}"
            )));
        }
        if let Some(WorkerReply::Failed(error)) = self.reply {
            return Err(self.build_reported_failure(error));
        }
        if let Some(WorkerFarewell { error: Some(error) }) = self.farewell {
            return Err(self.build_reported_failure(error));
        }
        if let Some(phase) = self.page.forked.load(Relaxed).checked_sub(1) {
            let message = "a process that the plugin forked returned from the call; after a fork, \
                the child has to end in exec or _exit"
                .to_owned();
            return Err(PassFailure::Failed {
                phase: Phase::from_number(phase),
                message,
            });
        }
        if let Some(signal) = self.status.signal() {
            return Err(self.build_failure(self.describe_signal(signal, launch)));
        }
        match (self.reply, self.farewell) {
            (Some(reply), Some(_)) => {
                self.check_forgery(reply, launch.request.pass)?;
                self.check_output(warnings)?;
                let reply = reply.clone();
                Ok(if cfg!(debug_assertions) {
                    scramble_reply(reply, &launch.request.library)
                } else {
                    reply
                })
            }
            _ if self.has_half_message => Err(self.build_failure(
                "the plugin wrote into orch's own channel: only the beginning of a message arrived"
                    .to_owned(),
            )),
            // A worker that cannot send its answer exits with code 1 after the plugin's last phase.
            _ if self.closed_channel
                || (self.status.code() == Some(1) && self.page.phase() == Phase::Destroy) =>
            {
                Err(self.build_failure(
                    "the plugin closed a descriptor that it did not open: orch's channel to the \
                     worker"
                        .to_owned(),
                ))
            }
            _ if self.page.phase() == Phase::Start => Err(self.build_failure(format!(
                "the worker could not start (exit code {})",
                self.status.code().unwrap_or(-1)
            ))),
            _ => Err(self.build_failure(format!(
                "the plugin ended the process with exit code {}{}",
                self.status.code().unwrap_or(-1),
                self.describe_place()
            ))),
        }
    }

    /// Detects answers that a plugin wrote in the worker's place. A plugin shares the worker's
    /// memory, so one that imitates orch completely is not detected.
    fn check_forgery(&self, reply: &WorkerReply, pass: Pass) -> Result<(), PassFailure> {
        let last = match pass {
            Pass::Describe => Phase::Describe,
            // There is no plugin, and thus no instance that could end.
            Pass::Sentinel => Phase::Run,
            _ => Phase::Destroy,
        };
        let (measured, lived) = (reply.measured_time(), self.lived);
        let wrong = if !reply.answers(pass) {
            "the answer does not belong to the worker's question".to_owned()
        } else if self.page.phase() != last {
            "an answer arrived before the worker sent one".to_owned()
        } else if measured > lived {
            format!("it reports {measured:.1?} in the plugin, but the worker lived for {lived:.1?}")
        } else {
            return Ok(());
        };
        Err(self.build_failure(format!("the plugin wrote into orch's own channel: {wrong}")))
    }

    /// Fails the pass if its output exceeds the capacity of a pipe, and warns about less output.
    fn check_output(&self, warnings: &mut Vec<JobWarning>) -> Result<(), PassFailure> {
        let bytes = self.measured_bytes;
        if bytes > NOISE_LIMIT {
            let size = orch_core::format::bytes(bytes as f64);
            return Err(PassFailure::Failed {
                phase: Phase::Run,
                message: format!(
                    "wrote {size} to its standard output or error: more than a pipe holds, so its \
                     times include waiting for a reader; print less, or only in setup"
                ) + &self.describe_last_words(),
            });
        }
        let bytes = self.output_bytes;
        if bytes > 0 {
            warnings.push(JobWarning::Output {
                bytes,
                last_words: self.last_words.clone(),
            });
        }
        Ok(())
    }

    fn build_reported_failure(&self, error: &PluginError) -> PassFailure {
        let mut message = match error.kind {
            PluginErrorKind::Panic if !error.message.starts_with("panicked") => {
                format!("panicked: {}", error.message)
            }
            _ => error.message.clone(),
        };
        message.push_str(&describe_place(&error.scope, error.iteration));
        if error.kind == PluginErrorKind::Unsupported {
            return PassFailure::Skipped {
                phase: error.phase,
                message,
            };
        }
        PassFailure::Failed {
            phase: error.phase,
            message,
        }
    }

    fn build_failure(&self, message: String) -> PassFailure {
        PassFailure::Failed {
            phase: self.page.phase(),
            message: message + &self.describe_last_words(),
        }
    }

    /// Describes a fatal signal, using the notes of the worker's signal handler.
    fn describe_signal(&self, signal: i32, launch: &WorkerLaunch) -> String {
        let page = self.page;
        let name = format_signal(signal);
        let mut text = match signal {
            libc::SIGSEGV | libc::SIGBUS if page.near_stack.load(Relaxed) != 0 => {
                format!("{name}: stack overflow")
            }
            libc::SIGSEGV | libc::SIGBUS if page.signal() == signal => {
                format!("{name} at address {:#x}", page.address.load(Relaxed))
            }
            // Only the driver thread has a stack for signal handlers.
            libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE if page.signal() == 0 => {
                format!(
                    "{name}, not seen by orch's handlers: the stack of another thread overflowed, \
                     or the plugin removed the handlers"
                )
            }
            _ => name,
        };
        text.push_str(&self.describe_place());
        if page.signal() == signal {
            text.push_str(&crash_site::describe_crash_site(
                page,
                &launch.request.library,
            ));
        }
        let refused = page.refused.load(Relaxed);
        if refused > 0 {
            text.push_str(&format!(
                "; an allocation of {} was refused before: the memory limit of the job is {}",
                orch_core::format::bytes(refused as f64),
                orch_core::format::bytes(launch.request.memory as f64)
            ));
        }
        text
    }

    fn describe_place(&self) -> String {
        let page = self.page;
        describe_place(&page.scope(), page.iteration.load(Relaxed))
    }

    /// Finds the remedy for a failure that the sandbox may have caused; empty for any other
    /// failure.
    fn find_hint(message: &str, launch: &WorkerLaunch) -> &'static str {
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        let hint = [FILES, BEYOND]
            .into_iter()
            .find(|(words, _)| says(words))
            .map_or("", |(_, hint)| hint);
        if launch.request.sandbox.is_some() {
            hint
        } else {
            ""
        }
    }

    fn describe_last_words(&self) -> String {
        match &self.last_words {
            Some(words) => format!("; its last words: {words}"),
            None => String::new(),
        }
    }
}

fn describe_place(scope: &str, iteration: u64) -> String {
    let mut text = String::new();
    if !scope.is_empty() {
        text.push_str(&format!(", in scope {scope}"));
    }
    if iteration > 0 {
        text.push_str(&format!(", iteration {iteration}"));
    }
    text
}

fn format_signal(signal: i32) -> String {
    let name = match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL (an instruction that this CPU lacks, or a trap)",
        libc::SIGFPE => "SIGFPE (division by zero or overflow)",
        libc::SIGABRT => "SIGABRT (abort)",
        libc::SIGKILL => "SIGKILL (killed from outside, possibly because memory ran out)",
        libc::SIGTERM => "SIGTERM (ended from outside)",
        libc::SIGXFSZ => {
            "SIGXFSZ (a file, or memory used as one, grew beyond the memory limit of the job)"
        }
        libc::SIGALRM => "SIGALRM (a timer without a handler)",
        libc::SIGPIPE => "SIGPIPE (a write to a pipe without a reader)",
        libc::SIGTRAP => "SIGTRAP (a breakpoint)",
        libc::SIGSYS => "SIGSYS (a system call that was refused)",
        other => {
            let name = signal_hook::low_level::signal_name(other);
            return name.map_or_else(|| format!("signal {other}"), str::to_owned);
        }
    };
    name.to_owned()
}
