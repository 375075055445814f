//! Blocks of many sizes that live for a while: the allocator decides the speed.

use crate::waste;
use orch_sdk::prelude::*;

/// Blocks that are alive at a time.
const ALIVE: usize = 256;

#[derive(Params)]
pub(crate) struct AllocateParams {
    /// Blocks per iteration
    #[param(default = 1000, range = 1..=100_000_000)]
    work: u64,
    /// Blocks that are allocated for nothing in each iteration
    #[param(default = 0)]
    extra_allocations: u64,
}

pub(crate) struct Allocate {
    params: AllocateParams,
    alive: Vec<Vec<u8>>,
    bytes: u64,
}

impl Workload for Allocate {
    const ID: &'static str = "allocate";
    const ABOUT: &'static str = "Replaces blocks of 16 to 4096 bytes, 256 of which are alive at a time";
    const ITERATION: &'static str = "`work` blocks";
    const TAGS: &'static [&'static str] = &["planted"];
    type Params = AllocateParams;

    fn create(params: AllocateParams) -> Result<Self> {
        Ok(Self { params, alive: vec![Vec::new(); ALIVE], bytes: 0 })
    }

    fn run(&mut self) -> Result<()> {
        scope!("replace");
        // The same sizes in every iteration.
        let mut state = 1u64;
        for index in 0..self.params.work {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let size = 16usize << ((state >> 40) % 9);
            let mut block = Vec::with_capacity(size);
            block.push(state as u8);
            self.alive[index as usize % ALIVE] = block;
            if index == 0 {
                self.bytes = size as u64;
            }
        }
        waste(self.params.extra_allocations);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(Digest::integer(self.bytes)))
    }
}
