//! Metrics of a workload besides time and allocations, each computed from one of its counters.

/// Direction of a metric that is an improvement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better: throughput.
    Higher,
    /// Less is better: latency, size.
    Lower,
}

/// Quantity that relates a counter to its metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// `counter * scale`, per iteration.
    Iteration,
    /// `counter / time * scale`, time in seconds.
    Second,
    /// `time / counter * scale`, time in seconds.
    Unit,
    /// `allocated bytes / counter * scale`.
    BytesPerUnit,
}

/// A named quantity with a unit and a better direction.
///
/// Its value comes from the sum `c` that [`count!`](crate::count) added to a counter in one
/// iteration, and from the median time `t` of one iteration in seconds:
///
/// ```
/// use orch_sdk::prelude::*;
/// const METRICS: &[Metric] = &[
///     Metric::rate("gflops", "GFLOP/s", "flop", 1e-9),           // c / t * 1e-9
///     Metric::time_per("ns_per_token", "ns", "tokens", 1e9),     // t / c * 1e9
///     Metric::count("cache_misses", "misses").about("Look-ups that had to compute"), // c
/// ];
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    pub(crate) id: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Option<Better>,
    pub(crate) about: &'static str,
    pub(crate) counter: &'static str,
    pub(crate) per: Per,
    pub(crate) scale: f64,
}

impl Metric {
    /// Creates the metric of the counter of the same name, per iteration, in `unit`. Lower is
    /// better unless [`better`](Self::better) sets another direction.
    pub const fn count(id: &'static str, unit: &'static str) -> Self {
        Self {
            id,
            unit,
            better: Some(Better::Lower),
            about: "",
            counter: id,
            per: Per::Iteration,
            scale: 1.0,
        }
    }

    /// Creates the metric of `counter` per second, times `scale`: 1e-9 makes GB/s of bytes. Higher
    /// is better.
    pub const fn rate(
        id: &'static str,
        unit: &'static str,
        counter: &'static str,
        scale: f64,
    ) -> Self {
        Self {
            id,
            unit,
            better: Some(Better::Higher),
            about: "",
            counter,
            per: Per::Second,
            scale,
        }
    }

    /// Creates the metric of seconds per unit of `counter`, times `scale`: 1e9 makes nanoseconds.
    /// Lower is better.
    pub const fn time_per(
        id: &'static str,
        unit: &'static str,
        counter: &'static str,
        scale: f64,
    ) -> Self {
        Self {
            id,
            unit,
            better: Some(Better::Lower),
            about: "",
            counter,
            per: Per::Unit,
            scale,
        }
    }

    /// Creates the metric of allocated bytes per unit of `counter`. Lower is better.
    pub const fn bytes_per(id: &'static str, counter: &'static str) -> Self {
        Self {
            id,
            unit: "B",
            better: Some(Better::Lower),
            about: "",
            counter,
            per: Per::BytesPerUnit,
            scale: 1.0,
        }
    }

    /// Sets the direction that is an improvement.
    #[must_use]
    pub const fn better(self, better: Better) -> Self {
        Self {
            better: Some(better),
            ..self
        }
    }

    /// Removes the direction: the metric is shown and never judged. This is for values that differ
    /// from run to run, such as the CPU time of another process. Any other counter is a fact about
    /// the work, and `orch` warns if processes disagree on it.
    #[must_use]
    pub const fn unjudged(self) -> Self {
        Self {
            better: None,
            ..self
        }
    }

    /// Sets the meaning of the metric, in one sentence.
    #[must_use]
    pub const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }
}
