//! The part of a model that one thread owns: some heads, hidden units and logits, packed for its
//! products.

use super::config::Config;
use super::weights::{self, Norm, Weights};
use crate::layer_norm::{self, Affine};
use crate::matmul::Prepacked;
use crate::shape::Rows;
use crate::tensor::Tensor;
use std::ops::Range;

/// Weights of one thread. Each thread has its own copy of small weights.
#[derive(Debug)]
pub(super) struct Shard {
    /// Heads of each block.
    pub heads: usize,
    /// Ids of the tokens whose logits are computed here.
    pub vocab: Range<usize>,
    pub blocks: Vec<Block>,
    pub ln_f: Norm,
    pub lm_head: Prepacked,
}

/// Weights of a block.
#[derive(Debug)]
pub(super) struct Block {
    pub ln_1: Norm,
    /// Queries (already divided by the root of head_dim), keys and values of the own heads: `[3
    /// heads head_dim, embed]`.
    pub c_attn: Linear,
    /// From the own heads: `[embed, heads head_dim]`.
    pub attn_proj: Linear,
    pub ln_2: Norm,
    /// To the own hidden units: `[hidden, embed]`.
    pub c_fc: Linear,
    /// From the own hidden units: `[embed, hidden]`.
    pub mlp_proj: Linear,
}

/// A packed linear layer.
#[derive(Debug)]
pub(super) struct Linear {
    pub weight: Prepacked,
    /// `[out]`; that of the sum over all threads if the layer is divided by its inputs.
    pub bias: Tensor,
}

impl Shard {
    /// Packs part `index` of `count` nearly equal ones; there are at least as many heads as parts.
    pub fn new(weights: &Weights, index: usize, count: usize) -> Self {
        let config = weights.config;
        let part = |of: usize| of * index / count..of * (index + 1) / count;
        let (heads, vocab) = (part(config.heads()), part(config.vocab()));
        // Hidden units are divided like the heads, so that a thread with more heads has more hidden
        // units.
        let units = heads.start * 4 * config.head_dim()..heads.end * 4 * config.head_dim();
        let rows = heads.start * config.head_dim()..heads.end * config.head_dim();
        let block = |block: &weights::Block| Block {
            ln_1: block.ln_1.clone(),
            c_attn: queries_keys_values(&block.c_attn, config, &rows),
            attn_proj: Linear::of_inputs(&block.attn_proj, &rows),
            ln_2: block.ln_2.clone(),
            c_fc: Linear::of_outputs(&block.c_fc, &units),
            mlp_proj: Linear::of_inputs(&block.mlp_proj, &units),
        };
        let lm_head = weights.lm_head.as_slice();
        let first = vocab.start;
        Self {
            heads: heads.len(),
            blocks: weights.blocks.iter().map(block).collect(),
            ln_f: weights.ln_f.clone(),
            lm_head: Prepacked::new(vocab.len(), config.embed(), |o, i| {
                lm_head[(first + o) * config.embed() + i]
            }),
            vocab,
        }
    }
}

impl Linear {
    /// Returns the part of a layer that computes the outputs `part`.
    fn of_outputs(whole: &weights::Linear, part: &Range<usize>) -> Self {
        let (w, ins) = (whole.weight.as_slice(), whole.weight.shape()[1]);
        let weight = Prepacked::new(part.len(), ins, |o, i| w[(part.start + o) * ins + i]);
        Self {
            weight,
            bias: Tensor::from_slice(&[part.len()], &whole.bias.as_slice()[part.clone()]),
        }
    }

    /// Returns the part of a layer that sums over the inputs `part`, with the whole bias.
    fn of_inputs(whole: &weights::Linear, part: &Range<usize>) -> Self {
        let (w, ins) = (whole.weight.as_slice(), whole.weight.shape()[1]);
        let weight = Prepacked::new(whole.weight.shape()[0], part.len(), |o, i| {
            w[o * ins + part.start + i]
        });
        Self {
            weight,
            bias: whole.bias.clone(),
        }
    }
}

/// Returns the rows of queries, keys and values of the heads whose numbers are `part` of an
/// embedding.
fn queries_keys_values(whole: &weights::Linear, config: Config, part: &Range<usize>) -> Linear {
    let (w, b, embed) = (
        whole.weight.as_slice(),
        whole.bias.as_slice(),
        config.embed(),
    );
    let scale = 1.0 / (config.head_dim() as f32).sqrt();
    let row = |o: usize| o / part.len() * embed + part.start + o % part.len();
    let factor = |o: usize| if o < part.len() { scale } else { 1.0 };
    let outs = 3 * part.len();
    let weight = Prepacked::new(outs, embed, |o, i| w[row(o) * embed + i] * factor(o));
    let bias: Vec<f32> = (0..outs).map(|o| b[row(o)] * factor(o)).collect();
    Linear {
        weight,
        bias: Tensor::from_slice(&[outs], &bias),
    }
}

impl Norm {
    /// Normalises every row of `x` into `out`, both `[rows, embed]`.
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        let affine = Affine {
            gamma: self.weight.as_slice(),
            beta: self.bias.as_slice(),
        };
        let cols = affine.gamma.len();
        layer_norm::fused(
            x,
            affine,
            out,
            Rows {
                rows: x.len() / cols,
                cols,
            },
        );
    }
}
