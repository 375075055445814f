//! Stochastic gradient descent, plain or with momentum: `v = momentum v + g`, `w = w - rate v`.
//!
//! The velocity v begins at 0, so the first step goes down the first gradient. Source: Sutskever et
//! al., "On the importance of initialization and momentum in deep learning", 2013, with the rate
//! outside of the velocity.

use super::lanes;
use super::param::{Optimizer, Trainable, clear, zeros_like};
use super::resources::{Resources, Threads};
use crate::Tensor;
use crate::simd::{self, F32s};
use rayon::prelude::*;

/// Hyperparameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Learning rate.
    pub rate: f32,
    /// Part of the velocity that is kept from step to step, in `[0, 1)`; 0 keeps none, and uses no
    /// memory for it.
    pub momentum: f32,
}

/// The optimiser, with its state for one model's parameters.
#[derive(Debug)]
pub struct Sgd {
    settings: Settings,
    /// One for each parameter; none without momentum.
    velocities: Vec<Tensor>,
}

impl Sgd {
    /// Makes an optimiser for this model.
    pub fn new(settings: Settings, model: &mut dyn Trainable) -> Self {
        let velocities = if settings.momentum == 0.0 {
            Vec::new()
        } else {
            zeros_like(model)
        };
        Self {
            settings,
            velocities,
        }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, model: &mut dyn Trainable, on: Resources) {
        let Settings { rate, momentum } = self.settings;
        let mut velocities = self.velocities.iter_mut();
        model.visit(&mut |param| {
            let (value, grad) = (param.value.as_mut_slice(), param.grad.as_slice());
            let piece = on.piece(value.len());
            if momentum == 0.0 {
                let step = |(value, grad): (&mut [f32], &[f32])| descend(value, grad, rate);
                return match on.threads {
                    Threads::One => step((value, grad)),
                    Threads::RayonPool => value
                        .par_chunks_mut(piece)
                        .zip(grad.par_chunks(piece))
                        .for_each(step),
                };
            }
            let velocity = velocities
                .next()
                .expect("the model has as many parameters as when it was made for");
            let velocity = velocity.as_mut_slice();
            let step = |((value, grad), velocity): ((&mut [f32], &[f32]), &mut [f32])| {
                accelerate(value, grad, velocity, self.settings);
            };
            match on.threads {
                Threads::One => step(((value, grad), velocity)),
                Threads::RayonPool => {
                    let both = value.par_chunks_mut(piece).zip(grad.par_chunks(piece));
                    both.zip(velocity.par_chunks_mut(piece)).for_each(step);
                }
            }
        });
    }

    fn reset(&mut self) {
        clear(&mut self.velocities);
    }
}

/// Subtracts `rate * grad[i]` from `value[i]`.
///
/// # Panics
/// When the slices differ in length.
pub fn descend(value: &mut [f32], grad: &[f32], rate: f32) {
    assert!(
        value.len() == grad.len(),
        "{} gradients for {} parameters",
        grad.len(),
        value.len()
    );
    let rate = F32s::splat(rate);
    simd::zip_in_place(value, grad, |value, grad| grad.mul_neg_add(rate, value));
}

/// Replaces `velocity[i]` by `momentum * velocity[i] + grad[i]` and subtracts rate times that from
/// `value[i]`.
///
/// # Panics
/// When the slices differ in length.
pub fn accelerate(value: &mut [f32], grad: &[f32], velocity: &mut [f32], settings: Settings) {
    let len = value.len();
    assert!(
        [grad.len(), velocity.len()] == [len; 2],
        "{} gradients for {len} parameters",
        grad.len()
    );
    let (rate, momentum) = (F32s::splat(settings.rate), F32s::splat(settings.momentum));
    // Both in one sweep: a model is larger than the caches near the processor, and each sweep would
    // read it again.
    for c in lanes::starts(len) {
        let v = lanes::get(velocity, c).mul_add(momentum, lanes::get(grad, c));
        lanes::put(velocity, c, v);
        lanes::put(value, c, v.mul_neg_add(rate, lanes::get(value, c)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::param::Param;
    use super::*;
    use crate::check::{assert_close, numbers};

    struct One(Param);

    impl Trainable for One {
        fn visit(&mut self, f: &mut dyn FnMut(&mut Param)) {
            f(&mut self.0);
        }
    }

    #[test]
    fn pieces_change_nothing() {
        let len = 100_003;
        for momentum in [0.0, 0.9] {
            let [one, many] = [Threads::One, Threads::RayonPool].map(|threads| {
                let mut model = One(Param::new(Tensor::random(&[len], 1)));
                let mut sgd = Sgd::new(
                    Settings {
                        rate: 0.1,
                        momentum,
                    },
                    &mut model,
                );
                for step in 0..3 {
                    model.0.grad = Tensor::random(&[len], 2 + step);
                    sgd.step(
                        &mut model,
                        Resources {
                            threads,
                            ..Resources::POOLED
                        },
                    );
                }
                model.0.value
            });
            assert_eq!(one, many);
        }
    }

    #[test]
    fn steps_are_those_of_the_formula() {
        for momentum in [0.0, 0.9] {
            let start = numbers(67, 1, 1.0);
            let mut model = One(Param::new(Tensor::from_slice(&[67], &start)));
            let mut sgd = Sgd::new(
                Settings {
                    rate: 0.1,
                    momentum,
                },
                &mut model,
            );
            // Twice, with a reset between: both runs must give the same result.
            for _ in 0..2 {
                model.0.value.as_mut_slice().copy_from_slice(&start);
                sgd.reset();
                let mut expected: Vec<f64> = start.iter().map(|&w| w.into()).collect();
                let mut velocity = vec![0.0; 67];
                for step in 0..7 {
                    model
                        .0
                        .grad
                        .as_mut_slice()
                        .copy_from_slice(&numbers(67, 50 + step, 1.0));
                    for i in 0..67 {
                        velocity[i] = f64::from(momentum) * velocity[i]
                            + f64::from(model.0.grad.as_slice()[i]);
                        expected[i] -= 0.1 * velocity[i];
                    }
                    sgd.step(&mut model, Resources::POOLED);
                }
                let expected: Vec<f32> = expected.iter().map(|&w| w as f32).collect();
                assert_close(model.0.value.as_slice(), &expected, 1e-6, "after 7 steps");
            }
        }
    }
}
