//! Workloads over the GPT of `nn`: creating a model, and generating tokens with it.
//!
//! | workload | file |
//! |---|---|
//! | `create` | `create.rs` |
//! | `infer` | `infer.rs` |
//!
//! All iterations do the same: the sampler starts from its seed, and every session from its prompt.
//! Thus no workload needs a reset, and no sample depends on the number of iterations before it.

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
