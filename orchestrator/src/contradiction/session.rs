//! Claims of a benchmark tool about one session: the statistics of a row on one side, and the
//! circumstances of all rows of a file.

use super::claims::ClaimSide;
use super::figure::{Figure, FigureRange};

/// Statistics of a row in one session. Times are in the unit of the claims.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClaimedSession {
    /// The samples in the order in which they were taken, if the file lists them.
    pub(crate) samples: Vec<FigureRange>,
    /// Number of samples that the file states.
    pub(crate) count: Option<u64>,
    pub(crate) mean: Option<Figure>,
    pub(crate) median: Option<Figure>,
    /// Standard deviation of the samples.
    pub(crate) deviation: Option<Figure>,
    /// Standard deviation as a share of the mean.
    pub(crate) variation: Option<Figure>,
    pub(crate) min: Option<Figure>,
    pub(crate) max: Option<Figure>,
    /// Shortest time between two readings of the clock.
    pub(crate) shortest_span: Option<f64>,
    pub(crate) failures: FailedRuns,
    /// Parameters and settings by name.
    pub(crate) parameters: Vec<(String, String)>,
    /// Further figures by name.
    pub(crate) counters: Vec<(String, Figure)>,
    pub(crate) defects: Vec<FigureDefect>,
    /// Number of the file's rows that have this name, beyond the first.
    pub(crate) repeats: usize,
}

/// Runs that did not end well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FailedRuns {
    pub(crate) failed: usize,
    /// Number of all runs.
    pub(crate) of: usize,
    /// How the first of them ended.
    pub(crate) ending: Option<RunEnding>,
}

/// End of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunEnding {
    ExitCode(String),
    Signal,
    Error(String),
}

/// A figure that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FigureDefect {
    NotFinite { field: String, printed: String },
    UnknownUnit { unit: String },
}

/// Circumstances of a session, as far as its file states them.
#[derive(Debug, Clone)]
pub(crate) struct ClaimedSource {
    pub(crate) side: ClaimSide,
    /// Name of the file in messages.
    pub(crate) file: String,
    /// SHA-256 of the file.
    pub(crate) hash: String,
    /// Versions of the tool and of what it runs in, by name.
    pub(crate) versions: Vec<(String, String)>,
    /// Properties of the machine by name.
    pub(crate) machine: Vec<(String, String)>,
    pub(crate) date: Option<String>,
    pub(crate) commit: Option<String>,
    /// Whether the commit's files had been changed.
    pub(crate) is_dirty: Option<bool>,
    /// Whether the clock rate of the CPU may change.
    pub(crate) has_scaling: Option<bool>,
    /// Whether the library of the tool was built without optimisation.
    pub(crate) is_debug: Option<bool>,
    pub(crate) shortest: ShortestSpan,
}

/// Shortest time that a tool measures well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ShortestSpan {
    /// The tool subtracts the start of a shell, which it knows only so well.
    ShellStart(f64),
    /// The tool reads a clock before and after.
    ClockReading(f64),
}

impl ClaimedSource {
    pub(crate) fn new(side: ClaimSide, file: &str, hash: String, shortest: ShortestSpan) -> Self {
        Self {
            side,
            file: file.to_owned(),
            hash,
            versions: Vec::new(),
            machine: Vec::new(),
            date: None,
            commit: None,
            is_dirty: None,
            has_scaling: None,
            is_debug: None,
            shortest,
        }
    }
}

impl ClaimedSession {
    /// Returns the time that stands for the session: the median, else the mean, else the only
    /// sample.
    pub(crate) fn time(&self) -> Option<&Figure> {
        self.median.as_ref().or(self.mean.as_ref())
    }

    /// Returns the number of samples.
    pub(crate) fn samples(&self) -> Option<u64> {
        let listed = u64::try_from(self.samples.len()).ok();
        self.count.or(listed.filter(|count| *count > 0))
    }

    /// Returns the figures that must not be negative, with their names.
    pub(crate) fn amounts(&self) -> [(&'static str, Option<&Figure>); 5] {
        [
            ("mean", self.mean.as_ref()),
            ("median", self.median.as_ref()),
            ("minimum", self.min.as_ref()),
            ("maximum", self.max.as_ref()),
            ("standard deviation", self.deviation.as_ref()),
        ]
    }
}
