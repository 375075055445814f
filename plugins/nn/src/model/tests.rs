//! Tests of the fast model against the reference.

use super::*;
use crate::gelu::Form;
use crate::pool::Pool;

const ALL: [(Form, Caching, Pool, usize); 6] = [
    (Form::Tanh, Caching::On, Pool::On, 1),
    (Form::Erf, Caching::Off, Pool::Off, 1),
    (Form::Quick, Caching::On, Pool::Off, 1),
    (Form::Tanh, Caching::Off, Pool::On, 2),
    (Form::Erf, Caching::On, Pool::On, 2),
    (Form::Quick, Caching::On, Pool::Off, 3),
];

/// Chooses given tokens and keeps the logits.
struct Record<'a> {
    forced: Forced<'a>,
    logits: Vec<Vec<f32>>,
}

impl Choose for Record<'_> {
    fn choose(&mut self, logits: &[f32], pool: Pool) -> u32 {
        self.logits.push(logits.to_vec());
        self.forced.choose(logits, pool)
    }
}

fn config(embed: usize, layers: usize, heads: usize, block: usize, vocab: usize) -> Config {
    Config::new(Sizes {
        embed,
        layers,
        heads,
        block,
        vocab,
    })
    .unwrap()
}

fn tokens(count: usize, vocab: usize) -> Vec<u32> {
    (0..count)
        .map(|i| u32::try_from((i * i * 31 + i * 7 + 3) % vocab).unwrap())
        .collect()
}

/// Runs a function on a pool of as many threads as the model has.
fn on_pool<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(run)
}

/// Returns the logits after each token from place `prompt - 1` on, with all contexts up to `tokens`
/// without the last.
fn recorded(weights: &Weights, options: Options, tokens: &[u32], prompt: usize) -> Vec<Vec<f32>> {
    let (prompt, rest) = tokens.split_at(prompt);
    let mut record = Record {
        forced: Forced::new(rest),
        logits: Vec::new(),
    };
    let mut gpt = Gpt::new(weights, options);
    let generated = on_pool(options.threads, || {
        gpt.generate(prompt, rest.len(), &mut record).to_vec()
    });
    assert_eq!(generated, rest);
    record.logits
}

#[test]
fn logits_of_odd_models_agree_with_the_reference() {
    for config in [
        config(3, 1, 3, 5, 2),
        config(21, 2, 3, 7, 19),
        config(48, 1, 3, 40, 33),
        config(6, 1, 3, 70, 9),
        config(132, 1, 4, 9, 70),
    ] {
        let weights = Weights::random(config, 5);
        for (form, caching, pool, threads) in ALL {
            let options = Options {
                form,
                caching,
                pool,
                threads,
            };
            for prompt in [1, 4, config.block() + 3] {
                let tokens = tokens(config.block() + 6, config.vocab());
                let logits = recorded(&weights, options, &tokens, prompt);
                for (step, logits) in logits.iter().enumerate() {
                    let context = &tokens[..prompt + step];
                    let window = &context[context.len().saturating_sub(config.block())..];
                    let expected = reference::logits(&weights, form, window).pop().unwrap();
                    for (&logit, expected) in logits.iter().zip(expected) {
                        let error = (f64::from(logit) - expected).abs();
                        assert!(
                            error < 1e-4,
                            "{config:?}, {options:?}, prompt {prompt}, step {step}: {error:e}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn greedy_tokens_agree_with_the_reference() {
    let config = config(40, 2, 5, 12, 50);
    let weights = Weights::random(config, 3);
    let prompt = tokens(6, config.vocab());
    for (form, caching, pool, threads) in ALL {
        let expected = reference::greedy(&weights, form, &prompt, 20);
        let mut gpt = Gpt::new(
            &weights,
            Options {
                form,
                caching,
                pool,
                threads,
            },
        );
        for _ in 0..2 {
            let mut sampler = Sampler::new(0.0, 0);
            let generated = on_pool(threads, || gpt.generate(&prompt, 20, &mut sampler).to_vec());
            assert_eq!(
                generated, expected,
                "{form:?}, {caching:?}, {threads} threads"
            );
        }
    }
}

#[test]
fn score_is_that_of_the_reference() {
    let weights = Weights::random(config(24, 2, 3, 16, 31), 1);
    let tokens = tokens(12, 31);
    let logits = reference::logits(&weights, Form::Erf, &tokens);
    let log_probability = |logits: &[f64], token: u32| {
        logits[token as usize] - logits.iter().map(|logit| logit.exp()).sum::<f64>().ln()
    };
    let sum: f64 = logits
        .iter()
        .zip(&tokens[1..])
        .map(|(logits, &token)| log_probability(logits, token))
        .sum();
    for (caching, pool) in [(Caching::On, Pool::On), (Caching::Off, Pool::Off)] {
        let mut gpt = Gpt::new(
            &weights,
            Options {
                form: Form::Erf,
                caching,
                pool,
                threads: 1,
            },
        );
        assert!((gpt.score(&tokens) - sum / 11.0).abs() < 1e-5);
    }
}

#[test]
fn sizes_of_the_named_models() {
    assert_eq!(
        (Config::SMALL.parameters(), Config::SMALL.tensors()),
        (470_528, 29)
    );
    assert_eq!(
        (Config::MEDIUM.parameters(), Config::MEDIUM.tensors()),
        (3_454_464, 53)
    );
    let mut counted = (0, 0);
    let made = Weights::build(Config::SMALL, |_, shape, _| {
        counted = (counted.0 + shape.iter().product::<usize>(), counted.1 + 1);
        Ok::<_, ()>(crate::Tensor::zeros(shape))
    });
    assert!(made.is_ok());
    assert_eq!(counted, (470_528, 29));
}

#[test]
fn impossible_sizes_are_refused() {
    let refusal = |embed, layers, heads, block, vocab| {
        Config::new(Sizes {
            embed,
            layers,
            heads,
            block,
            vocab,
        })
        .unwrap_err()
        .to_string()
    };
    assert_eq!(refusal(8, 0, 2, 4, 4), "layers is 0, expected at least 1");
    assert_eq!(
        refusal(10, 1, 4, 4, 4),
        "heads (4) do not divide embed (10)"
    );
    assert_eq!(
        refusal(1 << 20, 1 << 20, 1, 1, 1),
        "the weights would be larger than 4 GiB"
    );
    assert_eq!(
        refusal(usize::MAX, usize::MAX, 1, usize::MAX, 1),
        "the weights would be larger than 4 GiB"
    );
}

#[test]
#[should_panic(expected = "the prompt is empty")]
fn empty_prompt_is_refused() {
    let weights = Weights::random(config(4, 1, 1, 4, 4), 1);
    let options = Options {
        form: Form::Tanh,
        caching: Caching::On,
        pool: Pool::On,
        threads: 1,
    };
    Gpt::new(&weights, options).generate(&[], 1, &mut Sampler::new(0.0, 1));
}

#[test]
#[should_panic(expected = "token 4 is not one of 4")]
fn unknown_token_is_refused() {
    let weights = Weights::random(config(4, 1, 1, 4, 4), 1);
    let options = Options {
        form: Form::Tanh,
        caching: Caching::On,
        pool: Pool::On,
        threads: 1,
    };
    Gpt::new(&weights, options).generate(&[1, 4], 1, &mut Sampler::new(0.0, 1));
}

/// Panics at the third token.
struct Failing(u32);

impl Choose for Failing {
    fn choose(&mut self, _: &[f32], _: Pool) -> u32 {
        self.0 += 1;
        assert!(self.0 < 3, "no third token");
        0
    }
}

#[test]
fn panic_ends_all_threads_for_good() {
    let weights = Weights::random(config(8, 2, 4, 8, 5), 1);
    let options = Options {
        form: Form::Tanh,
        caching: Caching::On,
        pool: Pool::On,
        threads: 4,
    };
    let mut gpt = Gpt::new(&weights, options);
    for _ in 0..2 {
        let run = || on_pool(4, || gpt.generate(&[1, 2], 5, &mut Failing(0)).len());
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    }
}
