//! The coroutine in which a bench function stays suspended between samples.

use crate::walk::{self, WantedBench};
use corosensei::stack::{DefaultStack, Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use orch_sdk::{Error, Result};
use std::cell::Cell;
use std::time::Duration;

/// Size of the stack, as that of a main thread.
const STACK_BYTES: usize = 8 << 20;

/// Order to a benchmark.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FiberStep {
    /// Find the benchmark, and stop where it begins to iterate.
    Begin,
    /// Make inputs for so many iterations.
    Prepare(u64),
    /// Do so many iterations.
    Run(u64),
}

/// Answer of a benchmark to an order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FiberAnswer {
    /// The benchmark begins to iterate.
    Ready,
    /// Inputs for so many iterations are made.
    Prepared(u64),
    /// The iterations are done; with their time if the benchmark measured it.
    Done(Option<Duration>),
}

type BenchYielder = Yielder<FiberStep, FiberAnswer>;

thread_local! {
    /// The way out of the coroutine that runs on this thread.
    static YIELDER: Cell<*const BenchYielder> = const { Cell::new(std::ptr::null()) };
}

/// A bench file's walk through its benchmarks, suspended in the wanted one.
pub(crate) struct BenchFiber {
    coroutine: Coroutine<FiberStep, FiberAnswer, Result<()>, ShiftedStack>,
}

impl BenchFiber {
    /// Walks through all benchmarks up to the place where the wanted one begins to iterate.
    pub(crate) fn start(visit_all: fn(), wanted: WantedBench) -> Result<Self> {
        let stack = ShiftedStack::new()?;
        let body = move |yielder: &BenchYielder, _: FiberStep| {
            YIELDER.set(yielder);
            walk::run_bench(visit_all, wanted)
        };
        let mut fiber = Self {
            coroutine: Coroutine::with_stack(stack, body),
        };
        match fiber.resume(FiberStep::Begin)? {
            FiberAnswer::Ready => Ok(fiber),
            answer => Err(unexpected(answer)),
        }
    }

    /// Makes the inputs of the next iterations, and returns their number.
    pub(crate) fn prepare(&mut self, wanted: u64) -> Result<u64> {
        match self.resume(FiberStep::Prepare(wanted))? {
            FiberAnswer::Prepared(granted) => Ok(granted),
            answer => Err(unexpected(answer)),
        }
    }

    /// Does some iterations, and returns their time if the benchmark measured it.
    pub(crate) fn run(&mut self, iterations: u64) -> Result<Option<Duration>> {
        match self.resume(FiberStep::Run(iterations))? {
            FiberAnswer::Done(own_time) => Ok(own_time),
            answer => Err(unexpected(answer)),
        }
    }

    /// Continues the benchmark until its next answer. A panic of the benchmark passes through.
    fn resume(&mut self, step: FiberStep) -> Result<FiberAnswer> {
        if self.coroutine.done() {
            return Err(Error::msg("the benchmark has ended"));
        }
        match self.coroutine.resume(step) {
            CoroutineResult::Yield(answer) => Ok(answer),
            CoroutineResult::Return(outcome) => {
                outcome?;
                Err(Error::msg("the benchmark ended between two samples"))
            }
        }
    }
}

#[cold]
fn unexpected(answer: FiberAnswer) -> Error {
    Error::msg(format_args!(
        "the benchmark gave the answer {answer:?} to another order"
    ))
}

/// The side of the benchmark: it answers orders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FiberLink {
    yielder: *const BenchYielder,
}

impl FiberLink {
    /// Returns the link of the coroutine that runs on this thread.
    pub(crate) fn current() -> Self {
        Self {
            yielder: YIELDER.get(),
        }
    }

    /// Answers orders, one after the other. The function ends only when the coroutine is dropped,
    /// which unwinds it.
    pub(crate) fn serve(self, mut answer: impl FnMut(FiberStep) -> FiberAnswer) {
        // SAFETY: a link is made while its coroutine runs, and lives in a `Bencher`, which a
        // benchmark has by reference and which cannot leave the thread; so the coroutine still
        // exists, and this code runs in it.
        let yielder = unsafe { &*self.yielder };
        let mut step = yielder.suspend(FiberAnswer::Ready);
        loop {
            step = yielder.suspend(answer(step));
        }
    }
}

/// A stack whose first address lies where the caller's stack lies within its page. `orch` varies
/// this place from process to process, because times depend on it; a mapping of its own would
/// always begin at the same place.
struct ShiftedStack {
    mapped: DefaultStack,
    base: StackPointer,
}

impl ShiftedStack {
    fn new() -> Result<Self> {
        let mapped = DefaultStack::new(STACK_BYTES)?;
        let here = 0u8;
        let shift = (&raw const here).addr() & 0xff0;
        let base = StackPointer::new(mapped.base().get() - shift)
            .ok_or_else(|| Error::msg("the stack of the benchmark has no address"))?;
        Ok(Self { mapped, base })
    }
}

// SAFETY: the stack is the mapped one, which has a guard page, without less than a page at its end.
// Its base stays aligned to 16 bytes, because the shift is a multiple of 16.
unsafe impl Stack for ShiftedStack {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        self.mapped.limit()
    }
}
