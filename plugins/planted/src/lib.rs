//! Workloads whose cost is known, to find out how good orch's own verdicts are.
//!
//! Each does `work` equal units per iteration, so that 1010 units against 1000 are a slowdown of
//! exactly 1 %, in one and the same binary; and `extra_allocations` more blocks than it needs.
//! Digests do not depend on either.

mod allocate;
mod cpu;
mod matmul;
mod memory;

use orch_sdk::export_plugin;

export_plugin!(cpu::Cpu, matmul::MatMul, memory::Memory, allocate::Allocate);

/// Allocates and frees `count` small blocks that nobody needs.
fn waste(count: u64) {
    for _ in 0..count {
        std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(64)));
    }
}
