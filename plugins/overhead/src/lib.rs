//! Workloads that show the cost of measuring itself: an empty iteration, a scope, an allocation
//! under the counting allocator.

mod malloc;

use orch_sdk::prelude::*;

export_plugin!(Empty, Scopes, malloc::Malloc);

/// Does nothing: the time of an iteration is that of the loop.
struct Empty;

impl Workload for Empty {
    const ID: &'static str = "empty";
    const ABOUT: &'static str = "Does nothing; its time is the overhead of one iteration";
    const ITERATION: &'static str = "nothing";
    const TAGS: &'static [&'static str] = &["overhead"];
    type Params = ();

    fn create((): ()) -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self) -> Result<()> {
        Ok(())
    }
}

#[derive(Params)]
struct ScopesParams {
    /// Scopes that one iteration opens and closes
    #[param(default = 1000, range = 1..=1_000_000)]
    pairs: u64,
}

/// Opens and closes empty scopes.
struct Scopes {
    pairs: u64,
}

impl Workload for Scopes {
    const ID: &'static str = "scope";
    const ABOUT: &'static str = "Opens and closes empty scopes, one after another";
    const ITERATION: &'static str = "`pairs` scopes";
    const METRICS: &'static [Metric] =
        &[Metric::time_per("ns_per_pair", "ns", "pairs", 1e9).about("Cost of one empty scope")];
    const TAGS: &'static [&'static str] = &["overhead"];
    type Params = ScopesParams;

    fn create(params: ScopesParams) -> Result<Self> {
        Ok(Self {
            pairs: params.pairs,
        })
    }

    fn run(&mut self) -> Result<()> {
        for _ in 0..self.pairs {
            scope!("pair");
        }
        count!("pairs", self.pairs);
        Ok(())
    }
}
