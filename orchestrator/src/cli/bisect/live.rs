//! What a bisect is doing, on standard error: a table that changes on a terminal, a line per step in a log.

use super::before::Look;
use super::commits::Ground;
use crate::bisect::in_one_line;
use crate::cli::output::note;
use crate::format;
use crate::git::Revision;
use crate::judge::estimate::median;
use crate::runner::event::{Event, Observer};
use crate::runner::series::PairRecord;
use crate::search::View;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// Commits that the table shows.
const ROWS: usize = 5;
/// Characters of the bar that stands for a probability.
const BAR: usize = 20;

/// Shows a bisect as it goes on.
pub(super) struct Live {
    bar: Option<ProgressBar>,
    /// What goes on right now.
    doing: String,
    /// Commits by probability, and what is left.
    table: String,
    builds: usize,
    pairs: usize,
    /// What the log was told last.
    said: String,
}

impl Live {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Self { bar, doing: String::new(), table: String::new(), builds: 0, pairs: 0, said: String::new() }
    }

    fn show(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}{}", self.table, self.doing));
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

    /// A commit is looked at.
    pub(super) fn begins(&mut self, revision: &Revision, built: bool) {
        let verb = if built { "building" } else { "finding" };
        self.does(format!("{verb} {}", named(revision)));
    }

    /// A commit was looked at.
    pub(super) fn looked(&mut self, revision: &Revision, look: &Look, seconds: f64) {
        self.builds += usize::from(look.built);
        match &look.result {
            Ok(_) if look.built => self.log(&format!("built {} in {}", named(revision), format::time(seconds * 1e9))),
            Ok(_) => self.log(&format!("found {} among earlier builds", named(revision))),
            Err(reason) => self.log(&format!("skipped {}: {}", named(revision), in_one_line(reason))),
        }
    }

    /// One more pair.
    pub(super) fn pair(&mut self, revision: &Revision, differences: &[f64]) {
        self.pairs += 1;
        if let Some(middle) = median(differences) {
            let (pairs, change) = (differences.len(), format::change(middle.exp_m1()));
            self.does(format!("measuring {}: {pairs} pairs, {change} so far", named(revision)));
        }
    }

    /// A batch of pairs is complete.
    pub(super) fn batch(&mut self, reference: &Revision, revision: &Revision, pairs: &[PairRecord]) {
        let differences: Vec<f64> = pairs.iter().map(|pair| pair.difference).collect();
        if let Some(middle) = median(&differences) {
            self.log(&format!(
                "{} against {}: {} after {} pairs",
                named(revision),
                reference.short(),
                format::change(middle.exp_m1()),
                pairs.len()
            ));
        }
    }

    /// A suspect is compared with the commit before it.
    pub(super) fn confirms(&mut self, parent: &Revision, revision: &Revision) {
        let what = format!("confirming {} against {} with fresh processes", named(revision), parent.short());
        self.log(&what);
        self.does(what);
    }

    /// Where the search stands.
    pub(super) fn see(&mut self, view: &View<'_>, ground: &Ground, pair_seconds: f64, build_seconds: f64) {
        let mut order: Vec<usize> =
            (0..view.posterior.len()).filter(|position| view.posterior[*position] > 0.0).collect();
        order.sort_by(|one, other| view.posterior[*other].total_cmp(&view.posterior[*one]));
        let left = Duration::from_secs_f64(
            (view.builds_left * build_seconds + view.pairs_left * pair_seconds).clamp(0.0, 1e6),
        );
        let (more_builds, more_pairs) = (view.builds_left.ceil(), view.pairs_left.ceil());
        let left = if more_builds + more_pairs > 0.0 {
            let time = format::time(left.as_nanos() as f64);
            format!("still to do: about {more_builds:.0} builds and {more_pairs:.0} pairs, {time}")
        } else {
            "nothing left to measure".to_owned()
        };
        self.table = order
            .iter()
            .take(ROWS)
            .map(|&position| row(view.posterior[position], ground.revision(position)))
            .chain([format!("{} builds, {} pairs; {left}\n", self.builds, self.pairs)])
            .collect();
        if let Some(&first) = order.first() {
            let line = format!(
                "most likely {} at {}; {left}",
                ground.revision(first).short(),
                format::percent(view.posterior[first])
            );
            if line != self.said {
                self.log(&line);
                self.said = line;
            }
        }
        self.show();
    }

    /// How many commits come into question where numbers are exact.
    pub(super) fn left(&mut self, candidates: usize, reads: f64, build_seconds: f64) {
        let time = format::time(reads.ceil() * build_seconds * 1e9);
        let line = format!("{candidates} commits left; still to do: about {:.0} builds, {time}", reads.ceil());
        self.table = format!("{line}\n");
        self.log(&line);
        self.show();
    }

    /// Takes the table away.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Live {
    fn see(&mut self, event: Event<'_>) {
        match event {
            Event::WaitingForLock => {
                self.log("waiting: another process is measuring or building on this machine");
                self.does("waiting: another process is measuring or building on this machine".to_owned());
            }
            // The compiler's own lines stand in the reason when it fails.
            Event::BuildLine { line } if self.bar.is_some() => self.does(format::brief(line)),
            _ => {}
        }
    }
}

fn row(probability: f64, revision: &Revision) -> String {
    let filled = (probability * BAR as f64).round() as usize;
    format!("{:>6} {:BAR$} {}\n", format::percent(probability), "#".repeat(filled), named(revision))
}

fn named(revision: &Revision) -> String {
    let subject: String = revision.subject.chars().take(50).collect();
    format!("{} ({subject})", revision.short())
}
