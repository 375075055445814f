//! Generating tokens.

use crate::activation::Activation;
use crate::model::{self, Model, Origin};
use crate::pooling::Pooling;
use crate::prompt::Prompt;
use nn::model::{Caching, Gpt, Options, Sampler};
use nn::threads::Threads;
use orch_sdk::prelude::*;
use std::fmt::Write;
use std::path::PathBuf;

#[derive(Params)]
pub(crate) struct InferParams {
    /// The dimensions: a name, or an object of embed, layers, heads, block and vocab
    #[param(default = Model::Small)]
    model: Model,
    /// A `.safetensors` file; without one the weights are random
    weights: Option<PathBuf>,
    /// What each session begins with: a number of pseudo-random tokens, or a list of token ids
    #[param(default = Prompt::Length(32))]
    prompt: Prompt,
    /// Tokens that each session generates
    #[param(default = 25, range = 1..=65_536)]
    tokens: usize,
    /// Sessions in one iteration, one after the other; each starts anew from its prompt
    #[param(default = 1, range = 1..=1000)]
    sessions: usize,
    /// 0 takes the most probable token; above it the logits are divided by it before one is chosen
    /// at random
    #[param(default = 0.0, range = 0.0..=1000.0)]
    temperature: f32,
    /// Seed of random weights, of the prompts and of the choices
    #[param(default = 1)]
    seed: u64,
    /// Which form of GELU
    #[param(default = Activation::GeluTanh)]
    activation: Activation,
    /// Whether keys and values are kept from token to token; without, each token costs the whole
    /// context
    #[param(default = true)]
    kv_cache: bool,
    /// Where tensors come from
    #[param(default = Pooling::On)]
    pool: Pooling,
}

/// A model and what it is asked to continue.
pub(crate) struct Infer {
    origin: Origin,
    options: Options,
    threads: Threads,
    temperature: f32,
    /// One for each session.
    prompts: Vec<Vec<u32>>,
    tokens: usize,
    /// Made by `setup`.
    gpt: Option<Gpt>,
    /// What the last iteration generated, session after session.
    generated: Vec<u32>,
}

/// What tells the seeds of weights, prompts and choices apart.
fn seed_of(seed: u64, what: u64) -> u64 {
    seed.wrapping_add(what.wrapping_mul(0x5851_F42D_4C95_7F2D))
}

impl Infer {
    fn new(params: InferParams, threads: Threads) -> Result<Self> {
        let InferParams {
            model,
            weights,
            prompt,
            tokens,
            sessions,
            temperature,
            seed,
            activation,
            kv_cache,
            pool,
        } = params;
        if temperature > 0.0 && temperature < LOWEST {
            return Err(Error::params(format_args!(
                "parameter 'temperature': {temperature} divides logits beyond the range of f32 \
                 (allowed: 0, or {LOWEST} to 1000)"
            )));
        }
        let config = model.config();
        if threads.count() > config.heads() {
            return Err(Error::unsupported(format_args!(
                "{} threads cannot share the {} heads of this model: give the job at most \
                 'threads: {}'",
                threads.count(),
                config.heads(),
                config.heads()
            )));
        }
        let caching = if kv_cache { Caching::On } else { Caching::Off };
        let options = Options {
            form: activation.into(),
            caching,
            pool: pool.into(),
            threads: threads.count(),
        };
        let of_session = |session| prompt.tokens(config.vocab(), seed_of(seed, 2 + session));
        let prompts: Result<Vec<_>, String> = (0_u64..).take(sessions).map(of_session).collect();
        Ok(Self {
            origin: Origin {
                config,
                file: weights,
                seed,
            },
            options,
            threads,
            temperature,
            prompts: prompts
                .map_err(|error| Error::params(format_args!("parameter 'prompt': {error}")))?,
            tokens,
            gpt: None,
            generated: Vec::with_capacity(sessions * tokens),
        })
    }
}

/// The lowest temperature at which logits up to 1e35 can still be divided by it.
const LOWEST: f32 = 1e-3;

impl Workload for Infer {
    const ID: &'static str = "infer";
    const ABOUT: &'static str = "Generates tokens with a GPT, on all threads of the job";
    const ITERATION: &'static str = "all sessions: for each a prompt, read as a whole, and \
        `tokens` tokens, one after the other";
    const METRICS: &'static [Metric] = &[
        Metric::rate("tokens_per_s", "tokens/s", "tokens", 1.0).about(
            "Generated tokens over the time of the iteration, in which the prompts are read \
                too",
        ),
        Metric::time_per("ns_per_token", "ns", "tokens", 1e9).about(
            "Time of the iteration, in which the prompts are read too, over the generated \
                tokens",
        ),
        Metric::bytes_per("bytes_per_token", "tokens").about(
            "Bytes that the iteration allocates over the generated tokens; weights and caches that \
             stay are in none",
        ),
        model::SIZES[0],
        model::SIZES[1],
        model::SIZES[2],
    ];
    const TAGS: &'static [&'static str] = &["transformer", "inference"];
    type Params = InferParams;

    fn create(params: InferParams) -> Result<Self> {
        Self::new(params, Threads::asked()?)
    }

    fn setup(&mut self) -> Result<()> {
        self.threads.start()?;
        self.gpt = Some(Gpt::new(&self.origin.weights()?, self.options));
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        scope!("Inference");
        let gpt = self
            .gpt
            .as_mut()
            .ok_or_else(|| Error::msg("run without setup"))?;
        self.generated.clear();
        let mut sampler = Sampler::new(self.temperature, seed_of(self.origin.seed, 1));
        for prompt in &self.prompts {
            self.generated
                .extend_from_slice(gpt.generate(prompt, self.tokens, &mut sampler));
        }
        count!("tokens", self.generated.len());
        model::count_sizes(self.origin.config);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        let score = self.gpt.as_mut().map(model::score);
        Ok(score.map(|score| {
            Digest::text(listed(&self.generated))
                .score(score)
                .tolerance(1e-3)
        }))
    }
}

/// The ids, separated by spaces.
fn listed(tokens: &[u32]) -> String {
    let mut text = String::new();
    for token in tokens {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a text cannot fail.
        let _ = write!(text, "{space}{token}");
    }
    text
}

/// What the tests of both workloads share.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use orch_sdk::serde_json::Value;

    /// A small instance, ready to run.
    pub(crate) fn ready(params: Value, threads: Threads) -> Result<Infer> {
        let mut workload = Infer::new(InferParams::from_json(&params)?, threads)?;
        workload.setup()?;
        Ok(workload)
    }

    /// The text of an error.
    pub(crate) fn refusal<T>(result: Result<T>) -> String {
        result
            .err()
            .map_or_else(|| "no error".to_owned(), |error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{ready, refusal};
    use super::*;
    use orch_sdk::serde_json::{Value, json};

    /// What one iteration generates.
    fn tokens(params: Value) -> Result<Vec<u32>> {
        on(params, Threads::One)
    }

    fn on(params: Value, threads: Threads) -> Result<Vec<u32>> {
        let mut workload = ready(params, threads)?;
        workload.run()?;
        Ok(workload.generated)
    }

    #[test]
    fn cache_pool_and_the_form_of_the_prompt_change_nothing() -> Result<()> {
        // 32 + 40 tokens are more than the block of 64.
        let expected = tokens(json!({ "tokens": 40 }))?;
        assert_eq!(expected.len(), 40);
        let prompt = Prompt::Length(32)
            .tokens(256, seed_of(1, 2))
            .map_err(Error::msg)?;
        for same in [
            json!({ "tokens": 40, "kv_cache": false }),
            json!({ "tokens": 40, "pool": "off" }),
            json!({ "tokens": 40, "kv_cache": false, "pool": "off" }),
            json!({ "tokens": 40, "prompt": prompt }),
        ] {
            assert_eq!(tokens(same.clone())?, expected, "{same}");
        }
        for other in [
            json!({ "tokens": 40, "seed": 2 }),
            json!({ "tokens": 40, "prompt": 31 }),
        ] {
            assert_ne!(tokens(other.clone())?, expected, "{other}");
        }
        Ok(())
    }

    #[test]
    fn threads_change_no_greedy_token() -> Result<()> {
        for params in [
            json!({ "tokens": 40 }),
            json!({ "kv_cache": false }),
            json!({ "pool": "off" }),
        ] {
            assert_eq!(on(params.clone(), Threads::Many(2))?, tokens(params)?);
        }
        Ok(())
    }

    #[test]
    fn sessions_are_independent() -> Result<()> {
        // Greedy, from one list of ids: every session says the same as the only one.
        let prompt = [3, 1, 4, 1, 5];
        let one = tokens(json!({ "prompt": prompt, "tokens": 7 }))?;
        let three = tokens(json!({ "prompt": prompt, "tokens": 7, "sessions": 3 }))?;
        assert_eq!(three, one.repeat(3));
        // From random prompts: the first is that of one session, the others are their own.
        let (one, two) = (tokens(json!({}))?, tokens(json!({ "sessions": 2 }))?);
        assert_eq!(two[..25], one);
        assert_ne!(two[25..], one);
        Ok(())
    }

    #[test]
    fn each_iteration_does_the_same() -> Result<()> {
        let mut workload = ready(json!({ "temperature": 0.8, "sessions": 2 }), Threads::One)?;
        workload.run()?;
        let first = (workload.generated.clone(), workload.digest()?);
        workload.run()?;
        assert_eq!((workload.generated.clone(), workload.digest()?), first);
        assert_ne!(workload.generated, tokens(json!({ "sessions": 2 }))?);
        Ok(())
    }

    #[test]
    fn the_digest_lists_the_tokens() -> Result<()> {
        assert_eq!(listed(&[7, 0, 12]), "7 0 12");
        let mut workload = ready(json!({ "tokens": 3 }), Threads::One)?;
        workload.run()?;
        let expected = listed(&workload.generated);
        let digest = workload.digest()?;
        let score = workload.gpt.as_mut().map(model::score).unwrap_or_default();
        assert!(score < -0.1 && score > -20.0, "{score}");
        assert_eq!(
            digest,
            Some(Digest::text(expected).score(score).tolerance(1e-3))
        );
        Ok(())
    }

    #[test]
    fn impossible_jobs_are_refused() {
        let all_threads = ready(json!({}), Threads::Many(5));
        assert_eq!(
            refusal(all_threads),
            "5 threads cannot share the 4 heads of this model: give the job at most 'threads: 4'"
        );
        assert_eq!(
            refusal(ready(json!({ "prompt": [256] }), Threads::One)),
            "parameter 'prompt': token 256 is unknown, the model has tokens 0 to 255"
        );
        assert_eq!(
            refusal(ready(json!({ "temperature": 1e-9 }), Threads::One)),
            "parameter 'temperature': 0.000000001 divides logits beyond the range of f32 (allowed: \
             0, or 0.001 to 1000)"
        );
        let missing = refusal(ready(
            json!({ "weights": "/nowhere/x.safetensors" }),
            Threads::One,
        ));
        assert!(
            missing.starts_with("weights '/nowhere/x.safetensors': cannot be read: "),
            "{missing}"
        );
    }
}
