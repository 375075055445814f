//! The entry point of criterion's API.

use crate::bench_name::{BenchName, BenchmarkId};
use crate::bencher::Bencher;
use crate::configuration::{PlottingBackend, ignored_settings};
use crate::group::BenchmarkGroup;
use crate::measurement::{Measurement, WallTime};
use crate::walk;
use std::fmt::Display;
use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

/// Receives the benchmarks of a bench function.
#[derive(Debug)]
pub struct Criterion<M: Measurement = WallTime> {
    measurement: PhantomData<M>,
}

impl Default for Criterion<WallTime> {
    fn default() -> Self {
        Self {
            measurement: PhantomData,
        }
    }
}

impl<M: Measurement> Criterion<M> {
    ignored_settings! { Self:
        sample_size(usize),
        warm_up_time(Duration),
        measurement_time(Duration),
        nresamples(usize),
        noise_threshold(f64),
        confidence_level(f64),
        significance_level(f64),
        plotting_backend(PlottingBackend),
        output_directory(&Path),
        save_baseline(String),
    }

    /// Has no effect: `orch` draws no plots of criterion.
    #[must_use]
    pub fn with_plots(self) -> Self {
        self
    }

    /// Has no effect.
    #[must_use]
    pub fn without_plots(self) -> Self {
        self
    }

    /// Has no effect: a plugin has no command line.
    #[must_use]
    pub fn configure_from_args(self) -> Self {
        self
    }

    /// Has no effect: `orch` writes the summary.
    pub fn final_summary(&self) {}

    /// Sets the measured quantity.
    #[must_use]
    pub fn with_measurement<N: Measurement>(self, _: N) -> Criterion<N> {
        Criterion {
            measurement: PhantomData,
        }
    }

    /// Defines a group.
    pub fn benchmark_group<S: Into<String>>(&mut self, name: S) -> BenchmarkGroup<'_, M> {
        BenchmarkGroup::new(name.into())
    }

    /// Defines a benchmark.
    pub fn bench_function<F>(&mut self, id: &str, mut body: F) -> &mut Self
    where
        F: FnMut(&mut Bencher<'_, M>),
    {
        let name = BenchName::of_function(id);
        walk::visit_bench(name, None, |bencher| body(bencher));
        self
    }

    /// Defines a benchmark of a function with an input.
    pub fn bench_with_input<F, I>(&mut self, id: BenchmarkId, input: &I, mut body: F) -> &mut Self
    where
        F: FnMut(&mut Bencher<'_, M>, &I),
        I: ?Sized,
    {
        walk::visit_bench(BenchName::of_id(None, id), None, |bencher| {
            body(bencher, input);
        });
        self
    }

    /// Defines a benchmark for each of several inputs.
    pub fn bench_function_over_inputs<I, F>(
        &mut self,
        id: &str,
        mut body: F,
        inputs: I,
    ) -> &mut Self
    where
        I: IntoIterator,
        I::Item: std::fmt::Debug + 'static,
        F: FnMut(&mut Bencher<'_, M>, &I::Item) + 'static,
    {
        for input in inputs {
            let id = BenchmarkId::new(id, DebugText(&input));
            walk::visit_bench(BenchName::of_id(None, id), None, |bencher| {
                body(bencher, &input);
            });
        }
        self
    }
}

/// Writes a value as `Debug` does.
struct DebugText<'a, T>(&'a T);

impl<T: std::fmt::Debug> Display for DebugText<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
