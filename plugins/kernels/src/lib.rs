//! Workloads over the kernels of `nn`: products, activations, normalisation, and the origin of
//! their memory.
//!
//! | workload | file |
//! |---|---|
//! | `matmul` | `matmul.rs` |
//! | `matmul_backward` | `matmul_backward.rs` |
//! | `gelu` | `gelu.rs` |
//! | `softmax` | `softmax.rs` |
//! | `add`, `mul` | `elementwise.rs` |
//! | `broadcast_add` | `broadcast_add.rs` |
//! | `layer_norm` | `layer_norm.rs` |
//! | `pool` | `pool.rs` |
//! | `in_place` | `in_place.rs` |
//! | `peak` | `peak.rs` |
//!
//! No workload changes its inputs. Each iteration starts from the same numbers, so no workload
//! needs a reset, and no sample depends on the number of iterations before it. Results are kept for
//! the digest and overwritten by the next iteration.

mod broadcast_add;
mod checksum;
mod elementwise;
mod gelu;
mod in_place;
mod inputs;
mod layer_norm;
mod matmul;
mod matmul_backward;
mod peak;
mod pool;
mod pooling;
mod softmax;
mod variant;

use elementwise::{Add, Elementwise, Mul};
use orch_sdk::export_plugin;

export_plugin!(
    matmul::MatMul,
    matmul_backward::MatMulBackward,
    gelu::Gelu,
    softmax::Softmax,
    Elementwise<Add>,
    Elementwise<Mul>,
    broadcast_add::BroadcastAdd,
    layer_norm::LayerNorm,
    pool::TensorPool,
    in_place::InPlace,
    peak::Peak,
);
