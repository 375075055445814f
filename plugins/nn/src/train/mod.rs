//! Training: forward passes that keep the data for their backward passes, the backward passes, and
//! the optimisers.
//!
//! A layer's `forward` returns its result and, if the backward pass needs more than the input, the
//! saved data. The caller keeps both and passes them to `backward` with the gradient of the result.
//! This overwrites the gradients of the layer's parameters (each parameter is used once in a step,
//! so nothing has to be summed) and returns the gradient of the input. Matrices are `[rows, cols]`
//! by rows; a batch of sequences is a matrix whose rows are positions, one sequence after the
//! other.
//!
//! | module | owns |
//! |---|---|
//! | [`resources`] | the origin of a step's tensors, and the threads of its products |
//! | [`param`] | [`Param`]: a parameter with its gradient, and [`Trainable`]: what has some |
//! | [`linear`] | `y = x W^T + b` |
//! | [`embedding`] | rows of a table of tokens plus rows of a table of positions |
//! | [`layer_norm`] | rows to mean 0 and variance 1, scaled and shifted |
//! | [`gelu`] | the derivative of the activation in its three forms |
//! | [`softmax`] | the derivative of rows of probabilities |
//! | [`attention`] | causal attention of many heads over whole sequences |
//! | [`mlp`] | linear, GELU, linear |
//! | [`block`] | a pre-norm transformer block |
//! | [`loss`] | cross-entropy, squared error |
//! | [`gpt`] | embedding, blocks, normalisation, head and loss |
//! | [`sgd`], [`adamw`] | the optimisers |
//! | [`reference`](mod@reference) | every forward pass in `f64` |
//!
//! With [`Pool::On`](crate::Pool::On), a step allocates nothing after it has run once on its
//! thread. Results have the same bits on any number of threads.

pub mod adamw;
pub mod attention;
pub mod block;
#[cfg(test)]
mod check;
pub mod embedding;
pub mod gelu;
pub mod gpt;
mod lanes;
pub mod layer_norm;
pub mod linear;
pub mod loss;
pub mod mlp;
pub mod param;
pub mod reference;
pub mod resources;
pub mod sgd;
pub mod softmax;

pub use adamw::AdamW;
pub use block::Block;
pub use gpt::Gpt;
pub use linear::Linear;
pub use mlp::Mlp;
pub use param::{Optimizer, Param, Snapshot, Trainable};
pub use resources::{Resources, Threads};
pub use sgd::Sgd;
