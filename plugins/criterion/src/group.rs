//! Groups of benchmarks.

use crate::bench_name::{BenchName, IntoBenchmarkId};
use crate::bencher::Bencher;
use crate::configuration::{PlotConfiguration, SamplingMode, ignored_settings};
use crate::measurement::{Measurement, WallTime};
use crate::throughput::Throughput;
use crate::walk;
use std::marker::PhantomData;
use std::time::Duration;

/// A group of benchmarks with a common name.
#[derive(Debug)]
pub struct BenchmarkGroup<'a, M: Measurement = WallTime> {
    name: String,
    throughput: Option<Throughput>,
    criterion: PhantomData<&'a mut M>,
}

impl<'a, M: Measurement> BenchmarkGroup<'a, M> {
    ignored_settings! { &mut Self:
        sample_size(usize),
        warm_up_time(Duration),
        measurement_time(Duration),
        nresamples(usize),
        noise_threshold(f64),
        confidence_level(f64),
        significance_level(f64),
        plot_config(PlotConfiguration),
        sampling_mode(SamplingMode),
    }

    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            throughput: None,
            criterion: PhantomData,
        }
    }

    /// Sets the work of one iteration of the benchmarks that follow.
    pub fn throughput(&mut self, throughput: Throughput) -> &mut Self {
        self.throughput = Some(throughput);
        self
    }

    /// Defines a benchmark.
    pub fn bench_function<ID: IntoBenchmarkId, F>(&mut self, id: ID, mut body: F) -> &mut Self
    where
        F: FnMut(&mut Bencher<'_, M>),
    {
        let name = BenchName::of_id(Some(&self.name), id.into_benchmark_id());
        walk::visit_bench(name, self.throughput, |bencher| body(bencher));
        self
    }

    /// Defines a benchmark with an input.
    pub fn bench_with_input<ID: IntoBenchmarkId, F, I>(
        &mut self,
        id: ID,
        input: &I,
        mut body: F,
    ) -> &mut Self
    where
        F: FnMut(&mut Bencher<'_, M>, &I),
        I: ?Sized,
    {
        let name = BenchName::of_id(Some(&self.name), id.into_benchmark_id());
        walk::visit_bench(name, self.throughput, |bencher| body(bencher, input));
        self
    }

    /// Ends the group.
    pub fn finish(self) {}
}
