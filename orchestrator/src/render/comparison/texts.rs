//! Sentences about a whole comparison: its sides, its headline, its totals, and its measurement.

use super::super::origins;
use crate::comparison::totals::ComparisonTotals;
use crate::comparison::{ComparedSide, Comparison, SideKind};
use orch_core::format::{
    self,
    change::{self, ChangedQuantity},
    clean,
};
use serde::Serialize;

/// Shortest wait for other measurements that is reported.
const LONG_WAIT_NS: u64 = 100_000_000;

/// Sentences about a comparison. The `short` ones are for a terminal.
#[derive(Serialize)]
pub(super) struct ComparisonText {
    /// Title with the name of the scenario, or of the imported table.
    title: String,
    a: SideText,
    b: SideText,
    machine: Option<String>,
    /// `21 workloads`.
    workloads: String,
    /// `21 workloads: 1 regressed, 20 equivalent`.
    headline: String,
    /// The change of all times together; null for fewer than two workloads with times.
    totals: Option<TotalsText>,
    /// Confidence level of the intervals.
    confidence: String,
    /// Frequency with which machines of this class called the same code changed; null if unknown.
    false_alarms: Option<String>,
    /// Explanation of the figures, and the time that the comparison took.
    footer: String,
}

#[derive(Serialize)]
struct SideText {
    short: String,
    long: String,
}

#[derive(Serialize)]
struct TotalsText {
    short: String,
    long: String,
}

impl ComparisonText {
    /// Returns the sentences. `headline` has the workloads per verdict, and `is_time_changed`
    /// states whether any time is not equivalent.
    pub(super) fn of(comparison: &Comparison, headline: &[String], is_time_changed: bool) -> Self {
        let workloads = format::counted(comparison.workloads.len(), "workload");
        let scenario = comparison.scenario.as_ref().map(|scenario| &scenario.name);
        let table = comparison.imported.as_ref().map(|table| &table.file);
        let totals = comparison.totals.as_ref();
        Self {
            title: match scenario.or(table) {
                Some(name) => format!("Comparison: {name}"),
                None => "Comparison".to_owned(),
            },
            a: SideText::of("A", &comparison.a),
            b: SideText::of("B", &comparison.b),
            machine: comparison.machine.as_ref().map(origins::machine),
            headline: format!("{workloads}: {}", headline.join(", ")),
            workloads,
            totals: totals
                .filter(|totals| totals.workloads > 1)
                .map(|totals| TotalsText::of(totals, is_time_changed)),
            confidence: confidence(comparison),
            false_alarms: comparison.false_alarms.as_ref().map(|known| {
                format!(
                    "{} of {} (calibrated {})",
                    known.found, known.comparisons, known.calibrated
                )
            }),
            footer: footer(comparison),
        }
    }
}

impl ComparisonText {
    /// Returns both sides in a line each.
    pub(super) fn sides(&self) -> [&str; 2] {
        [&self.a.long, &self.b.long]
    }
}

impl SideText {
    fn of(letter: &str, side: &ComparedSide) -> Self {
        let set: String = set_values(side)
            .iter()
            .map(|one| format!(", {}", clean::clean_code(one)))
            .collect();
        Self {
            short: format!("{letter}: {}{}{set}", side.name, short_origin(side)),
            long: format!("{}{}{set}", side.name, long_origin(side)),
        }
    }
}

/// Lists the parameters that `--set` gave a side, as `name = value`.
pub(super) fn set_values(side: &ComparedSide) -> Vec<String> {
    side.set
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect()
}

/// Describes the commit of a side and its subject, unless the side's name contains them.
fn short_origin(side: &ComparedSide) -> String {
    let (SideKind::Revision, Some(git)) = (side.kind, &side.git) else {
        return String::new();
    };
    let commit = git.short();
    let subject = git.subject.as_deref().filter(|text| !text.is_empty());
    let subject = subject.map(format::brief);
    let parts: Vec<String> = (side.name != commit)
        .then_some(commit)
        .into_iter()
        .chain(subject)
        .collect();
    format!(" ({})", parts.join(", "))
}

/// Describes the commit of a side with its subject and its state.
fn long_origin(side: &ComparedSide) -> String {
    let commit = side.git.as_ref().filter(|git| git.commit.is_some());
    let is_dirty = side.git.as_ref().is_some_and(|git| git.dirty);
    let state = |words: &'static str| if is_dirty { words } else { "" };
    match (side.kind, commit) {
        (SideKind::Revision, Some(git)) => {
            let subject = git.subject.as_deref().filter(|text| !text.is_empty());
            let subject = subject.map(|subject| format!(", {subject}"));
            format!(" ({}{})", git.short(), subject.unwrap_or_default())
        }
        (SideKind::WorkingTree, commit) => {
            let commit = commit.map(|git| format!(" on {}", git.short()));
            format!(
                " (the working tree{}{})",
                commit.unwrap_or_default(),
                state(", with uncommitted changes")
            )
        }
        (SideKind::Record, Some(git)) => format!(" ({}{})", git.short(), state(", dirty")),
        _ => String::new(),
    }
}

impl TotalsText {
    /// Returns the sentences about the totals. Without a change, they omit share and sign, because
    /// the total is noise. A share above the whole is omitted too.
    fn of(totals: &ComparisonTotals, is_time_changed: bool) -> Self {
        let [sum, mean] = [totals.sum, totals.geometric_mean]
            .map(|total| change::size(ChangedQuantity::Time, total));
        let share = totals
            .largest_share
            .filter(|share| is_time_changed && *share > 0.0 && *share <= 1.0)
            .map(|share| {
                format!(
                    "{} alone is {} of the sum's change",
                    totals.largest,
                    format::percent(share)
                )
            });
        let disagree = is_time_changed && totals.disagree;
        let count = totals.workloads;
        let mut short =
            format!("over {count} workloads: sum of times {sum}, geometric mean {mean}");
        let mut long = format!(
            "Over the {count} workloads whose time was compared: sum of the times of one iteration \
             each {sum}, geometric mean of the ratios {mean}. "
        );
        if let Some(share) = share {
            short.push_str(&format!("; {share}"));
            long.push_str(&format!("{share}."));
        }
        if disagree {
            short.push_str(". The two disagree in sign: neither summarises the comparison");
            long.push_str(
                " The two totals disagree in sign, so neither summarises the comparison.",
            );
        }
        Self { short, long }
    }
}

fn footer(comparison: &Comparison) -> String {
    let time = |ns: u64| format::time(ns as f64);
    let mut footer = format!(
        "time: per iteration; ~ not exact; intervals: {} confidence; {} in total",
        confidence(comparison),
        time(comparison.wall_ns)
    );
    if comparison.building_ns > 0 {
        footer.push_str(&format!(
            ", of which {} building",
            time(comparison.building_ns)
        ));
    }
    if comparison.waiting_ns > LONG_WAIT_NS {
        let waiting = time(comparison.waiting_ns);
        footer.push_str(&format!(" and {waiting} waiting for the machine"));
    }
    footer
}

fn confidence(comparison: &Comparison) -> String {
    format::percent(1.0 - comparison.alpha)
}
