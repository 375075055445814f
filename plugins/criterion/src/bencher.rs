//! The loops around a benchmark's routine.

use crate::batch_size::BatchSize;
use crate::bench_code;
use crate::fiber::{FiberAnswer, FiberLink, FiberStep};
use crate::measurement::{IntoElapsed, Measurement, WallTime};
use crate::throughput::Throughput;
use orch_sdk::host;
use std::hint::black_box;
use std::marker::PhantomData;

/// Level of the host's log for information.
const INFO: u32 = 3;

/// Runs the routine of one benchmark.
#[derive(Debug)]
pub struct Bencher<'a, M: Measurement = WallTime> {
    link: FiberLink,
    throughput: Option<Throughput>,
    /// A pointer, so that a bencher stays on its thread.
    measurement: PhantomData<(*const (), &'a M)>,
}

impl<M: Measurement> Bencher<'_, M> {
    pub(crate) fn new(link: FiberLink, throughput: Option<Throughput>) -> Self {
        Self {
            link,
            throughput,
            measurement: PhantomData,
        }
    }

    /// Measures a routine.
    pub fn iter<O, R>(&mut self, mut routine: R)
    where
        R: FnMut() -> O,
    {
        bench_code::note_loop(repeat::<O, R> as fn(&mut R, u64) as *const ());
        let throughput = self.throughput;
        self.link.serve(|step| match step {
            FiberStep::Run(iterations) => {
                repeat(&mut routine, iterations);
                finish(throughput, iterations)
            }
            step => answer_untimed(step),
        });
    }

    /// Measures a routine whose time the benchmark takes itself.
    pub fn iter_custom<R>(&mut self, mut routine: R)
    where
        R: FnMut(u64) -> M::Value,
    {
        if let Some(host) = host::current() {
            host.log(
                INFO,
                "the benchmark measures its time itself (`iter_custom`)",
            );
        }
        let throughput = self.throughput;
        self.link.serve(|step| match step {
            FiberStep::Run(0) => FiberAnswer::Done(None),
            FiberStep::Run(iterations) => {
                let elapsed = routine(iterations).into_elapsed();
                if let Some(throughput) = throughput {
                    throughput.count_iterations(iterations);
                }
                FiberAnswer::Done(Some(elapsed))
            }
            step => answer_untimed(step),
        });
    }

    /// Measures a routine; its outputs are dropped outside of the measured time.
    pub fn iter_with_large_drop<O, R>(&mut self, mut routine: R)
    where
        R: FnMut() -> O,
    {
        self.iter_batched(|| (), |()| routine(), BatchSize::SmallInput);
    }

    /// Measures a routine with an input of its own for each iteration.
    pub fn iter_with_setup<I, O, S, R>(&mut self, setup: S, routine: R)
    where
        S: FnMut() -> I,
        R: FnMut(I) -> O,
    {
        self.iter_batched(setup, routine, BatchSize::PerIteration);
    }

    /// Measures a routine with a large input of its own for each iteration.
    pub fn iter_with_large_setup<I, O, S, R>(&mut self, setup: S, routine: R)
    where
        S: FnMut() -> I,
        R: FnMut(I) -> O,
    {
        self.iter_batched(setup, routine, BatchSize::NumBatches(1));
    }

    /// Measures a routine that consumes an input. Inputs are made, and outputs dropped, outside of
    /// the measured time.
    pub fn iter_batched<I, O, S, R>(&mut self, mut setup: S, mut routine: R, size: BatchSize)
    where
        S: FnMut() -> I,
        R: FnMut(I) -> O,
    {
        bench_code::note_loop(
            consume::<I, O, R> as fn(&mut Vec<I>, &mut Vec<O>, &mut R, usize) as *const (),
        );
        let throughput = self.throughput;
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        self.link.serve(|step| match step {
            FiberStep::Begin => FiberAnswer::Ready,
            FiberStep::Prepare(wanted) => {
                outputs.clear();
                inputs.clear();
                let granted = wanted.min(size.most_iterations());
                let count = to_length(granted);
                inputs.reserve_exact(count);
                outputs.reserve_exact(count);
                inputs.extend((0..count).map(|_| black_box(setup())));
                FiberAnswer::Prepared(granted)
            }
            FiberStep::Run(iterations) => {
                let count = to_length(iterations);
                // More iterations than were prepared: `orch plugin check` does this on purpose.
                while inputs.len() < count {
                    inputs.push(black_box(setup()));
                }
                consume(&mut inputs, &mut outputs, &mut routine, count);
                finish(throughput, iterations)
            }
        });
    }

    /// Measures a routine that changes an input. Inputs are made, and inputs and outputs dropped,
    /// outside of the measured time.
    pub fn iter_batched_ref<I, O, S, R>(&mut self, setup: S, mut routine: R, size: BatchSize)
    where
        S: FnMut() -> I,
        R: FnMut(&mut I) -> O,
    {
        let with_input = move |mut input: I| {
            let output = routine(&mut input);
            (output, input)
        };
        self.iter_batched(setup, with_input, size);
    }
}

/// Calls the routine. A function of its own, so that the same machine code can be recognised.
#[inline(never)]
fn repeat<O, R: FnMut() -> O>(routine: &mut R, iterations: u64) {
    for _ in 0..iterations {
        black_box(routine());
    }
}

/// Calls the routine with the first inputs. The vector of outputs has room for all outputs.
#[inline(never)]
fn consume<I, O, R: FnMut(I) -> O>(
    inputs: &mut Vec<I>,
    outputs: &mut Vec<O>,
    routine: &mut R,
    count: usize,
) {
    outputs.extend(inputs.drain(..count).map(|input| black_box(routine(input))));
}

/// Answers an order of a benchmark without inputs of its own that needs no time.
fn answer_untimed(step: FiberStep) -> FiberAnswer {
    match step {
        FiberStep::Begin => FiberAnswer::Ready,
        FiberStep::Prepare(wanted) => FiberAnswer::Prepared(wanted),
        FiberStep::Run(_) => FiberAnswer::Done(None),
    }
}

/// Counts the work of iterations that are done.
fn finish(throughput: Option<Throughput>, iterations: u64) -> FiberAnswer {
    if let Some(throughput) = throughput {
        throughput.count_iterations(iterations);
    }
    FiberAnswer::Done(None)
}

fn to_length(iterations: u64) -> usize {
    usize::try_from(iterations).unwrap_or(usize::MAX)
}
