//! The work of one thread on a model: its context, its cache, and its part of the computation of a
//! token.

use super::attention::{self, Cache};
use super::exchange::{Exchange, Member};
use super::gpt::{Caching, Common};
use super::sampler::Choose;
use super::shard::{Block, Linear, Shard};
use crate::elementwise;
use crate::gelu;
use crate::shape::Rows;
use crate::tensor::Tensor;
use orch_sdk::scope;
use std::sync::Arc;

/// A thread's part of a model and of a session.
pub(super) struct Worker {
    common: Arc<Common>,
    shard: Shard,
    /// `None` if there is no other thread.
    team: Option<Team>,
    /// The prompt and the tokens generated after it.
    context: Vec<u32>,
    /// Tokens at the start of the context whose keys and values are in the cache.
    cached: usize,
    cache: Option<Cache>,
}

/// Connection to the other threads.
struct Team {
    exchange: Arc<Exchange>,
    member: Member,
}

/// Intermediate results of one forward pass, for `rows` positions.
struct Work {
    /// The residual stream, `[rows, embed]`.
    x: Tensor,
    /// After a layer normalisation, `[rows, embed]`.
    normed: Tensor,
    /// `[rows, 3, heads, head_dim]`.
    qkv: Tensor,
    /// Result of attention, `[rows, heads, head_dim]`.
    mixed: Tensor,
    /// Scores of one head and some positions.
    scores: Tensor,
    /// `[rows, hidden]`.
    hidden: Tensor,
}

impl Worker {
    /// Creates a worker without others, with all of a model.
    pub fn alone(common: Arc<Common>, shard: Shard) -> Self {
        Self {
            common,
            shard,
            team: None,
            context: Vec::new(),
            cached: 0,
            cache: None,
        }
    }

    /// Creates one of several workers.
    pub fn member(
        common: Arc<Common>,
        shard: Shard,
        exchange: Arc<Exchange>,
        member: Member,
    ) -> Self {
        Self {
            team: Some(Team { exchange, member }),
            ..Self::alone(common, shard)
        }
    }

    /// Continues `prompt` by `count` tokens. The first worker has a sampler to choose them; the
    /// others follow it.
    pub fn generate(
        &mut self,
        prompt: &[u32],
        count: usize,
        mut choose: Option<&mut (dyn Choose + Send)>,
    ) {
        let exchange = self.team.as_ref().map(|team| team.exchange.clone());
        let _guard = exchange.as_ref().map(|exchange| exchange.guard());
        self.start(prompt, count);
        for _ in 0..count {
            scope!("GenerateToken");
            let logits = self.forward();
            let chosen = choose.as_mut().map_or(0, |choose| {
                choose.choose(logits.as_slice(), self.common.pool)
            });
            let token = match &self.team {
                Some(Team { exchange, member }) => exchange.agree(member, chosen),
                None => chosen,
            };
            self.context.push(token);
        }
    }

    /// Returns the prompt of the last session and the tokens generated after it.
    pub fn context(&self) -> &[u32] {
        &self.context
    }

    /// Begins a session.
    fn start(&mut self, prompt: &[u32], count: usize) {
        scope!("PrepareInput");
        self.context.clear();
        self.context.reserve(prompt.len() + count);
        self.context.extend_from_slice(prompt);
        self.cached = 0;
        // The old cache is dropped first, so that the pool can reuse its storage.
        self.cache = None;
        if self.common.caching == Caching::On {
            self.cache = Some(self.new_cache(self.common.config.layers()));
        }
    }

    fn new_cache(&self, layers: usize) -> Cache {
        let config = self.common.config;
        let (heads, head_dim, positions) = (self.shard.heads, config.head_dim(), config.block());
        Cache::new(
            attention::Dims {
                layers,
                heads,
                head_dim,
                positions,
            },
            self.common.pool,
        )
    }

    /// Computes the logits of the token after the context. On other workers than the first, the
    /// result is empty.
    fn forward(&mut self) -> Tensor {
        scope!("Forward");
        let (common, context) = (Arc::clone(&self.common), std::mem::take(&mut self.context));
        let window = &context[context.len().saturating_sub(common.config.block())..];
        if window.len() < context.len() {
            self.cached = 0;
        }
        let mut cache = match self.cache.take() {
            Some(cache) => cache,
            None => self.new_cache(1),
        };
        let tokens = &window[self.cached..];
        let mut work = Work::new(&common, &cache, tokens.len());
        common.embed(tokens, self.cached, &mut work.x);
        for layer in 0..self.shard.blocks.len() {
            self.block(layer, &mut work, &mut cache);
        }
        let logits = self.head(&mut work);
        if common.caching == Caching::On {
            self.cached = window.len();
            self.cache = Some(cache);
        }
        self.context = context;
        logits
    }

    fn block(&mut self, layer: usize, work: &mut Work, cache: &mut Cache) {
        scope!("Block");
        let Block {
            ln_1,
            c_attn,
            attn_proj,
            ln_2,
            c_fc,
            mlp_proj,
        } = &self.shard.blocks[layer];
        let from = self.first_needed(layer, work.x.shape()[0]);
        {
            scope!("LayerNorm");
            ln_1.apply(work.x.as_slice(), work.normed.as_mut_slice());
        }
        {
            scope!("Attention");
            c_attn.apply(work.normed.as_slice(), work.qkv.as_mut_slice());
            attend(layer % cache.dims().layers, self.cached, from, work, cache);
            attn_proj.add(
                rows_from(&work.mixed, from),
                rows_from_mut(&mut work.x, from),
                &mut self.team,
            );
        }
        {
            scope!("LayerNorm");
            ln_2.apply(
                rows_from(&work.x, from),
                rows_from_mut(&mut work.normed, from),
            );
        }
        {
            scope!("Mlp");
            let hidden = rows_from_mut(&mut work.hidden, from);
            c_fc.apply(rows_from(&work.normed, from), hidden);
            gelu::gelu_in_place(self.common.form, hidden);
            mlp_proj.add(hidden, rows_from_mut(&mut work.x, from), &mut self.team);
        }
    }

    /// Returns the first of `rows` positions for which attention is computed. In the last block,
    /// the logits need only the last position; of the others, only keys and values are needed.
    /// Without a cache, everything is computed, as its name promises.
    fn first_needed(&self, layer: usize, rows: usize) -> usize {
        let last = layer + 1 == self.shard.blocks.len();
        if last && self.common.caching == Caching::On {
            rows - 1
        } else {
            0
        }
    }

    /// Returns the logits of the last position.
    fn head(&mut self, work: &mut Work) -> Tensor {
        scope!("Head");
        let embed = self.common.config.embed();
        let x = work.x.as_slice();
        let normed = &mut work.normed.as_mut_slice()[..embed];
        self.shard.ln_f.apply(&x[x.len() - embed..], normed);
        let (lm_head, vocab) = (&self.shard.lm_head, self.common.config.vocab());
        let Some(Team { exchange, member }) = &mut self.team else {
            let mut logits = self.common.pool.scratch(&[vocab]);
            lm_head.multiply(normed, logits.as_mut_slice(), 1);
            return logits;
        };
        let first = member.index() == 0;
        let mut logits = self.common.pool.scratch(&[if first { vocab } else { 0 }]);
        let ranges = &self.common.vocab_parts;
        exchange.trade(
            member,
            |slot| lm_head.multiply(normed, &mut slot[..self.shard.vocab.len()], 1),
            |index, slot| {
                if first {
                    let part = ranges[index].clone();
                    let len = part.len();
                    logits.as_mut_slice()[part].copy_from_slice(&slot[..len]);
                }
            },
        );
        logits
    }
}

impl Work {
    fn new(common: &Common, cache: &Cache, rows: usize) -> Self {
        let Common { config, pool, .. } = *common;
        let own = cache.dims().heads * config.head_dim();
        Self {
            x: pool.scratch(&[rows, config.embed()]),
            normed: pool.scratch(&[rows, config.embed()]),
            qkv: pool.scratch(&[rows, 3 * own]),
            mixed: pool.scratch(&[rows, own]),
            scores: pool.scratch(&[cache.dims().scores(rows)]),
            hidden: pool.scratch(&[rows, 4 * own]),
        }
    }
}

/// Stores keys and values of the new positions, and computes attention for the positions from
/// `from` on. `cached` positions were there before.
fn attend(layer: usize, cached: usize, from: usize, work: &mut Work, cache: &mut Cache) {
    let own = work.mixed.shape()[1];
    for (row, qkv) in work.qkv.as_slice().chunks_exact(3 * own).enumerate() {
        cache.store(layer, cached + row, &qkv[own..2 * own], &qkv[2 * own..]);
    }
    let (qkv, mixed) = (
        rows_from(&work.qkv, from),
        rows_from_mut(&mut work.mixed, from),
    );
    cache.attend(layer, cached + from, qkv, work.scores.as_mut_slice(), mixed);
}

fn rows_from(matrix: &Tensor, first: usize) -> &[f32] {
    &matrix.as_slice()[first * matrix.shape()[1]..]
}

fn rows_from_mut(matrix: &mut Tensor, first: usize) -> &mut [f32] {
    let start = first * matrix.shape()[1];
    &mut matrix.as_mut_slice()[start..]
}

impl Linear {
    /// Writes the layer's result for each row of `x` to `out`.
    fn apply(&self, x: &[f32], out: &mut [f32]) {
        let bias = self.bias.as_slice();
        let rows = out.len() / bias.len();
        out.chunks_exact_mut(bias.len())
            .for_each(|out| out.copy_from_slice(bias));
        self.weight.accumulate(x, out, rows);
    }

    /// Adds the layer's result for `input` to `x`, `[rows, out]`. The members of a team each have a
    /// part of the input.
    fn add(&self, input: &[f32], x: &mut [f32], team: &mut Option<Team>) {
        let cols = self.weight.outs();
        let dims = Rows {
            rows: x.len() / cols,
            cols,
        };
        elementwise::broadcast_add_in_place(x, self.bias.as_slice(), dims);
        match team {
            None => self.weight.accumulate(input, x, dims.rows),
            Some(Team { exchange, member }) => exchange.trade(
                member,
                |slot| {
                    self.weight
                        .multiply(input, &mut slot[..dims.len()], dims.rows)
                },
                |_, slot| elementwise::add_in_place(x, &slot[..dims.len()]),
            ),
        }
    }
}
