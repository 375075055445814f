//! Workloads that train: products forward and backward, a perceptron, a transformer block.
//!
//! | workload | file |
//! |---|---|
//! | `step` | `step.rs` |
//! | `mlp` | `mlp.rs` |
//! | `block` | `block.rs` |
//!
//! `mlp` and `block` change their weights, so a reset restores the initial weights and the state of
//! the optimiser: every sample begins with the same first step. Training uses one batch, made from
//! the seed, that is the same in each step.

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
