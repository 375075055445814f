//! Reading and writing a block larger than a core's own caches: shared caches and memory determine
//! the speed.

use crate::waste;
use orch_sdk::prelude::*;
use std::hint::black_box;

/// Numbers in one unit: 64 KiB.
const UNIT: usize = 16 << 10;

#[derive(Params)]
pub(crate) struct MemoryParams {
    /// Units of 64 KiB, read and written per iteration
    #[param(default = 100, range = 1..=1_000_000)]
    work: u64,
    /// Size of the whole block in MiB
    #[param(default = 64, range = 1..=4096)]
    mebibytes: usize,
    /// Superfluous allocations of each iteration
    #[param(default = 0)]
    extra_allocations: u64,
}

pub(crate) struct Memory {
    params: MemoryParams,
    block: Vec<f32>,
    /// Index of the next unit.
    next: usize,
    /// The first number of the first unit after the first iteration.
    first: f32,
}

impl Workload for Memory {
    const ID: &'static str = "memory";
    const ABOUT: &'static str =
        "Multiplies the numbers of a large block, walking through it unit by unit";
    const ITERATION: &'static str =
        "`work` units of 64 KiB, continuing where the last iteration ended";
    const TAGS: &'static [&'static str] = &["planted"];
    type Params = MemoryParams;

    fn create(params: MemoryParams) -> Result<Self> {
        Ok(Self {
            params,
            block: Vec::new(),
            next: 0,
            first: 0.0,
        })
    }

    fn setup(&mut self) -> Result<()> {
        self.block = vec![1.0; self.params.mebibytes << 18];
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        scope!("walk");
        // The factor is its own inverse over two passes, so that the numbers stay the same.
        let factor = black_box(-1.0);
        for _ in 0..self.params.work {
            let begin = self.next * UNIT;
            self.block[begin..begin + UNIT]
                .iter_mut()
                .for_each(|number| *number *= factor);
            self.next = (self.next + 1) % (self.block.len() / UNIT);
        }
        self.first = self.block[0].abs();
        waste(self.params.extra_allocations);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(Digest::number(f64::from(self.first))))
    }
}
