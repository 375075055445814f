//! Workloads that train: products forward and backward, a perceptron, a transformer block.
//!
//! | workload | file |
//! |---|---|
//! | `step` | `step.rs` |
//! | `mlp` | `mlp.rs` |
//! | `block` | `block.rs` |
//!
//! `mlp` and `block` change their weights, so a reset puts the initial weights and the optimiser's
//! memory back: every sample begins with the same first step. Training is on one batch, made from
//! the seed, that is the same in each step.

#[cfg(test)]
mod allocations;
mod block;
mod checksum;
mod choices;
mod descent;
mod inputs;
mod mlp;
mod resources;
mod step;

use orch_sdk::export_plugin;

export_plugin!(step::Step, mlp::Mlp, block::Block);
