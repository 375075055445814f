//! Layer normalisation: `y[r, c] = (x[r, c] - mean_r) / sqrt(variance_r + eps) * gamma[c] +
//! beta[c]`.
//!
//! Mean and variance (divided by `cols`, not `cols - 1`) are those of row `r`; eps is 1e-5. Two
//! rungs: [`in_passes`] composes whole-tensor operations as an eager framework would, [`fused`]
//! keeps a row in the cache until it is done. Variance is computed from centred numbers, not as a
//! difference of squares, which cancels. A row of one number becomes `beta`. A row that holds NaN
//! or an infinity becomes NaN.
//!
//! Source: Ba, Kiros, Hinton, "Layer normalization", 2016.

use crate::elementwise;
use crate::pool::Pool;
use crate::shape::Rows;
use crate::simd::{self, Ends, F32s};

/// Summand of the variance, so that a constant row does not divide by 0.
pub const EPS: f32 = 1e-5;

/// The learned scale and shift, one number for each column.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// Factor after normalisation, `[cols]`.
    pub gamma: &'a [f32],
    /// Summand after that, `[cols]`.
    pub beta: &'a [f32],
}

impl Affine<'_> {
    #[track_caller]
    fn check(self, dims: Rows) {
        let row = Rows { rows: 1, ..dims };
        row.check("gamma", self.gamma);
        row.check("beta", self.beta);
    }
}

/// Normalises every row of `x` into `out`, both `[rows, cols]`, without allocating.
///
/// Three sweeps over one row, which the first brings into the cache: mean, variance, result.
///
/// # Panics
/// When a slice does not hold the numbers that `dims` asks for.
pub fn fused(x: &[f32], affine: Affine<'_>, out: &mut [f32], dims: Rows) {
    check(x, affine, out, dims);
    if dims.is_empty() {
        return;
    }
    for (x, out) in x
        .chunks_exact(dims.cols)
        .zip(out.chunks_exact_mut(dims.cols))
    {
        let mean = mean(x);
        let factor = inverse_deviation(variance(x, mean));
        normalise(x, affine, out, mean, factor);
    }
}

/// Normalises every row of `x` into `out`, both `[rows, cols]`, as a sequence of operations on
/// whole tensors.
///
/// Each operation but the last creates the tensor of its result through `pool`: the means `[rows]`,
/// the centred matrix `[rows, cols]`, the inverse deviations `[rows]`, the normalised and the
/// scaled matrix `[rows, cols]`.
///
/// # Panics
/// As [`fused`].
pub fn in_passes(x: &[f32], affine: Affine<'_>, out: &mut [f32], dims: Rows, pool: Pool) {
    check(x, affine, out, dims);
    let Rows { rows, cols } = dims;
    if dims.is_empty() {
        return;
    }
    let by_row = |values: &[f32], f: &dyn Fn(&[f32]) -> f32| {
        let mut result = pool.scratch(&[rows]);
        for (row, out) in values.chunks_exact(cols).zip(result.as_mut_slice()) {
            *out = f(row);
        }
        result
    };
    let with_row_number = |values: &[f32], numbers: &[f32], f: fn(F32s, F32s) -> F32s| {
        let mut result = pool.scratch(&[rows, cols]);
        let outs = result.as_mut_slice().chunks_exact_mut(cols);
        for ((row, &number), out) in values.chunks_exact(cols).zip(numbers).zip(outs) {
            simd::map(row, out, |v| f(v, F32s::splat(number)));
        }
        result
    };

    let means = by_row(x, &mean);
    let centred = with_row_number(x, means.as_slice(), |x, mean| x - mean);
    let factors = by_row(centred.as_slice(), &|row| {
        inverse_deviation(variance(row, 0.0))
    });
    let normalised = with_row_number(centred.as_slice(), factors.as_slice(), |x, factor| {
        x * factor
    });
    let mut scaled = pool.scratch(&[rows, cols]);
    let pairs = normalised
        .as_slice()
        .chunks_exact(cols)
        .zip(scaled.as_mut_slice().chunks_exact_mut(cols));
    for (row, scaled) in pairs {
        elementwise::mul(row, affine.gamma, scaled);
    }
    elementwise::broadcast_add(scaled.as_slice(), affine.beta, out, dims);
}

/// Normalises every row of `x` into `out`, in `f64` and by the formula.
///
/// # Panics
/// As [`fused`].
pub fn reference(x: &[f32], affine: Affine<'_>, out: &mut [f32], dims: Rows) {
    check(x, affine, out, dims);
    if dims.is_empty() {
        return;
    }
    let n = dims.cols as f64;
    for (x, out) in x
        .chunks_exact(dims.cols)
        .zip(out.chunks_exact_mut(dims.cols))
    {
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = x
            .iter()
            .map(|&x| (f64::from(x) - mean).powi(2))
            .sum::<f64>()
            / n;
        for c in 0..dims.cols {
            let normalised = (f64::from(x[c]) - mean) / (variance + f64::from(EPS)).sqrt();
            out[c] = (normalised * f64::from(affine.gamma[c]) + f64::from(affine.beta[c])) as f32;
        }
    }
}

#[track_caller]
fn check(x: &[f32], affine: Affine<'_>, out: &[f32], dims: Rows) {
    dims.check("x", x);
    dims.check("out", out);
    affine.check(dims);
}

pub(crate) fn mean(row: &[f32]) -> f32 {
    let sum = simd::fold(
        row,
        Ends {
            start: 0.0,
            padding: 0.0,
        },
        |sum, v| sum + v,
        |a, b| a + b,
    );
    sum.reduce_add() / row.len() as f32
}

/// Returns the mean square distance from `mean`.
pub(crate) fn variance(row: &[f32], mean: f32) -> f32 {
    let centre = F32s::splat(mean);
    let ends = Ends {
        start: 0.0,
        padding: mean,
    };
    let sum = simd::fold(
        row,
        ends,
        |sum, v| (v - centre).mul_add(v - centre, sum),
        |a, b| a + b,
    );
    sum.reduce_add() / row.len() as f32
}

pub(crate) fn inverse_deviation(variance: f32) -> f32 {
    1.0 / (variance + EPS).sqrt()
}

pub(crate) fn normalise(x: &[f32], affine: Affine<'_>, out: &mut [f32], mean: f32, factor: f32) {
    let (centre, factor) = (F32s::splat(mean), F32s::splat(factor));
    let f = |x: F32s, gamma: F32s, beta: F32s| ((x - centre) * factor).mul_add(gamma, beta);
    let (x_chunks, x_rest) = x.as_chunks();
    let (gamma_chunks, gamma_rest) = affine.gamma.as_chunks();
    let (beta_chunks, beta_rest) = affine.beta.as_chunks();
    let (out_chunks, out_rest) = out.as_chunks_mut();
    for (((x, gamma), beta), out) in x_chunks
        .iter()
        .zip(gamma_chunks)
        .zip(beta_chunks)
        .zip(out_chunks)
    {
        *out = f(simd::load(x), simd::load(gamma), simd::load(beta)).to_array();
    }
    if !out_rest.is_empty() {
        let load = |rest| simd::load_part(rest, 0.0);
        let lanes = f(load(x_rest), load(gamma_rest), load(beta_rest)).to_array();
        out_rest.copy_from_slice(&lanes[..out_rest.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, lengths, numbers, unaligned};

    /// Results are of order 1 (gamma and beta are below 1.5), so the tolerance is absolute.
    fn check_all(x: &[f32], dims: Rows, tolerance: f32) {
        let (gamma, beta) = (
            unaligned(&numbers(dims.cols, 8, 1.5)),
            unaligned(&numbers(dims.cols, 9, 1.5)),
        );
        let affine = Affine {
            gamma: &gamma[1..],
            beta: &beta[1..],
        };
        let mut expected = vec![0.0; x.len()];
        reference(x, affine, &mut expected, dims);
        let x = unaligned(x);
        let mut out = unaligned(&expected);
        fused(&x[1..], affine, &mut out[1..], dims);
        assert_close(&out[1..], &expected, tolerance, &format!("fused {dims:?}"));
        for pool in [Pool::On, Pool::Off] {
            out.fill(f32::NAN);
            in_passes(&x[1..], affine, &mut out[1..], dims, pool);
            assert_close(
                &out[1..],
                &expected,
                tolerance,
                &format!("{pool:?} {dims:?}"),
            );
        }
    }

    #[test]
    fn lengths_all_agree_with_the_reference() {
        for cols in lengths() {
            for rows in [0, 1, 4] {
                check_all(&numbers(rows * cols, 3, 2.0), Rows { rows, cols }, 2e-5);
            }
        }
    }

    #[test]
    fn large_offset_does_not_cancel() {
        // A difference of squares would have no correct digit here; at 1e3, f32 has four digits
        // left for x itself.
        let x: Vec<f32> = numbers(256, 4, 1.0).iter().map(|v| v + 1000.0).collect();
        check_all(&x, Rows { rows: 1, cols: 256 }, 2e-3);
    }

    #[test]
    fn constant_row_becomes_beta() {
        let mut out = [0.0; 3];
        fused(
            &[5.0; 3],
            Affine {
                gamma: &[2.0; 3],
                beta: &[1.0, 2.0, 3.0],
            },
            &mut out,
            Rows { rows: 1, cols: 3 },
        );
        assert_eq!(out, [1.0, 2.0, 3.0]);
    }

    #[test]
    fn row_with_nan_is_nan_and_its_neighbour_is_not() {
        let mut out = [0.0; 4];
        let affine = Affine {
            gamma: &[1.0; 2],
            beta: &[0.0; 2],
        };
        fused(
            &[1.0, f32::NAN, 1.0, 2.0],
            affine,
            &mut out,
            Rows { rows: 2, cols: 2 },
        );
        assert!(out[0].is_nan() && out[1].is_nan() && out[2..].iter().all(|v| v.is_finite()));
    }

    #[test]
    #[should_panic(expected = "`gamma` holds 2 numbers, [1, 3] was asked for")]
    fn wrong_dimensions_are_refused() {
        let affine = Affine {
            gamma: &[1.0; 2],
            beta: &[0.0; 3],
        };
        fused(&[0.0; 6], affine, &mut [0.0; 6], Rows { rows: 2, cols: 3 });
    }
}
