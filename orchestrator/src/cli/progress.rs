//! Progress on standard error: a bar on a terminal, and the lines worth keeping in a log.

use super::output::note;
use crate::pass::PassName;
use crate::runner::event::{ProgressEvent, ProgressObserver};
use indicatif::{ProgressBar, ProgressStyle};
use orch_core::format::{
    self,
    change::{self, ChangedQuantity},
    clean,
};
use std::io::IsTerminal;
use std::time::Duration;

/// An observer that prints events as they come.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    terminal: bool,
    /// Medians of the last timing passes by job, for the running estimate of the bar.
    last: std::collections::HashMap<String, f64>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            bar: None,
            terminal: std::io::stderr().is_terminal(),
            last: std::collections::HashMap::new(),
        }
    }

    /// Shows a message beside the bar, if there is a bar.
    fn show(&self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(clean::clean_line(message).into_owned());
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(line)),
            None => note(line),
        }
    }
}

impl ProgressObserver for Progress {
    fn see(&mut self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::Preparing { plugin } if self.terminal => {
                note(&format!("preparing plugin {plugin}"))
            }
            ProgressEvent::Note { text } => self.say(text),
            ProgressEvent::BuildLine { line } => note(line),
            ProgressEvent::WaitingForLock { holder } => {
                self.say(&format!("waiting: {holder}; --no-wait gives up at once"))
            }
            ProgressEvent::Begin { passes, estimate } if self.terminal => {
                let bar = ProgressBar::new(passes as u64);
                let style = ProgressStyle::with_template("{bar:20} {pos}/{len} {wide_msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_message(format!("about {}", seconds(estimate)));
                self.bar = Some(bar);
            }
            ProgressEvent::PassBegins {
                job,
                pass,
                round,
                left,
            } => {
                let what = match pass {
                    PassName::Time => format!("timing, round {}", round + 1),
                    PassName::Profile => "profiling".to_owned(),
                    PassName::Count => "counting allocations".to_owned(),
                    PassName::None | PassName::Sentinel => String::new(),
                };
                let known = self
                    .last
                    .get(job)
                    .map(|ns| format!(", {}", format::time(*ns)))
                    .unwrap_or_default();
                self.show(&format!("{job}: {what}{known} · {} left", seconds(left)));
            }
            ProgressEvent::PassEnds { job, median_ns } => {
                if let Some(median_ns) = median_ns {
                    self.last.insert(job.to_owned(), median_ns);
                }
                if let Some(bar) = &self.bar {
                    bar.inc(1);
                }
            }
            ProgressEvent::PassesChanged { by } => {
                if let Some(bar) = &self.bar {
                    let passes = i64::try_from(bar.length().unwrap_or(0)).unwrap_or(i64::MAX);
                    bar.set_length(u64::try_from(passes.saturating_add(by)).unwrap_or(0));
                }
            }
            ProgressEvent::JobLost {
                job,
                lost,
                phase,
                message,
            } => {
                let first = message.lines().next().unwrap_or_default();
                self.say(&format!("{job}: {lost} in {phase}: {first}"));
            }
            ProgressEvent::BeginPairs { workloads } if self.terminal && workloads > 0 => {
                let bar = ProgressBar::new(workloads as u64);
                let style = ProgressStyle::with_template("{bar:20} {pos}/{len} decided {wide_msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                self.bar = Some(bar);
            }
            ProgressEvent::Pair {
                job,
                pairs,
                estimate,
            } => {
                let change = change::size(ChangedQuantity::Time, estimate.exp_m1());
                self.show(&format!("{job}: {pairs} pairs, {change} so far"));
            }
            ProgressEvent::StillOpen { workloads } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(bar.length().unwrap_or(0).saturating_sub(workloads as u64));
                }
            }
            ProgressEvent::End => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    }
}

fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}
