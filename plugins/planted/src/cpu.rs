//! A chain of dependent integer operations: only the core's clock determines its speed.

use crate::waste;
use orch_sdk::prelude::*;
use std::hint::black_box;

/// Steps of the chain in one unit.
const STEPS: u32 = 16;

#[derive(Params)]
pub(crate) struct CpuParams {
    /// Units of 16 steps per iteration
    #[param(default = 1000, range = 1..=100_000_000)]
    work: u64,
    /// Superfluous allocations of each iteration
    #[param(default = 0)]
    extra_allocations: u64,
}

pub(crate) struct Cpu {
    params: CpuParams,
    state: u64,
    /// The state after the first unit of the last iteration.
    first: u64,
}

fn unit(mut state: u64) -> u64 {
    for _ in 0..STEPS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

impl Workload for Cpu {
    const ID: &'static str = "cpu";
    const ABOUT: &'static str = "A chain of dependent integer operations in registers";
    const ITERATION: &'static str = "`work` units of 16 steps";
    const TAGS: &'static [&'static str] = &["planted"];
    type Params = CpuParams;

    fn create(params: CpuParams) -> Result<Self> {
        Ok(Self {
            params,
            state: 1,
            first: 0,
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("chain");
        self.first = unit(black_box(1));
        self.state = self.first;
        for _ in 1..self.params.work {
            self.state = black_box(unit(self.state));
        }
        waste(self.params.extra_allocations);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(Digest::integer(self.first)))
    }
}
