//! Losses and their gradients.

use crate::Rows;
use crate::simd::{self, Ends, F32s};
use crate::softmax::softmax;

/// Returns the cross-entropy of logits `[rows, classes]` with one target class for each row, and
/// writes the logits' gradient: `mean over r of -ln p[r, target r]` and `(p - [class is target]) /
/// rows`, where `p = softmax(logits)`.
///
/// The loss is computed from logits, so it is finite where the target's probability underflows.
///
/// # Panics
/// When a slice does not hold the numbers that `dims` asks for, or a target is no class.
pub fn cross_entropy(logits: &[f32], targets: &[u32], gradient: &mut [f32], dims: Rows) -> f32 {
    dims.check("logits", logits);
    dims.check("gradient", gradient);
    let Rows { rows, cols } = dims;
    assert!(
        targets.len() == rows,
        "{} targets were given for {rows} rows",
        targets.len()
    );
    softmax(logits, gradient, dims);
    let mut loss = 0.0;
    let share = 1.0 / rows as f32;
    for ((logits, p), &target) in logits
        .chunks_exact(cols)
        .zip(gradient.chunks_exact_mut(cols))
        .zip(targets)
    {
        let target = target as usize;
        // The largest probability is 1 over the sum of exponentials.
        loss += f64::from(max(logits) - logits[target] - max(p).ln());
        p[target] -= 1.0;
        simd::map_in_place(p, |p| p * F32s::splat(share));
    }
    (loss / rows as f64) as f32
}

/// Returns `1 / (2 rows) * sum of (y - target)^2` and writes the gradient of y, `(y - target) /
/// rows`.
///
/// # Panics
/// When the slices differ in length.
pub fn squared_error(y: &[f32], target: &[f32], gradient: &mut [f32], rows: usize) -> f32 {
    assert!(
        y.len() == target.len() && y.len() == gradient.len(),
        "{} numbers, {} targets",
        y.len(),
        target.len()
    );
    let share = F32s::splat(1.0 / rows as f32);
    simd::zip(y, target, gradient, |y, target| (y - target) * share);
    let ends = Ends {
        start: 0.0,
        padding: 0.0,
    };
    let squares = simd::fold(gradient, ends, |sum, d| d.mul_add(d, sum), |a, b| a + b);
    squares.reduce_add() * rows as f32 / 2.0
}

fn max(row: &[f32]) -> f32 {
    let ends = Ends {
        start: f32::NEG_INFINITY,
        padding: f32::NEG_INFINITY,
    };
    simd::reduce_max(simd::fold(row, ends, F32s::fast_max, F32s::fast_max))
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, assert_gradients, wide};
    use super::super::reference;
    use super::*;

    #[test]
    fn gradients_of_cross_entropy() {
        for (targets, cols) in [
            (&[0_u32][..], 1),
            (&[1], 2),
            (&[3, 0, 16], 17),
            (&[32, 5], 33),
        ] {
            let dims = Rows {
                rows: targets.len(),
                cols,
            };
            let Case { x, .. } = Case::new(dims.len(), 0);
            let mut gradient = vec![f32::NAN; dims.len()];
            let loss = cross_entropy(&x, targets, &mut gradient, dims);
            let slow = |x: &[Vec<f64>]| reference::cross_entropy(&x[0], targets, cols);
            assert!((f64::from(loss) - slow(&[wide(&x)])).abs() < 2e-6, "{loss}");
            assert_gradients(&mut [wide(&x)], &[gradient], 1e-5, &slow);
        }
    }

    #[test]
    fn gradients_of_the_squared_error() {
        for (rows, cols) in [(1, 1), (3, 7), (2, 67)] {
            let Case { x, dy: target } = Case::new(rows * cols, rows * cols);
            let mut gradient = vec![f32::NAN; rows * cols];
            let loss = squared_error(&x, &target, &mut gradient, rows);
            let slow = |x: &[Vec<f64>]| reference::squared_error(&x[0], &wide(&target), rows);
            assert!(
                (f64::from(loss) - slow(&[wide(&x)])).abs() < 1e-6 * f64::from(loss),
                "{loss}"
            );
            assert_gradients(&mut [wide(&x)], &[gradient], 1e-5, &slow);
        }
    }

    #[test]
    fn impossible_target_has_a_finite_loss() {
        let mut gradient = [0.0; 2];
        let loss = cross_entropy(
            &[0.0, 500.0],
            &[0],
            &mut gradient,
            Rows { rows: 1, cols: 2 },
        );
        assert_eq!((loss, gradient), (500.0, [-1.0, 1.0]));
    }
}
