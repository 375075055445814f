//! Workloads of known cost, for measuring the quality of orch's own verdicts.
//!
//! Each does `work` equal units per iteration, so that 1010 units against 1000 are a slowdown of
//! exactly 1 %, in one and the same binary. It also allocates `extra_allocations` superfluous
//! blocks. Digests do not depend on either.

mod allocate;
mod cpu;
mod matmul;
mod memory;

use orch_sdk::export_plugin;

export_plugin!(cpu::Cpu, matmul::MatMul, memory::Memory, allocate::Allocate);

/// Allocates and frees `count` small blocks without using them.
fn waste(count: u64) {
    for _ in 0..count {
        std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(64)));
    }
}
