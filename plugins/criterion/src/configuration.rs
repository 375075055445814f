//! Settings of criterion that are accepted and have no effect.

/// Scale of a plot's axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisScale {
    /// Linear.
    Linear,
    /// Logarithmic.
    Logarithmic,
}

/// Settings of plots.
#[derive(Debug, Clone, Default)]
pub struct PlotConfiguration {}

impl PlotConfiguration {
    /// Has no effect.
    #[must_use]
    pub fn summary_scale(self, _: AxisScale) -> Self {
        self
    }
}

/// Program that draws plots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlottingBackend {
    /// Gnuplot.
    Gnuplot,
    /// The crate plotters.
    Plotters,
    /// No plots.
    None,
}

/// How criterion distributes iterations over samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplingMode {
    /// Chosen by criterion.
    Auto,
    /// More iterations in each further sample.
    Linear,
    /// The same number in each sample.
    Flat,
}

/// Defines methods that take a value, have no effect and return `self`, by value or by reference.
macro_rules! ignored_settings {
    ($this:ty: $($name:ident($value:ty)),+ $(,)?) => {
        $(
            /// Has no effect: `orch` decides how it measures.
            #[allow(clippy::return_self_not_must_use)]
            pub fn $name(self: $this, _: $value) -> $this {
                self
            }
        )+
    };
}
pub(crate) use ignored_settings;
