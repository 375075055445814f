//! What a table or a record claims, in one neutral form that the rules look at.

use super::figure::{Figure, FigureRange};
use super::names::{self, SizeFamily};
use crate::format;

/// Rows of one measured thing each, and what is said about all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    pub(crate) unit: TimeUnit,
    pub(crate) rows: Vec<ClaimedRow>,
    /// The rows stand in one list that does not show what is inside what, as if they could be added
    /// up.
    pub(crate) flat: bool,
    /// Totals that are claimed for all rows.
    pub(crate) totals: Vec<ClaimedTotal>,
    /// What the machine can do at most, in GFLOP/s, where that is known.
    pub(crate) peak: Option<Figure>,
    /// Several runs that were compared with one baseline.
    pub(crate) runs: Vec<ClaimedRun>,
}

/// The unit of all times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    /// As older reports print them.
    #[default]
    Milliseconds,
    /// As own records hold them.
    Nanoseconds,
}

/// One row; what it does not say is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClaimedRow {
    pub(crate) name: String,
    pub(crate) family: Option<SizeFamily>,
    /// The row whose time this one's time is part of.
    pub(crate) parent: Option<usize>,
    pub(crate) calls: Option<f64>,
    /// Of a single run.
    pub(crate) total: Option<Figure>,
    pub(crate) mean: Option<Figure>,
    pub(crate) min: Option<Figure>,
    pub(crate) max: Option<Figure>,
    /// Percent of the whole.
    pub(crate) share: Option<Figure>,
    /// Of two runs.
    pub(crate) before: Option<Figure>,
    pub(crate) after: Option<Figure>,
    pub(crate) memory_before: Option<Figure>,
    pub(crate) memory_after: Option<Figure>,
    /// Operations that the row's own time holds.
    pub(crate) work: Option<f64>,
    /// GFLOP/s of the single run, and of two.
    pub(crate) rate: Option<Figure>,
    pub(crate) rate_before: Option<Figure>,
    pub(crate) rate_after: Option<Figure>,
    pub(crate) delta: Option<Figure>,
    /// Claimed change of time, and of the rate.
    pub(crate) percent: Option<Figure>,
    pub(crate) rate_percent: Option<Figure>,
    /// The word for the change.
    pub(crate) status: Option<String>,
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
    /// The claimed changes in percent, by row.
    pub(crate) changes: Vec<(String, Figure)>,
}

/// Which of a row's times is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimSide {
    Before,
    After,
    /// Of a single run.
    Only,
}

/// All sides, in the order in which they are told.
pub(crate) const SIDES: [ClaimSide; 3] = [ClaimSide::Before, ClaimSide::After, ClaimSide::Only];

impl ClaimSide {
    /// How messages name it behind a figure.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Before => " before",
            Self::After => " after",
            Self::Only => "",
        }
    }
}

impl ClaimedRow {
    /// A row of which only the name is known; the name tells kernel and size.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            family: names::parse_family(name),
            ..Self::default()
        }
    }

    /// The whole time on a side.
    pub(crate) fn time(&self, side: ClaimSide) -> Option<&Figure> {
        match side {
            ClaimSide::Before => self.before.as_ref(),
            ClaimSide::After => self.after.as_ref(),
            ClaimSide::Only => self.total.as_ref(),
        }
    }

    /// The time of one execution on a side: of a single run its mean.
    pub(crate) fn time_of_one(&self, side: ClaimSide) -> Option<&Figure> {
        match side {
            ClaimSide::Only => self.mean.as_ref().or(self
                .total
                .as_ref()
                .filter(|_| self.calls.is_none_or(|calls| calls == 1.0))),
            _ => self.time(side),
        }
    }

    /// The rate on a side.
    pub(crate) fn rate(&self, side: ClaimSide) -> Option<&Figure> {
        match side {
            ClaimSide::Before => self.rate_before.as_ref(),
            ClaimSide::After => self.rate_after.as_ref(),
            ClaimSide::Only => self.rate.as_ref(),
        }
    }

    /// Both times of a row that has two.
    pub(crate) fn both_times(&self) -> Option<(&Figure, &Figure)> {
        Some((self.before.as_ref()?, self.after.as_ref()?))
    }

    /// All ratios after / before that the printed times allow.
    pub(crate) fn ratio(&self) -> Option<FigureRange> {
        let (before, after) = self.both_times()?;
        after.reach.over(before.reach)
    }
}

impl Claims {
    /// Rows that are part of no other row.
    pub(crate) fn outermost(&self) -> impl Iterator<Item = &ClaimedRow> {
        self.rows.iter().filter(|row| row.parent.is_none())
    }

    /// Of each row, the rows that are directly part of it.
    pub(crate) fn rows_inside(&self) -> Vec<Vec<&ClaimedRow>> {
        let mut inside: Vec<Vec<&ClaimedRow>> = vec![Vec::new(); self.rows.len()];
        for row in &self.rows {
            if let Some(of_parent) = row.parent.and_then(|parent| inside.get_mut(parent)) {
                of_parent.push(row);
            }
        }
        inside
    }

    /// A time as it was printed, with its unit.
    pub(crate) fn printed(&self, figure: &Figure) -> String {
        match self.unit {
            TimeUnit::Milliseconds => format!("{} ms", figure.printed),
            TimeUnit::Nanoseconds => figure.printed.clone(),
        }
    }

    /// `1.00 -> 2.00 ms`, both as they were printed.
    pub(crate) fn pair(&self, before: &Figure, after: &Figure) -> String {
        match self.unit {
            TimeUnit::Milliseconds => format!("{} -> {} ms", before.printed, after.printed),
            TimeUnit::Nanoseconds => format!("{} -> {}", before.printed, after.printed),
        }
    }

    /// A time that was computed here.
    pub(crate) fn computed(&self, value: f64) -> String {
        match self.unit {
            TimeUnit::Milliseconds => format!("{value:.2} ms"),
            TimeUnit::Nanoseconds => format::time(value),
        }
    }

    /// Seconds of one unit of time.
    pub(crate) fn seconds(&self) -> f64 {
        match self.unit {
            TimeUnit::Milliseconds => 1e-3,
            TimeUnit::Nanoseconds => 1e-9,
        }
    }
}

/// The sum of what some rows print, with everything that it may stand for; none if a row prints
/// nothing, or there is no row.
pub(crate) fn sum<'a>(
    figures: impl Iterator<Item = Option<&'a Figure>>,
) -> Option<(f64, FigureRange)> {
    let all: Vec<&Figure> = figures.collect::<Option<_>>()?;
    let value = all.iter().map(|figure| figure.value).sum();
    (!all.is_empty()).then(|| (value, all.iter().map(|figure| figure.reach).sum()))
}

/// Names in a message: all of a few, else the first ones and how many more.
pub(crate) fn listed(texts: &[String]) -> String {
    const MOST: usize = 6;
    match texts.len() {
        0..=MOST => texts.join(", "),
        more => format!("{}, and {} more", texts[..MOST].join(", "), more - MOST),
    }
}
