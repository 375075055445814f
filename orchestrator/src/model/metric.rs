//! Owns the metrics of a job: their names, their order, and which of them are counted.

use orch_core::format::change::ChangedQuantity;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A metric that `orch` measures for every job, or a metric with a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) enum Metric {
    Time,
    Allocations,
    Bytes,
    PeakBytes,
    Digest,
    /// Id of a plugin's metric, or column of an imported table.
    Plugin(String),
}

impl Metric {
    /// The metrics of every job, in the order in which messages list them.
    pub(crate) const OWN: [Self; 5] = [
        Self::Time,
        Self::Allocations,
        Self::Bytes,
        Self::PeakBytes,
        Self::Digest,
    ];

    /// Returns the quantity that the metric measures, which chooses the words for a change: times
    /// get longer, everything else gets more.
    pub(crate) fn quantity(&self) -> ChangedQuantity {
        if *self == Self::Time {
            ChangedQuantity::Time
        } else {
            ChangedQuantity::Amount
        }
    }

    /// Returns the name in files, reports and options.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Time => "time",
            Self::Allocations => "allocations",
            Self::Bytes => "bytes",
            Self::PeakBytes => "peak_bytes",
            Self::Digest => "digest",
            Self::Plugin(id) => id,
        }
    }

    /// Returns whether every job has the metric.
    pub(crate) fn is_own(&self) -> bool {
        !matches!(self, Self::Plugin(_))
    }

    /// Returns whether every job has the metric and its value was counted or computed, not timed.
    pub(crate) fn is_counted(&self) -> bool {
        self.is_own() && *self != Self::Time
    }

    /// Returns whether the metric is a count, and lower counts are better.
    pub(crate) fn is_amount(&self) -> bool {
        self.is_counted() && *self != Self::Digest
    }

    /// Returns whether its values are numbers of bytes.
    pub(crate) fn is_bytes(&self) -> bool {
        matches!(self, Self::Bytes | Self::PeakBytes)
    }
}

impl From<&str> for Metric {
    fn from(name: &str) -> Self {
        Self::OWN
            .into_iter()
            .find(|own| own.name() == name)
            .unwrap_or_else(|| Self::Plugin(name.to_owned()))
    }
}

impl From<String> for Metric {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.name().to_owned()
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_keep_their_names() {
        assert_eq!(
            Metric::OWN.map(String::from),
            ["time", "allocations", "bytes", "peak_bytes", "digest"]
        );
        for own in Metric::OWN {
            assert_eq!(Metric::from(own.name()), own);
            assert!(own.is_own());
            assert_eq!(own.is_counted(), own != Metric::Time);
        }
        let other = Metric::from("gflops");
        assert_eq!(other, Metric::Plugin("gflops".to_owned()));
        assert!(!other.is_own() && !other.is_counted());
        assert_eq!(other.to_string(), "gflops");
    }
}
