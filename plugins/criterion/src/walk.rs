//! Walks through all benchmarks of a bench file: to list them, or to reach one of them.

use crate::bench_code;
use crate::bench_name::{BenchName, WorkloadName, WorkloadNames};
use crate::bencher::Bencher;
use crate::fiber::FiberLink;
use crate::measurement::Measurement;
use crate::throughput::Throughput;
use orch_sdk::{Error, Result};
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

thread_local! {
    static WALK: RefCell<Option<BenchWalk>> = const { RefCell::new(None) };
}

/// A benchmark that is to run.
#[derive(Debug, Clone)]
pub(crate) struct WantedBench {
    pub(crate) workload: String,
    /// Value of its parameter; `None` stands for the first one.
    pub(crate) input: Option<String>,
}

/// A benchmark that a walk found.
#[derive(Debug)]
pub(crate) struct FoundBench {
    pub(crate) name: WorkloadName,
    /// Criterion's name.
    pub(crate) about: String,
    pub(crate) throughput: Option<Throughput>,
}

/// Benchmarks of a bench file, and the bench functions that panicked, with their messages.
#[derive(Debug, Default)]
pub(crate) struct BenchListing {
    pub(crate) found: Vec<FoundBench>,
    pub(crate) problems: Vec<String>,
}

#[derive(Default)]
struct BenchWalk {
    names: WorkloadNames,
    listing: BenchListing,
    /// The benchmark that is to run; `None` if all are only listed.
    wanted: Option<WantedBench>,
    /// Whether the wanted benchmark was reached.
    is_reached: bool,
}

impl BenchWalk {
    /// Takes note of a benchmark, and returns whether it is to run.
    fn visit(&mut self, name: &BenchName, throughput: Option<Throughput>) -> bool {
        let about = name.join_parts();
        let name = self.names.add_bench(name);
        let Some(wanted) = &self.wanted else {
            self.listing.found.push(FoundBench {
                name,
                about,
                throughput,
            });
            return false;
        };
        let is_wanted = !self.is_reached
            && name.workload == wanted.workload
            && (wanted.input.is_none() || wanted.input == name.input);
        self.is_reached |= is_wanted;
        is_wanted
    }
}

/// Lists the benchmarks of a bench file. This runs its bench functions, but not the closures that
/// they pass.
pub(crate) fn list_benches(visit_all: fn()) -> BenchListing {
    WALK.set(Some(BenchWalk::default()));
    visit_all();
    WALK.take().unwrap_or_default().listing
}

/// Runs one benchmark. The function returns only if there is no such benchmark or it does not
/// iterate.
pub(crate) fn run_bench(visit_all: fn(), wanted: WantedBench) -> Result<()> {
    let WantedBench { workload, input } = wanted.clone();
    WALK.set(Some(BenchWalk {
        wanted: Some(wanted),
        ..BenchWalk::default()
    }));
    visit_all();
    let walk = WALK.take().unwrap_or_default();
    Err(match input {
        _ if walk.is_reached => Error::msg(
            "the benchmark calls no method of `Bencher` that iterates; call `iter` or a similar \
             method",
        ),
        Some(input) => Error::params(format_args!(
            "there is no benchmark `{workload}` with the input `{input}`; list the benchmarks \
             with `orch list`"
        )),
        None => Error::params(format_args!(
            "there is no benchmark `{workload}`; list the benchmarks with `orch list`"
        )),
    })
}

/// Visits one benchmark: takes note of it, or runs it.
pub(crate) fn visit_bench<M: Measurement>(
    name: BenchName,
    throughput: Option<Throughput>,
    body: impl FnOnce(&mut Bencher<'_, M>),
) {
    let visit = |walk: &mut Option<BenchWalk>| {
        let walk = walk.as_mut();
        walk.is_some_and(|walk| walk.visit(&name, throughput))
    };
    // The benchmark runs while nothing is borrowed.
    if WALK.with_borrow_mut(visit) {
        body(&mut Bencher::new(FiberLink::current(), throughput));
    }
}

/// Calls a function of `criterion_group!`. A panic costs the benchmarks of this function only,
/// unless it comes from the benchmark that runs.
pub fn visit_target<C>(name: &str, target: fn(&mut C), criterion: &mut C) {
    let was_reached = has_reached();
    bench_code::note_target(target as *const ());
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| target(criterion))) else {
        return;
    };
    if has_reached() && !was_reached {
        resume_unwind(payload);
    }
    let problem = format!("`{name}` panicked: {}", read_message(&*payload));
    // Dropping a payload may panic again.
    std::mem::forget(payload);
    WALK.with_borrow_mut(|walk| {
        if let Some(walk) = walk {
            walk.listing.problems.push(problem);
        }
    });
}

fn has_reached() -> bool {
    WALK.with_borrow(|walk| walk.as_ref().is_some_and(|walk| walk.is_reached))
}

fn read_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(the payload is not a string)")
}
