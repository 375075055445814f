//! A model that is ready to generate tokens: its weights, packed for a number of threads, and a
//! worker for each thread.

use super::config::Config;
use super::exchange::Exchange;
use super::sampler::{Choose, Forced};
use super::shard::Shard;
use super::weights::{Weights, row};
use super::worker::Worker;
use crate::elementwise;
use crate::gelu::Form;
use crate::pool::Pool;
use crate::tensor::Tensor;
use orch_sdk::scope;
use std::iter;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether the keys and values of the context are kept from one token to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// One row through the model for each token, after the prompt.
    On,
    /// The whole context through the model for each token.
    Off,
}

/// Settings of a model.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The activation of the MLPs.
    pub form: Form,
    /// Whether there is a KV cache.
    pub caching: Caching,
    /// Origin of tensors: the cache once per session, all intermediate results for each token.
    pub pool: Pool,
    /// Number of threads, from 1 to the number of heads.
    pub threads: usize,
}

/// A model that generates tokens.
pub struct Gpt {
    common: Arc<Common>,
    workers: Vec<Mutex<Worker>>,
}

/// Data that all workers share.
pub(super) struct Common {
    pub config: Config,
    pub form: Form,
    pub caching: Caching,
    pub pool: Pool,
    wte: Tensor,
    wpe: Tensor,
    /// Tokens whose logits each worker computes.
    pub vocab_parts: Vec<Range<usize>>,
}

impl Gpt {
    /// Packs the weights.
    ///
    /// # Panics
    /// When the number of threads is 0 or exceeds that of the heads.
    pub fn new(weights: &Weights, options: Options) -> Self {
        let Options {
            form,
            caching,
            pool,
            threads,
        } = options;
        let config = weights.config();
        let heads = config.heads();
        assert!(
            (1..=heads).contains(&threads),
            "{threads} threads cannot share {heads} heads"
        );
        let shards: Vec<Shard> = (0..threads)
            .map(|index| Shard::new(weights, index, threads))
            .collect();
        let vocab_parts = shards.iter().map(|shard| shard.vocab.clone()).collect();
        let (wte, wpe) = (weights.wte.clone(), weights.wpe.clone());
        let common = Arc::new(Common {
            config,
            form,
            caching,
            pool,
            wte,
            wpe,
            vocab_parts,
        });
        let workers = if threads == 1 {
            shards
                .into_iter()
                .map(|shard| Worker::alone(common.clone(), shard))
                .map(Mutex::new)
                .collect()
        } else {
            let len = (config.block() * config.embed()).max(config.vocab());
            let (exchange, members) = Exchange::new(threads, len);
            let exchange = Arc::new(exchange);
            let worker =
                |(shard, member)| Worker::member(common.clone(), shard, exchange.clone(), member);
            iter::zip(shards, members)
                .map(worker)
                .map(Mutex::new)
                .collect()
        };
        Self { common, workers }
    }

    /// Returns the dimensions.
    pub fn config(&self) -> Config {
        self.common.config
    }

    /// Begins a session with `prompt`, continues it by `count` tokens, and returns these.
    ///
    /// Several threads are those of the current rayon pool, which has exactly as many. The calling
    /// thread should be its first, which does the sampling: entering the pool from outside costs
    /// more than a token.
    ///
    /// # Panics
    /// When the prompt is empty or holds a token that the model does not know, and when the current
    /// rayon pool has another number of threads.
    pub fn generate(
        &mut self,
        prompt: &[u32],
        count: usize,
        choose: &mut (dyn Choose + Send),
    ) -> &[u32] {
        let vocab = self.common.config.vocab();
        assert!(!prompt.is_empty(), "the prompt is empty");
        if let Some(unknown) = prompt.iter().find(|token| **token as usize >= vocab) {
            panic!("token {unknown} is not one of {vocab}");
        }
        if let [worker] = self.workers.as_mut_slice() {
            alone(worker).generate(prompt, count, Some(choose));
        } else {
            together(&self.workers, prompt, count, choose);
        }
        &alone(&mut self.workers[0]).context()[prompt.len()..]
    }

    /// Returns the mean natural logarithm of the probability of each token but the first, given
    /// those before it.
    ///
    /// # Panics
    /// When there are fewer than two tokens, and as [`Gpt::generate`].
    pub fn score(&mut self, tokens: &[u32]) -> f64 {
        assert!(tokens.len() >= 2, "{} tokens have no score", tokens.len());
        let (prompt, rest) = tokens.split_at(1);
        let mut forced = Forced::new(rest);
        self.generate(prompt, rest.len(), &mut forced);
        forced.log_probability() / rest.len() as f64
    }
}

/// Returns exclusive access to a worker, even after a panic: a session starts from scratch.
fn alone(worker: &mut Mutex<Worker>) -> &mut Worker {
    worker.get_mut().unwrap_or_else(PoisonError::into_inner)
}

/// Runs every worker on its thread of the current pool, entered once for all tokens.
fn together(
    workers: &[Mutex<Worker>],
    prompt: &[u32],
    count: usize,
    choose: &mut (dyn Choose + Send),
) {
    let threads = rayon::current_num_threads();
    assert!(
        threads == workers.len(),
        "the rayon pool has {threads} threads, the model {}",
        workers.len()
    );
    side_by_side(workers, prompt, count, Some(choose));
}

/// Runs each worker on a thread of its own: this thread takes the first half, the other threads,
/// which are idle, take the rest. This uses joins and no broadcast, because a join allocates
/// nothing.
fn side_by_side(
    workers: &[Mutex<Worker>],
    prompt: &[u32],
    count: usize,
    choose: Option<&mut (dyn Choose + Send)>,
) {
    if let [worker] = workers {
        worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .generate(prompt, count, choose);
        return;
    }
    let (mine, others) = workers.split_at(workers.len().div_ceil(2));
    rayon::join(
        || side_by_side(mine, prompt, count, choose),
        || side_by_side(others, prompt, count, None),
    );
}

impl Common {
    /// Writes the sum of the embeddings of tokens and positions, from position `first` on, to `x`,
    /// `[tokens, embed]`.
    pub fn embed(&self, tokens: &[u32], first: usize, x: &mut Tensor) {
        scope!("Embed");
        let embed = self.config.embed();
        for (position, (&token, x)) in
            (first..).zip(tokens.iter().zip(x.as_mut_slice().chunks_exact_mut(embed)))
        {
            elementwise::add(row(&self.wte, token as usize), row(&self.wpe, position), x);
        }
    }
}
