//! AdamW: steps of a length that does not depend on the gradient's, with weight decay apart from
//! the gradient.
//!
//! In step t, for gradient g and parameter w: `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
//! `w = w - rate (m' / (sqrt(v') + eps) + decay w)`, with `m' = m / (1 - b1^t)` and `v' = v / (1 -
//! b2^t)`, which undo that m and v begin at 0. Vectors (biases, scales and shifts) do not decay,
//! matrices do.
//!
//! Source: Loshchilov, Hutter, "Decoupled weight decay regularization", 2019, algorithm 2, with the
//! decay in units of the learning rate, as most implementations have it; Kingma, Ba, "Adam", 2015,
//! for the bias correction.

use super::param::{Optimizer, Trainable, clear, zeros_like};
use super::resources::{Resources, Threads};
use crate::Tensor;
use crate::simd::{self, F32s, LANES};
use crate::vmath;
use rayon::prelude::*;

/// Hyperparameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Learning rate.
    pub rate: f32,
    /// Part of the mean gradient that is kept from step to step, in `[0, 1)`.
    pub beta1: f32,
    /// Part of the mean square of the gradient that is kept from step to step, in `[0, 1)`.
    pub beta2: f32,
    /// Summand of the root, so that a gradient of 0 does not divide by 0; at least 1e-12.
    pub eps: f32,
    /// Part of a weight that is lost in a step, in units of the rate.
    pub decay: f32,
}

impl Default for Settings {
    /// The papers' constants; rate 1e-3, decay 1e-2.
    fn default() -> Self {
        Self {
            rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            decay: 1e-2,
        }
    }
}

/// The optimiser, with its state for one model's parameters.
#[derive(Debug)]
pub struct AdamW {
    settings: Settings,
    /// Steps taken.
    steps: i32,
    /// m, one for each parameter.
    means: Vec<Tensor>,
    /// v, one for each parameter.
    squares: Vec<Tensor>,
}

impl AdamW {
    /// Makes an optimiser for this model.
    pub fn new(settings: Settings, model: &mut dyn Trainable) -> Self {
        Self {
            settings,
            steps: 0,
            means: zeros_like(model),
            squares: zeros_like(model),
        }
    }
}

impl Optimizer for AdamW {
    fn step(&mut self, model: &mut dyn Trainable, on: Resources) {
        self.steps = self.steps.saturating_add(1);
        let mut state = self.means.iter_mut().zip(&mut self.squares);
        model.visit(&mut |param| {
            let (mean, square) = state
                .next()
                .expect("the model has as many parameters as when it was made for");
            let decay = if param.value.shape().len() > 1 {
                self.settings.decay
            } else {
                0.0
            };
            let (settings, steps) = (
                Settings {
                    decay,
                    ..self.settings
                },
                self.steps,
            );
            let (value, grad) = (param.value.as_mut_slice(), param.grad.as_slice());
            let (mean, square) = (mean.as_mut_slice(), square.as_mut_slice());
            match on.threads {
                Threads::One => update(value, grad, Moments { mean, square }, settings, steps),
                Threads::RayonPool => {
                    let piece = on.piece(value.len());
                    let parameters = value.par_chunks_mut(piece).zip(grad.par_chunks(piece));
                    let moments = mean.par_chunks_mut(piece).zip(square.par_chunks_mut(piece));
                    parameters
                        .zip(moments)
                        .for_each(|((value, grad), (mean, square))| {
                            update(value, grad, Moments { mean, square }, settings, steps);
                        });
                }
            }
        });
    }

    fn reset(&mut self) {
        self.steps = 0;
        clear(&mut self.means);
        clear(&mut self.squares);
    }
}

/// State of one parameter.
#[derive(Debug)]
pub struct Moments<'a> {
    /// m.
    pub mean: &'a mut [f32],
    /// v.
    pub square: &'a mut [f32],
}

/// Takes step number `step`, counted from 1, with one slice of parameters.
///
/// # Panics
/// When the slices differ in length.
pub fn update(
    value: &mut [f32],
    grad: &[f32],
    moments: Moments<'_>,
    settings: Settings,
    step: i32,
) {
    let Moments { mean, square } = moments;
    let len = value.len();
    assert!(
        [grad.len(), mean.len(), square.len()] == [len; 3],
        "{} gradients for {len} parameters",
        grad.len()
    );
    let rule = Rule::new(settings, step);
    let (values, last_value) = value.as_chunks_mut::<LANES>();
    let (grads, last_grad) = grad.as_chunks::<LANES>();
    let (means, last_mean) = mean.as_chunks_mut::<LANES>();
    let (squares, last_square) = square.as_chunks_mut::<LANES>();
    for (((value, grad), mean), square) in values.iter_mut().zip(grads).zip(means).zip(squares) {
        rule.apply(value, grad, mean, square);
    }
    let rest = last_value.len();
    if rest > 0 {
        let whole = |part: &[f32]| simd::load_part(part, 0.0).to_array();
        let (mut value, mut mean, mut square) =
            (whole(last_value), whole(last_mean), whole(last_square));
        rule.apply(&mut value, &whole(last_grad), &mut mean, &mut square);
        last_value.copy_from_slice(&value[..rest]);
        last_mean.copy_from_slice(&mean[..rest]);
        last_square.copy_from_slice(&square[..rest]);
    }
}

/// The constants of one step in vectors.
struct Rule {
    beta1: F32s,
    beta2: F32s,
    /// `1 - beta1`, `1 - beta2`.
    rest1: F32s,
    rest2: F32s,
    /// `rate / (1 - beta1^t)`.
    rate: F32s,
    /// `1 / (1 - beta2^t)`.
    correction: F32s,
    eps: F32s,
    /// `1 - rate decay`.
    keep: F32s,
}

impl Rule {
    fn new(settings: Settings, step: i32) -> Self {
        let Settings {
            rate,
            beta1,
            beta2,
            eps,
            decay,
        } = settings;
        let wide = [rate, beta1, beta2, decay].map(f64::from);
        let [rate, wide1, wide2, decay] = wide;
        let splat = |number: f64| F32s::splat(number as f32);
        Self {
            beta1: F32s::splat(beta1),
            beta2: F32s::splat(beta2),
            rest1: splat(1.0 - wide1),
            rest2: splat(1.0 - wide2),
            rate: splat(rate / (1.0 - wide1.powi(step))),
            correction: splat(1.0 / (1.0 - wide2.powi(step))),
            eps: F32s::splat(eps),
            keep: splat(1.0 - rate * decay),
        }
    }

    #[inline(always)]
    fn apply(
        &self,
        value: &mut [f32; LANES],
        grad: &[f32; LANES],
        mean: &mut [f32; LANES],
        square: &mut [f32; LANES],
    ) {
        let g = simd::load(grad);
        let m = simd::load(mean).mul_add(self.beta1, g * self.rest1);
        let v = simd::load(square).mul_add(self.beta2, g * g * self.rest2);
        // The root keeps the processor's divider busy; a division beside it would double the time.
        let inverse = vmath::recip((v * self.correction).sqrt() + self.eps);
        let w = (m * self.rate).mul_neg_add(inverse, simd::load(value) * self.keep);
        *mean = m.to_array();
        *square = v.to_array();
        *value = w.to_array();
    }
}

#[cfg(test)]
mod tests {
    use super::super::param::Param;
    use super::*;
    use crate::check::{assert_close, numbers};

    struct Two(Param, Param);

    impl Trainable for Two {
        fn visit(&mut self, f: &mut dyn FnMut(&mut Param)) {
            f(&mut self.0);
            f(&mut self.1);
        }
    }

    /// One parameter by the formula.
    fn by_formula(start: f32, gradients: &[f32], settings: Settings) -> f32 {
        let [rate, b1, b2, eps, decay] = [
            settings.rate,
            settings.beta1,
            settings.beta2,
            settings.eps,
            settings.decay,
        ]
        .map(f64::from);
        let (mut w, mut m, mut v) = (f64::from(start), 0.0, 0.0);
        for (step, &g) in (1..).zip(gradients) {
            let g = f64::from(g);
            m = b1 * m + (1.0 - b1) * g;
            v = b2 * v + (1.0 - b2) * g * g;
            let (m_hat, v_hat) = (m / (1.0 - b1.powi(step)), v / (1.0 - b2.powi(step)));
            w -= rate * (m_hat / (v_hat.sqrt() + eps) + decay * w);
        }
        w as f32
    }

    #[test]
    fn steps_are_those_of_the_formula() {
        let settings = Settings {
            rate: 0.05,
            decay: 0.1,
            ..Settings::default()
        };
        let (matrix, vector) = (numbers(67, 1, 1.0), numbers(5, 2, 1.0));
        let mut model = Two(
            Param::new(Tensor::from_slice(&[1, 67], &matrix)),
            Param::new(Tensor::from_slice(&[5], &vector)),
        );
        let mut optimizer = AdamW::new(settings, &mut model);
        // Gradients of many sizes, with 0 in one place, where only the decay changes the weight.
        let gradients: Vec<Vec<f32>> = (0..9)
            .map(|step| {
                let mut gradient = numbers(67, 60 + step, 1.0);
                gradient
                    .iter_mut()
                    .zip(0..)
                    .for_each(|(g, i)| *g *= 10.0_f32.powi(-(i % 6)));
                gradient[3] = 0.0;
                gradient
            })
            .collect();
        let of = |i: usize| {
            gradients
                .iter()
                .map(|gradient| gradient[i])
                .collect::<Vec<f32>>()
        };
        // Twice, with a reset between: both runs must give the same result.
        for _ in 0..2 {
            model.0.value.as_mut_slice().copy_from_slice(&matrix);
            model.1.value.as_mut_slice().copy_from_slice(&vector);
            optimizer.reset();
            for gradient in &gradients {
                model.0.grad.as_mut_slice().copy_from_slice(gradient);
                model.1.grad.as_mut_slice().copy_from_slice(&gradient[..5]);
                optimizer.step(&mut model, Resources::POOLED);
            }
            let expected: Vec<f32> = (0..67)
                .map(|i| by_formula(matrix[i], &of(i), settings))
                .collect();
            assert_close(model.0.value.as_slice(), &expected, 2e-6, "matrix");
            let settings = Settings {
                decay: 0.0,
                ..settings
            };
            let expected: Vec<f32> = (0..5)
                .map(|i| by_formula(vector[i], &of(i), settings))
                .collect();
            assert_close(model.1.value.as_slice(), &expected, 2e-6, "vector");
        }
    }

    #[test]
    fn pieces_change_nothing() {
        let len = 100_003;
        let [one, many] = [Threads::One, Threads::RayonPool].map(|threads| {
            let param = || Param::new(Tensor::random(&[1, len], 1));
            let mut model = Two(param(), param());
            let mut optimizer = AdamW::new(Settings::default(), &mut model);
            for step in 0..3 {
                model.0.grad = Tensor::random(&[1, len], 2 + step);
                optimizer.step(
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

    #[test]
    fn first_step_is_as_long_as_the_rate() {
        let (mut value, mut mean, mut square) = ([0.0; 3], [0.0; 3], [0.0; 3]);
        let moments = Moments {
            mean: &mut mean,
            square: &mut square,
        };
        update(
            &mut value,
            &[1e-3, -7.0, 0.0],
            moments,
            Settings::default(),
            1,
        );
        assert_close(&value, &[-1e-3, 1e-3, 0.0], 1e-7, "first step");
    }
}
