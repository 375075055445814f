//! Workloads over the GPT of `nn`: making a model, and generating tokens with it.
//!
//! | workload | file |
//! |---|---|
//! | `create` | `create.rs` |
//! | `infer` | `infer.rs` |
//!
//! Each iteration does the same: the sampler starts from its seed, and every session from its
//! prompt. So none needs a reset, and no sample depends on how many iterations came before.

mod activation;
#[cfg(test)]
mod counting;
mod create;
mod infer;
mod model;
mod pooling;
mod prompt;

use orch_sdk::export_plugin;

export_plugin!(create::Create, infer::Infer);
