//! Tensors and `f32` kernels for the CPU: the code that the bundled workloads measure.
//!
//! Kernels are free functions over slices with explicit dimensions, so that they can be measured in
//! isolation. Each fast kernel has a slow `f64` one beside it (`reference`) that can be checked
//! against a formula.
//!
//! | module | owns |
//! |---|---|
//! | [`tensor`] | [`Tensor`]: shape and 64-byte-aligned storage |
//! | [`pool`] | [`Pool`]: reuse of storage instead of allocation |
//! | [`rng`] | reproducible pseudo-random numbers |
//! | [`simd`] | the vector width that this build was compiled for |
//! | [`vmath`] | `exp`, `tanh` and `erf` |
//! | [`elementwise`] | sums and products of equal shapes, and of a matrix with a row |
//! | [`gelu`] | the activation in its tanh, erf and quick form |
//! | [`softmax`] | rows of a matrix to probabilities |
//! | [`layer_norm`] | rows of a matrix to mean 0 and variance 1, in passes and fused |
//! | [`mod@matmul`] | matrix products, forward and backward, on one thread and on many |
//! | [`model`] | GPT: decoding with and without a KV cache, weights, sampling |
//! | [`train`] | layers with backward passes, losses, optimisers |
//! | [`peak`] | the arithmetic rate that no kernel can exceed |
//!
//! The SIMD width is chosen when the crate is compiled. Build it with `-C target-cpu=native`;
//! otherwise a matrix product is an order of magnitude slower than the machine allows.

mod buffer;
#[cfg(test)]
mod check;
pub mod elementwise;
pub mod gelu;
pub mod layer_norm;
pub mod matmul;
pub mod model;
pub mod peak;
pub mod pool;
pub mod rng;
pub mod shape;
pub mod simd;
pub mod softmax;
pub mod tensor;
pub mod threads;
pub mod train;
pub mod vmath;

pub use pool::Pool;
pub use shape::{Rows, Shape};
pub use tensor::Tensor;
