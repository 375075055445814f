//! Layer normalisation with a backward pass: `y = n gamma + beta`, where `n = (x - mean) f` and
//! `f = 1 / sqrt(variance + eps)`.
//!
//! Backward, for each row and with `g = dy gamma`: `dx = f (g - mean(g) - n mean(g n))`; `dgamma`
//! sums `dy n`, `dbeta` sums `dy` over the rows. Saved are two numbers for each row, mean and f; n
//! is computed again from x.
//!
//! Source: Ba, Kiros, Hinton, "Layer normalization", 2016.

use super::lanes;
use super::param::{Param, Trainable};
use super::resources::Resources;
use crate::layer_norm::{Affine, inverse_deviation, mean, normalise, variance};
use crate::simd::F32s;
use crate::{Rows, Tensor};

/// A normalisation with its learned scale and shift.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// Factor after normalisation, `[cols]`.
    pub gamma: Param,
    /// Summand after that, `[cols]`.
    pub beta: Param,
}

/// Data for the backward pass besides x.
#[derive(Debug)]
pub struct Saved {
    /// Mean of each row, `[rows]`.
    means: Tensor,
    /// `1 / sqrt(variance + eps)` of each row, `[rows]`.
    factors: Tensor,
}

impl LayerNorm {
    /// Makes a normalisation with scale 1 and shift 0.
    pub fn new(cols: usize) -> Self {
        Self {
            gamma: Param::constant(&[cols], 1.0),
            beta: Param::constant(&[cols], 0.0),
        }
    }

    fn cols(&self) -> usize {
        self.gamma.value.shape()[0]
    }

    /// Returns the normalised rows of `x`, `[rows, cols]`.
    ///
    /// # Panics
    /// When `x` does not hold `rows` rows.
    pub fn forward(&self, x: &[f32], rows: usize, on: Resources) -> (Tensor, Saved) {
        let cols = self.cols();
        Rows { rows, cols }.check("x", x);
        let affine = Affine {
            gamma: self.gamma.value.as_slice(),
            beta: self.beta.value.as_slice(),
        };
        let mut y = on.scratch(&[rows, cols]);
        let mut saved = Saved {
            means: on.scratch(&[rows]),
            factors: on.scratch(&[rows]),
        };
        let stats = saved
            .means
            .as_mut_slice()
            .iter_mut()
            .zip(saved.factors.as_mut_slice());
        for ((x, y), (centre, factor)) in x
            .chunks_exact(cols)
            .zip(y.as_mut_slice().chunks_exact_mut(cols))
            .zip(stats)
        {
            *centre = mean(x);
            *factor = inverse_deviation(variance(x, *centre));
            normalise(x, affine, y, *centre, *factor);
        }
        (y, saved)
    }

    /// Writes the gradients of gamma and beta, and returns that of x.
    ///
    /// # Panics
    /// When a slice does not hold as many rows as were saved.
    pub fn backward(&mut self, x: &[f32], saved: &Saved, dy: &[f32], on: Resources) -> Tensor {
        let (rows, cols) = (saved.means.shape()[0], self.cols());
        Rows { rows, cols }.check("x", x);
        Rows { rows, cols }.check("dy", dy);
        let mut dx = on.scratch(&[rows, cols]);
        self.gamma.grad.as_mut_slice().fill(0.0);
        self.beta.grad.as_mut_slice().fill(0.0);
        let stats = saved.means.as_slice().iter().zip(saved.factors.as_slice());
        for (((x, dy), dx), (&mean, &factor)) in x
            .chunks_exact(cols)
            .zip(dy.chunks_exact(cols))
            .zip(dx.as_mut_slice().chunks_exact_mut(cols))
            .zip(stats)
        {
            self.backward_row(x, dy, dx, mean, factor);
        }
        dx
    }

    fn backward_row(&mut self, x: &[f32], dy: &[f32], dx: &mut [f32], mean: f32, factor: f32) {
        let (centre, factor) = (F32s::splat(mean), F32s::splat(factor));
        let gamma = self.gamma.value.as_slice();
        let (dgamma, dbeta) = (
            self.gamma.grad.as_mut_slice(),
            self.beta.grad.as_mut_slice(),
        );
        let (mut sum_g, mut sum_gn) = (F32s::splat(0.0), F32s::splat(0.0));
        for c in lanes::starts(x.len()) {
            // Lanes beyond the row have dy = 0 and add nothing.
            let (n, dy) = ((lanes::get(x, c) - centre) * factor, lanes::get(dy, c));
            let g = dy * lanes::get(gamma, c);
            sum_g += g;
            sum_gn = g.mul_add(n, sum_gn);
            lanes::put(dgamma, c, dy.mul_add(n, lanes::get(dgamma, c)));
            lanes::put(dbeta, c, dy + lanes::get(dbeta, c));
        }
        let cols = x.len() as f32;
        let (mean_g, mean_gn) = (
            F32s::splat(sum_g.reduce_add() / cols),
            F32s::splat(sum_gn.reduce_add() / cols),
        );
        for c in lanes::starts(x.len()) {
            let (n, g) = (
                (lanes::get(x, c) - centre) * factor,
                lanes::get(dy, c) * lanes::get(gamma, c),
            );
            lanes::put(dx, c, (n.mul_neg_add(mean_gn, g) - mean_g) * factor);
        }
    }
}

impl Trainable for LayerNorm {
    fn visit(&mut self, f: &mut dyn FnMut(&mut Param)) {
        f(&mut self.gamma);
        f(&mut self.beta);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, shake};
    use super::super::reference;
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for (rows, cols) in [(1, 1), (1, 2), (3, 7), (2, 16), (5, 33), (2, 67)] {
            let mut layer = LayerNorm::new(cols);
            shake(&mut layer);
            let mut case = Case::new(rows * cols, rows * cols);
            let (y, saved) = layer.forward(&case.x, rows, Resources::POOLED);
            let dx = layer.backward(&case.x, &saved, &case.dy, Resources::POOLED);
            let forward = |x: &[f64], w: &[Vec<f64>]| reference::layer_norm(x, &mut w.iter(), cols);
            // A row of two numbers becomes +-1 wherever it lies, so that its gradient is a
            // difference of equal ones.
            case.check(
                &mut layer,
                y.as_slice(),
                dx.as_slice(),
                if cols == 2 { 1e-3 } else { 1e-5 },
                &forward,
            );
        }
    }
}
