//! Blocks of many sizes that live for a while: the allocator determines the speed.

use crate::waste;
use orch_sdk::prelude::*;

/// Number of blocks that are alive at a time.
const ALIVE: usize = 256;

/// Sizes in a repeating order, so that every ten blocks cost the same.
const SIZES: [usize; 10] = [16, 512, 64, 4096, 32, 1024, 256, 16, 2048, 128];

#[derive(Params)]
pub(crate) struct AllocateParams {
    /// Blocks per iteration
    #[param(default = 1000, range = 1..=100_000_000)]
    work: u64,
    /// Superfluous allocations of each iteration
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
    const ABOUT: &'static str =
        "Replaces blocks of 16 to 4096 bytes, 256 of which are alive at a time";
    const ITERATION: &'static str = "`work` blocks";
    const TAGS: &'static [&'static str] = &["planted"];
    type Params = AllocateParams;

    fn create(params: AllocateParams) -> Result<Self> {
        Ok(Self {
            params,
            alive: vec![Vec::new(); ALIVE],
            bytes: 0,
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("replace");
        for index in 0..self.params.work as usize {
            let size = SIZES[index % SIZES.len()];
            let mut block = Vec::with_capacity(size);
            block.push(index as u8);
            if index == 0 {
                self.bytes = block.capacity() as u64;
            }
            self.alive[index % ALIVE] = block;
        }
        waste(self.params.extra_allocations);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(Digest::integer(self.bytes)))
    }
}
