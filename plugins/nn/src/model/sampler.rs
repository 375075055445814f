//! Choice of the next token from the logits.

use crate::pool::Pool;
use crate::rng::Rng;
use crate::shape::Rows;
use crate::simd::{self, Ends, F32s, LANES};
use crate::softmax;
use orch_sdk::scope;

/// A method of choosing the next token.
pub trait Choose {
    /// Returns the id of a token, below the length of `logits`; scratch storage comes from `pool`.
    fn choose(&mut self, logits: &[f32], pool: Pool) -> u32;
}

/// Chooses the most probable token, or one at random by its probability.
#[derive(Clone, Debug)]
pub struct Sampler {
    temperature: f32,
    rng: Rng,
}

impl Sampler {
    /// Creates a sampler. At temperature 0 it chooses the most probable token, the first of equals.
    /// Otherwise probabilities are the softmax of the logits over the temperature; equal seeds
    /// choose equally.
    ///
    /// # Panics
    /// When the temperature is negative or NaN.
    pub fn new(temperature: f32, seed: u64) -> Self {
        assert!(
            temperature >= 0.0,
            "the temperature is {temperature}, expected at least 0"
        );
        Self {
            temperature,
            rng: Rng::new(seed),
        }
    }
}

impl Choose for Sampler {
    fn choose(&mut self, logits: &[f32], pool: Pool) -> u32 {
        scope!("SampleToken");
        let place = if self.temperature == 0.0 {
            most_probable(logits)
        } else {
            let mut probabilities = pool.scratch(&[logits.len()]);
            let probabilities = probabilities.as_mut_slice();
            {
                scope!("ApplyTemperature");
                let factor = F32s::splat(1.0 / self.temperature);
                simd::map(logits, probabilities, |logit| logit * factor);
            }
            {
                scope!("Softmax");
                softmax::softmax_in_place(
                    probabilities,
                    Rows {
                        rows: 1,
                        cols: logits.len(),
                    },
                );
            }
            scope!("MultinomialSample");
            multinomial(probabilities, (self.rng.next_f32() + 1.0) / 2.0)
        };
        u32::try_from(place).expect("token ids fit in 32 bits")
    }
}

/// Returns the index of the largest logit, the first of equals.
fn most_probable(logits: &[f32]) -> usize {
    let ends = Ends {
        start: f32::NEG_INFINITY,
        padding: f32::NEG_INFINITY,
    };
    let max = simd::reduce_max(simd::fold(logits, ends, F32s::fast_max, F32s::fast_max));
    logits.iter().position(|&logit| logit == max).unwrap_or(0)
}

/// Returns the index at which the sum of the probabilities exceeds `uniform`, a number in `[0, 1)`.
fn multinomial(probabilities: &[f32], uniform: f32) -> usize {
    let (chunks, _) = probabilities.as_chunks::<LANES>();
    let mut left = uniform;
    let mut place = 0;
    // Whole vectors first: their sums do not wait for each other.
    for chunk in chunks {
        let sum = simd::load(chunk).reduce_add();
        if sum > left {
            break;
        }
        left -= sum;
        place += LANES;
    }
    for &probability in &probabilities[place..] {
        if probability > left {
            return place;
        }
        left -= probability;
        place += 1;
    }
    // Rounding left a remainder: take the last token with a positive probability.
    probabilities
        .iter()
        .rposition(|&probability| probability > 0.0)
        .unwrap_or(0)
}

/// Chooses given tokens, and sums up the logarithms of their probabilities.
#[derive(Clone, Debug)]
pub struct Forced<'a> {
    tokens: &'a [u32],
    log_probability: f64,
}

impl<'a> Forced<'a> {
    /// Creates a sampler that chooses `tokens` one after the other.
    pub fn new(tokens: &'a [u32]) -> Self {
        Self {
            tokens,
            log_probability: 0.0,
        }
    }

    /// Returns the sum of the natural logarithms of the probabilities so far.
    pub fn log_probability(&self) -> f64 {
        self.log_probability
    }
}

impl Choose for Forced<'_> {
    /// # Panics
    /// When all tokens have been chosen, or when one is no token of the model.
    fn choose(&mut self, logits: &[f32], _: Pool) -> u32 {
        let (&token, rest) = self
            .tokens
            .split_first()
            .expect("as many tokens are generated as are forced");
        self.tokens = rest;
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let above = |logit: f32| f64::from(logit) - f64::from(max);
        let sum: f64 = logits.iter().map(|&logit| above(logit).exp()).sum();
        self.log_probability += above(logits[token as usize]) - sum.ln();
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_greedy_and_takes_the_first_of_equals() {
        let mut sampler = Sampler::new(0.0, 1);
        assert_eq!(sampler.choose(&[1.0, 3.0, -2.0, 3.0], Pool::Off), 1);
        assert_eq!(sampler.choose(&[5.0], Pool::Off), 0);
    }

    #[test]
    fn samples_follow_the_probabilities() {
        for count in [3_usize, LANES, 2 * LANES + 3] {
            let logits: Vec<f32> = (0..count).map(|i| (1.0 + i as f32).ln()).collect();
            let mut sampler = Sampler::new(0.5, 7);
            let mut seen = vec![0_u32; count];
            (0..100_000).for_each(|_| seen[sampler.choose(&logits, Pool::On) as usize] += 1);
            // At temperature 1/2 the probabilities are those of the squares.
            let total: f64 = (1..=count).map(|i| (i * i) as f64).sum();
            for (i, &seen) in seen.iter().enumerate() {
                let expected = 1e5 * ((i + 1) * (i + 1)) as f64 / total;
                assert!(
                    (f64::from(seen) - expected).abs() < 5.0 * expected.sqrt() + 1.0,
                    "{i}: {seen}, {expected}"
                );
            }
        }
    }

    #[test]
    fn ends_of_the_interval() {
        assert_eq!(multinomial(&[0.0, 0.5, 0.5, 0.0], 0.0), 1);
        assert_eq!(multinomial(&[0.0, 0.5, 0.499_999_9, 0.0], 0.999_999_94), 2);
    }

    #[test]
    fn forced_tokens_are_scored() {
        let mut forced = Forced::new(&[1, 0]);
        assert_eq!(forced.choose(&[0.0, 0.0], Pool::Off), 1);
        assert_eq!(forced.choose(&[3.0_f32.ln(), 0.0], Pool::Off), 0);
        assert!((forced.log_probability() - (0.5_f64 * 0.75).ln()).abs() < 1e-6);
    }
}
