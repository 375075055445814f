//! Softmax over the rows of a matrix: `y[i] = e^(x[i] - max) / sum of e^(x[j] - max)`.
//!
//! Subtracting the row's largest number changes nothing but keeps every exponential at or below 1.
//! What the formula gives for special values holds here too: -inf gives exactly 0 (a masked
//! position); a row of nothing but -inf, and a row that holds +inf or NaN, has no distribution and
//! becomes all NaN. A row of one finite number becomes 1, and a row of no numbers stays one.
//! Relative error of a result at most 1e-6; results below 1e-38 are 0.

use crate::shape::Rows;
use crate::simd::{self, Ends, F32s};
use crate::vmath;

/// Writes the softmax of every row of `x` to `out`, both `[rows, cols]`.
///
/// # Panics
/// When a slice does not hold `rows * cols` numbers.
pub fn softmax(x: &[f32], out: &mut [f32], dims: Rows) {
    dims.check("x", x);
    dims.check("out", out);
    if dims.is_empty() {
        return;
    }
    for (x, out) in x
        .chunks_exact(dims.cols)
        .zip(out.chunks_exact_mut(dims.cols))
    {
        let max = max(x);
        let sum = exponentials(x, out, max);
        divide(out, sum);
    }
}

/// Replaces every row of `x`, `[rows, cols]`, by its softmax.
///
/// # Panics
/// When the slice does not hold `rows * cols` numbers.
pub fn softmax_in_place(x: &mut [f32], dims: Rows) {
    dims.check("x", x);
    if dims.is_empty() {
        return;
    }
    for row in x.chunks_exact_mut(dims.cols) {
        let max = max(row);
        let sum = exponentials_in_place(row, max);
        divide(row, sum);
    }
}

/// Writes the softmax of every row to `out`, in `f64` and by the formula.
///
/// # Panics
/// As [`softmax`].
pub fn reference(x: &[f32], out: &mut [f32], dims: Rows) {
    dims.check("x", x);
    dims.check("out", out);
    if dims.is_empty() {
        return;
    }
    for (x, out) in x
        .chunks_exact(dims.cols)
        .zip(out.chunks_exact_mut(dims.cols))
    {
        let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exponential = |x: f32| (f64::from(x) - f64::from(max)).exp();
        let sum: f64 = x.iter().map(|&x| exponential(x)).sum();
        for (x, out) in x.iter().zip(out) {
            *out = (exponential(*x) / sum) as f32;
        }
    }
}

fn max(x: &[f32]) -> f32 {
    let ends = Ends {
        start: f32::NEG_INFINITY,
        padding: f32::NEG_INFINITY,
    };
    simd::reduce_max(simd::fold(x, ends, F32s::fast_max, F32s::fast_max))
}

/// Writes `e^(x - max)` to `out` and returns the sum.
fn exponentials(x: &[f32], out: &mut [f32], max: f32) -> f32 {
    let (chunks, rest) = x.as_chunks();
    let (out_chunks, out_rest) = out.as_chunks_mut();
    let mut sum = F32s::splat(0.0);
    for (chunk, out) in chunks.iter().zip(out_chunks) {
        let e = exp_below_zero(simd::load(chunk), max);
        sum += e;
        *out = e.to_array();
    }
    if !rest.is_empty() {
        sum += last_exponentials(rest, out_rest, max);
    }
    sum.reduce_add()
}

/// Replaces `x` by `e^(x - max)` and returns the sum.
fn exponentials_in_place(x: &mut [f32], max: f32) -> f32 {
    let (chunks, rest) = x.as_chunks_mut();
    let mut sum = F32s::splat(0.0);
    for chunk in chunks {
        let e = exp_below_zero(simd::load(chunk), max);
        sum += e;
        *chunk = e.to_array();
    }
    if !rest.is_empty() {
        let mut copy = [0.0; simd::LANES];
        let copy = &mut copy[..rest.len()];
        copy.copy_from_slice(rest);
        sum += last_exponentials(copy, rest, max);
    }
    sum.reduce_add()
}

/// Computes the part of a row that fills no vector. The lanes beyond it read -inf and thus add 0 to
/// the sum.
#[inline(always)]
fn last_exponentials(x: &[f32], out: &mut [f32], max: f32) -> F32s {
    let e = exp_below_zero(simd::load_part(x, f32::NEG_INFINITY), max);
    out.copy_from_slice(&e.to_array()[..out.len()]);
    e
}

/// `e^(x - max)`, where the difference is not positive: one bound is enough.
#[inline(always)]
fn exp_below_zero(x: F32s, max: f32) -> F32s {
    vmath::exp_in_range(F32s::splat(-87.9).fast_max(x - F32s::splat(max)))
}

fn divide(row: &mut [f32], sum: f32) {
    let factor = F32s::splat(1.0 / sum);
    simd::map_in_place(row, |v| v * factor);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, lengths, numbers, unaligned};

    fn check(x: &[f32], dims: Rows) {
        let mut expected = vec![0.0; x.len()];
        reference(x, &mut expected, dims);
        let copy = unaligned(x);
        let mut out = unaligned(x);
        softmax(&copy[1..], &mut out[1..], dims);
        for row in 0..dims.rows {
            let range = row * dims.cols..(row + 1) * dims.cols;
            let largest = expected[range.clone()].iter().copied().fold(0.0, f32::max);
            assert_close(
                &out[1..][range.clone()],
                &expected[range],
                1e-6 * largest,
                "softmax",
            );
        }
        let mut in_place = unaligned(x);
        softmax_in_place(&mut in_place[1..], dims);
        assert_close(&in_place[1..], &out[1..], 0.0, "in place");
    }

    #[test]
    fn lengths_all_agree_with_the_reference() {
        for cols in lengths() {
            for rows in [0, 1, 3] {
                for scale in [1.0, 30.0, 1000.0] {
                    check(&numbers(rows * cols, 5, scale), Rows { rows, cols });
                }
            }
        }
    }

    #[test]
    fn masked_positions_are_zero() {
        let inf = f32::INFINITY;
        let mut x = [1.0, -inf, 2.0, -inf, -inf];
        check(&x, Rows { rows: 1, cols: 5 });
        softmax_in_place(&mut x, Rows { rows: 1, cols: 5 });
        assert_eq!((x[1], x[3], x[4]), (0.0, 0.0, 0.0));
    }

    #[test]
    fn row_without_a_distribution_is_nan_and_its_neighbours_are_not() {
        let inf = f32::INFINITY;
        for bad in [[-inf; 3], [0.0, inf, 0.0], [0.0, f32::NAN, 0.0]] {
            let mut x = [[0.0; 3], bad, [0.0; 3]].concat();
            softmax_in_place(&mut x, Rows { rows: 3, cols: 3 });
            assert!(x[3..6].iter().all(|v| v.is_nan()), "{bad:?}: {x:?}");
            assert!(
                x[..3]
                    .iter()
                    .chain(&x[6..])
                    .all(|v| (v - 1.0 / 3.0).abs() < 1e-6),
                "{bad:?}: {x:?}"
            );
        }
    }

    #[test]
    fn row_of_one_number_is_certain() {
        for value in [0.0, -500.0, 1e30] {
            let mut x = [value];
            softmax_in_place(&mut x, Rows { rows: 1, cols: 1 });
            assert_eq!(x, [1.0]);
        }
    }

    #[test]
    #[should_panic(expected = "`out` holds 5 numbers, [2, 3] was asked for")]
    fn wrong_dimensions_are_refused() {
        softmax(&[0.0; 6], &mut [0.0; 5], Rows { rows: 2, cols: 3 });
    }
}
