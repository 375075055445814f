//! The claims of a table or a record, in one neutral form for the rules.

use super::figure::{Figure, FigureRange};
use super::names::{self, SizeFamily};
use super::rules::FoundContradiction;
use super::session::{ClaimedSession, ClaimedSource};
use orch_core::format;

/// Rows of one measured thing each, with claims about all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    pub(crate) unit: TimeUnit,
    pub(crate) rows: Vec<ClaimedRow>,
    /// Whether the rows stand in one list that does not show their nesting, as if they could be
    /// added up.
    pub(crate) flat: bool,
    /// Totals that are claimed for all rows.
    pub(crate) totals: Vec<ClaimedTotal>,
    /// Highest speed of the machine in GFLOP/s, if it is known.
    pub(crate) peak: Option<Figure>,
    /// Several runs that were compared with one baseline.
    pub(crate) runs: Vec<ClaimedRun>,
    /// Files of benchmark tools from which the sessions of the rows come.
    pub(crate) sources: Vec<ClaimedSource>,
}

/// The unit of all times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    /// Milliseconds, the unit of the older reports.
    #[default]
    Milliseconds,
    /// Nanoseconds, the unit of own records.
    Nanoseconds,
}

/// One row; absent values are `None`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClaimedRow {
    pub(crate) name: String,
    pub(crate) family: Option<SizeFamily>,
    /// Index of the row whose time includes this row's time.
    pub(crate) parent: Option<usize>,
    pub(crate) calls: Option<f64>,
    /// Times of a single run.
    pub(crate) total: Option<Figure>,
    pub(crate) mean: Option<Figure>,
    pub(crate) min: Option<Figure>,
    pub(crate) max: Option<Figure>,
    /// Share of the whole, in percent.
    pub(crate) share: Option<Figure>,
    /// Times of two runs.
    pub(crate) before: Option<Figure>,
    pub(crate) after: Option<Figure>,
    pub(crate) memory_before: Option<Figure>,
    pub(crate) memory_after: Option<Figure>,
    /// Operations within the row's own time.
    pub(crate) work: Option<f64>,
    /// GFLOP/s of the single run, and of the two runs.
    pub(crate) rate: Option<Figure>,
    pub(crate) rate_before: Option<Figure>,
    pub(crate) rate_after: Option<Figure>,
    pub(crate) delta: Option<Figure>,
    /// Claimed change of the time, and of the rate.
    pub(crate) percent: Option<Figure>,
    pub(crate) rate_percent: Option<Figure>,
    /// Word for the change.
    pub(crate) status: Option<String>,
    /// Sessions of a benchmark tool, at most one per side.
    pub(crate) sessions: Vec<(ClaimSide, ClaimedSession)>,
}

/// A claimed sum over all rows.
#[derive(Debug, Clone)]
pub(crate) struct ClaimedTotal {
    pub(crate) side: ClaimSide,
    pub(crate) figure: Figure,
}

/// One of several runs against the same baseline.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClaimedRun {
    pub(crate) name: String,
    /// Claimed changes in percent, by row.
    pub(crate) changes: Vec<(String, Figure)>,
}

/// Side of a row's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimSide {
    Before,
    After,
    /// The side of a single run.
    Only,
}

/// All sides, in the order of their output.
pub(crate) const SIDES: [ClaimSide; 3] = [ClaimSide::Before, ClaimSide::After, ClaimSide::Only];

impl ClaimSide {
    /// Returns the name of the side in messages, behind a figure.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Before => " before",
            Self::After => " after",
            Self::Only => "",
        }
    }
}

impl ClaimedRow {
    /// Returns a row of which only the name is known. Kernel and size follow from the name.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            family: names::parse_family(name),
            ..Self::default()
        }
    }

    /// Returns the whole time on a side.
    pub(crate) fn time(&self, side: ClaimSide) -> Option<&Figure> {
        match side {
            ClaimSide::Before => self.before.as_ref(),
            ClaimSide::After => self.after.as_ref(),
            ClaimSide::Only => self.total.as_ref(),
        }
    }

    /// Returns the time of one execution on a side; for a single run, its mean.
    pub(crate) fn time_of_one(&self, side: ClaimSide) -> Option<&Figure> {
        match side {
            ClaimSide::Only => self.mean.as_ref().or(self
                .total
                .as_ref()
                .filter(|_| self.calls.is_none_or(|calls| calls == 1.0))),
            _ => self.time(side),
        }
    }

    /// Returns the rate on a side.
    pub(crate) fn rate(&self, side: ClaimSide) -> Option<&Figure> {
        match side {
            ClaimSide::Before => self.rate_before.as_ref(),
            ClaimSide::After => self.rate_after.as_ref(),
            ClaimSide::Only => self.rate.as_ref(),
        }
    }

    /// Returns both times of a row that has two.
    pub(crate) fn both_times(&self) -> Option<(&Figure, &Figure)> {
        Some((self.before.as_ref()?, self.after.as_ref()?))
    }

    /// Returns the session of a benchmark tool on a side.
    pub(crate) fn session(&self, side: ClaimSide) -> Option<&ClaimedSession> {
        let mut own = self.sessions.iter();
        own.find(|(of, _)| *of == side).map(|(_, session)| session)
    }

    /// Returns all ratios after / before that the printed times allow.
    pub(crate) fn ratio(&self) -> Option<FigureRange> {
        let (before, after) = self.both_times()?;
        after.reach.over(before.reach)
    }
}

impl Claims {
    /// Iterates over the rows that are part of no other row.
    pub(crate) fn outermost(&self) -> impl Iterator<Item = &ClaimedRow> {
        self.rows.iter().filter(|row| row.parent.is_none())
    }

    /// Returns the file of a benchmark tool on a side.
    pub(crate) fn source(&self, side: ClaimSide) -> Option<&ClaimedSource> {
        self.sources.iter().find(|source| source.side == side)
    }

    /// Returns, for each row, the rows that are directly part of it.
    pub(crate) fn rows_inside(&self) -> Vec<Vec<&ClaimedRow>> {
        let mut inside: Vec<Vec<&ClaimedRow>> = vec![Vec::new(); self.rows.len()];
        for row in &self.rows {
            if let Some(of_parent) = row.parent.and_then(|parent| inside.get_mut(parent)) {
                of_parent.push(row);
            }
        }
        inside
    }

    /// Formats a time as it was printed, with its unit.
    pub(crate) fn printed(&self, figure: &Figure) -> String {
        match self.unit {
            TimeUnit::Milliseconds => format!("{} ms", figure.printed),
            TimeUnit::Nanoseconds => figure.printed.clone(),
        }
    }

    /// Formats both figures as they were printed: `1.00 -> 2.00 ms`.
    pub(crate) fn pair(&self, before: &Figure, after: &Figure) -> String {
        match self.unit {
            TimeUnit::Milliseconds => format!("{} -> {} ms", before.printed, after.printed),
            TimeUnit::Nanoseconds => format!("{} -> {}", before.printed, after.printed),
        }
    }

    /// Formats a time that was computed here.
    pub(crate) fn computed(&self, value: f64) -> String {
        match self.unit {
            TimeUnit::Milliseconds => format!("{value:.2} ms"),
            TimeUnit::Nanoseconds => format::time(value),
        }
    }

    /// Formats a time that was computed here and stands beside a printed one.
    pub(crate) fn precise(&self, value: f64) -> String {
        match self.unit {
            TimeUnit::Milliseconds => format!("{value:.2} ms"),
            TimeUnit::Nanoseconds => print_time(value),
        }
    }

    /// Returns the seconds of one unit of time.
    pub(crate) fn seconds(&self) -> f64 {
        match self.unit {
            TimeUnit::Milliseconds => 1e-3,
            TimeUnit::Nanoseconds => 1e-9,
        }
    }
}

/// Returns the sum of the printed figures of some rows, with the range of its possible values;
/// `None` if a row has no figure or there are no rows.
pub(crate) fn sum<'a>(
    figures: impl Iterator<Item = Option<&'a Figure>>,
) -> Option<(f64, FigureRange)> {
    let all: Vec<&Figure> = figures.collect::<Option<_>>()?;
    let value = all.iter().map(|figure| figure.value).sum();
    (!all.is_empty()).then(|| (value, all.iter().map(|figure| figure.reach).sum()))
}

/// Lists names in a message: all names if there are few, or the first ones and the number of the
/// others.
pub(crate) fn listed(texts: &[String]) -> String {
    const MOST: usize = 6;
    match texts.len() {
        0..=MOST => texts.join(", "),
        more => format!("{}, and {} more", texts[..MOST].join(", "), more - MOST),
    }
}

/// Lists the rows that have something to report; empty if no row has.
pub(super) fn list_rows(
    claims: &Claims,
    report: impl Fn(&ClaimedRow) -> Option<String>,
    head: &str,
) -> Vec<FoundContradiction> {
    let rows = claims.rows.iter();
    let (names, texts): (Vec<String>, Vec<String>) = rows
        .filter_map(|row| Some((row.name.clone(), report(row)?)))
        .unzip();
    if names.is_empty() {
        return Vec::new();
    }
    let text = format!("{head}: {}", listed(&texts));
    vec![FoundContradiction::new(names, text)]
}

/// Formats a time with six digits, so that two times in one message differ.
pub(crate) fn print_time(ns: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let (size, name) = UNITS
        .into_iter()
        .find(|(size, _)| ns.abs() >= *size)
        .unwrap_or((1.0, "ns"));
    let value = ns / size;
    let digits = match value.abs() {
        size if size >= 100.0 => 3,
        size if size >= 10.0 => 4,
        _ => 5,
    };
    let text = format!("{value:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} {name}")
}
