//! The backward pass of softmax: `dx[i] = y[i] (dy[i] - sum over j of dy[j] y[j])` for each row.

use super::lanes;
use crate::Rows;
use crate::simd::{self, F32s};

/// Replaces every row of `dy`, the gradient of the probabilities `y`, by that of their logits; both
/// `[rows, cols]`.
///
/// A probability of 0 gets gradient 0: masked positions need no mask here.
///
/// # Panics
/// When a slice does not hold `rows * cols` numbers.
pub fn backward_in_place(y: &[f32], dy: &mut [f32], dims: Rows) {
    dims.check("y", y);
    dims.check("dy", dy);
    if dims.is_empty() {
        return;
    }
    for (y, dy) in y
        .chunks_exact(dims.cols)
        .zip(dy.chunks_exact_mut(dims.cols))
    {
        let mut sum = F32s::splat(0.0);
        for c in lanes::starts(dims.cols) {
            sum = lanes::get(y, c).mul_add(lanes::get(dy, c), sum);
        }
        let sum = F32s::splat(sum.reduce_add());
        simd::zip_in_place(dy, y, |dy, y| y * (dy - sum));
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, assert_gradients, dot, wide};
    use super::super::reference;
    use super::*;
    use crate::softmax::softmax;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for (rows, cols) in [(1, 1), (1, 2), (3, 7), (2, 33)] {
            let Case { x, mut dy } = Case::new(rows * cols, rows * cols);
            let weights = wide(&dy);
            let mut y = vec![0.0; x.len()];
            softmax(&x, &mut y, Rows { rows, cols });
            backward_in_place(&y, &mut dy, Rows { rows, cols });
            let forward = |x: &[f64]| {
                x.chunks_exact(cols)
                    .flat_map(reference::softmax)
                    .collect::<Vec<f64>>()
            };
            assert_gradients(&mut [wide(&x)], &[dy], 5e-6, &|x| {
                dot(&weights, &forward(&x[0]))
            });
        }
    }
}
