//! GPT: a decoder-only transformer that maps token ids to the next one, on one thread and on many.
//!
//! ```text
//! x      = wte[token] + wpe[position]
//! x     += c_proj(attention(ln_1(x)))     per block: causal, heads of embed / heads,
//!                                         scale 1 / sqrt(head_dim)
//! x     += c_proj(gelu(c_fc(ln_2(x))))    hidden width 4 embed
//! logits = lm_head(ln_f(x))               of the last position; not tied to wte,
//!                                         and the only linear without bias
//! ```
//!
//! The ladder, simplest first:
//! 1. [`mod@reference`]: loops over one position at a time, in `f64`.
//! 2. [`Gpt`] with [`Caching::Off`]: the whole context through the model for each token, as
//!    products of matrices.
//! 3. [`Gpt`] with [`Caching::On`]: keys and values are kept, so that a token costs one row through
//!    the model. In the last block, only these and the last position of a prompt are computed.
//! 4. Both on several threads: each owns some heads and hidden units, and exchanges sums with the
//!    others twice per block.
//!
//! A context longer than `block` is cut to its last `block` tokens, and positions start at 0 again.
//! From there on, every token has another position than before, so nothing cached can be used, and
//! each step processes the whole context.
//!
//! Source: Radford et al., "Language models are unsupervised multitask learners", 2019 (the
//! architecture); Shoeybi et al., "Megatron-LM", 2019 (how it is divided).

mod attention;
mod config;
mod exchange;
mod file;
mod gpt;
pub mod reference;
mod sampler;
mod shard;
#[cfg(test)]
mod tests;
mod weights;
mod worker;

pub use config::{Config, InvalidConfig, Sizes};
pub use file::{LoadError, Problem};
pub use gpt::{Caching, Gpt, Options};
pub use sampler::{Choose, Forced, Sampler};
pub use weights::Weights;
