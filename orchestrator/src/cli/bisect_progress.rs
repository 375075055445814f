//! Progress of a bisect on standard error: a table on a terminal, a line per step in a log.

use super::output::note;
use crate::bisect::BisectObserver;
use crate::bisect::commit_builds::BisectContext;
use crate::bisect::replay::CommitProbe;
use crate::git::Revision;
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::pair_series::PairRecord;
use indicatif::{ProgressBar, ProgressStyle};
use orch_core::format::{
    self,
    change::{self, ChangedQuantity},
    clean,
};
use orch_core::judge::estimate::median;
use orch_core::search::{SectionStage, SectionView};
use std::io::IsTerminal;
use std::time::Duration;

/// Number of commits that the table shows.
const ROWS: usize = 5;
/// Width in characters of the bar for a probability.
const BAR: usize = 20;

/// Shows the progress of a bisect.
pub(super) struct BisectProgress {
    bar: Option<ProgressBar>,
    /// The current step.
    doing: String,
    /// Commits by probability, and the remaining work.
    table: String,
    builds: usize,
    pairs: usize,
    /// The last line that was logged.
    last_line: String,
}

impl BisectProgress {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(
                ProgressStyle::with_template("{msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        Self {
            bar,
            doing: String::new(),
            table: String::new(),
            builds: 0,
            pairs: 0,
            last_line: String::new(),
        }
    }

    fn show(&self) {
        if let Some(bar) = &self.bar {
            let message = format!("{}{}", self.table, self.doing);
            bar.set_message(clean::clean_lines(&message).into_owned());
            bar.tick();
        }
    }

    fn log(&self, line: &str) {
        if self.bar.is_none() {
            note(line);
        }
    }

    fn does(&mut self, what: String) {
        self.doing = what;
        self.show();
    }

    /// Logs a line unless it equals the previous one.
    fn say(&mut self, line: String) {
        if line != self.last_line {
            self.log(&line);
            self.last_line = line;
        }
    }
}

impl BisectObserver for BisectProgress {
    fn begin_probe(&mut self, revision: &Revision, built: bool) {
        let verb = if built { "building" } else { "finding" };
        self.does(format!("{verb} {}", named(revision)));
    }

    fn end_probe(&mut self, revision: &Revision, look: &CommitProbe, seconds: f64) {
        self.builds += usize::from(look.built);
        match &look.result {
            Ok(_) if look.built => self.log(&format!(
                "built {} in {}",
                named(revision),
                format::time(seconds * 1e9)
            )),
            Ok(_) => self.log(&format!("reused the earlier build of {}", named(revision))),
            Err(reason) => self.log(&format!(
                "skipped {}: {}",
                named(revision),
                reason.in_one_line()
            )),
        }
    }

    fn end_pair(&mut self, revision: &Revision, differences: &[f64]) {
        self.pairs += 1;
        if let Some(middle) = median(differences) {
            let (pairs, change) = (
                differences.len(),
                change::size(ChangedQuantity::Time, middle.exp_m1()),
            );
            self.does(format!(
                "measuring {}: {pairs} pairs, {change} so far",
                named(revision)
            ));
        }
    }

    fn end_batch(&mut self, reference: &Revision, revision: &Revision, pairs: &[PairRecord]) {
        let differences: Vec<f64> = pairs.iter().map(|pair| pair.difference).collect();
        if let Some(middle) = median(&differences) {
            self.log(&format!(
                "{} against {}: {} after {} pairs",
                named(revision),
                reference.short(),
                change::size(ChangedQuantity::Time, middle.exp_m1()),
                pairs.len()
            ));
        }
    }

    fn begin_confirmation(&mut self, parent: &Revision, revision: &Revision) {
        let what = format!(
            "confirming {} against {} with fresh processes",
            named(revision),
            parent.short()
        );
        self.log(&what);
        self.does(what);
    }

    fn show_search(
        &mut self,
        view: &SectionView<'_>,
        ground: &BisectContext,
        pair_seconds: f64,
        build_seconds: f64,
    ) {
        if view.stage == SectionStage::CompareEnds {
            let ends = (
                ground.revision(view.reference).short(),
                ground.revision(view.end).short(),
            );
            self.table = format!("measuring whether {} and {} differ\n", ends.0, ends.1);
            return self.show();
        }
        let likely = |position: &usize| view.posterior[*position];
        let mut order: Vec<usize> = (0..view.posterior.len())
            .filter(|at| likely(at) > 0.0)
            .collect();
        order.sort_by(|one, other| likely(other).total_cmp(&likely(one)));
        let left = format_remaining_work(view, pair_seconds, build_seconds);
        let rows = order
            .iter()
            .take(ROWS)
            .map(|at| row(likely(at), ground.revision(*at)));
        let done = (
            count(self.builds as f64, "build"),
            count(self.pairs as f64, "pair"),
        );
        let work = format!("{}, {}; {left}\n", done.0, done.1);
        self.table = rows.chain([work]).collect();
        if let Some(first) = order.first() {
            let line = format!(
                "most likely {} at {}; {left}",
                named(ground.revision(*first)),
                format::percent(likely(first))
            );
            self.say(line);
        }
        self.show();
    }

    fn show_candidates(&mut self, candidates: usize, reads: f64, build_seconds: f64) {
        let time = format::time(reads.ceil() * build_seconds * 1e9);
        let commits = count(candidates as f64, "commit");
        let line = match reads.ceil() > 0.0 {
            true => format!(
                "{commits} left; about {} to do, {time}",
                count(reads.ceil(), "build")
            ),
            false => format!("{commits} left"),
        };
        self.table = format!("{line}\n");
        self.log(&line);
        self.show();
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl ProgressObserver for BisectProgress {
    fn see(&mut self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::WaitingForLock { holder } => {
                let line = format!("waiting: {holder}");
                self.log(&line);
                self.does(line);
            }
            ProgressEvent::Note { text } => match &self.bar {
                Some(bar) => bar.suspend(|| note(text)),
                None => note(text),
            },
            // If the build fails, the reason contains the compiler's lines.
            ProgressEvent::BuildLine { line } if self.bar.is_some() => {
                self.does(format::brief(line))
            }
            _ => {}
        }
    }
}

/// Formats an estimate of the remaining work.
fn format_remaining_work(view: &SectionView<'_>, pair_seconds: f64, build_seconds: f64) -> String {
    let (builds, pairs) = (view.builds_left.ceil(), view.pairs_left.ceil());
    let seconds = (builds * build_seconds + pairs * pair_seconds).clamp(0.0, 1e6);
    let time = format::time(Duration::from_secs_f64(seconds).as_nanos() as f64);
    match (builds > 0.0, pairs > 0.0) {
        (true, true) => format!(
            "to do: about {} and {}, {time}",
            count(builds, "build"),
            count(pairs, "pair")
        ),
        (true, false) => format!("to do: about {}, {time}", count(builds, "build")),
        (false, true) => format!("to do: about {}, {time}", count(pairs, "pair")),
        (false, false) => "nothing left to measure".to_owned(),
    }
}

/// Formats a number of things.
fn count(number: f64, what: &str) -> String {
    let plural = if number == 1.0 { "" } else { "s" };
    format!("{number:.0} {what}{plural}")
}

fn row(probability: f64, revision: &Revision) -> String {
    let filled = (probability * BAR as f64).round() as usize;
    format!(
        "{:>6} {:BAR$} {}\n",
        format::percent(probability),
        "#".repeat(filled),
        named(revision)
    )
}

fn named(revision: &Revision) -> String {
    let subject: String = revision.subject.chars().take(50).collect();
    format!("{} ({subject})", revision.short())
}
