//! Vectorised `exp`, `tanh` and `erf`.
//!
//! Coefficients are minimax fits of our own (iteratively reweighted least squares on Chebyshev
//! nodes, 40 digits). The errors stated with the functions are those found by the tests, over dense
//! grids, against `f64`.

use std::f32::consts::{FRAC_2_SQRT_PI, LOG2_E};

use crate::simd::{self, F32s, U32s};

/// Writes `e^x` for every number of `x` to `out`, with a relative error of at most 2e-7.
///
/// Below -87.6 the result is 0 (the true value is no normal `f32`), above 88.3 it is infinite (the
/// true value reaches the largest `f32` at 88.72). NaN gives NaN.
///
/// # Panics
/// When the slices differ in length.
pub fn exp(x: &[f32], out: &mut [f32]) {
    check_lengths(x, out);
    simd::map(x, out, exp_lanes);
}

/// Writes `tanh x` for every number of `x` to `out`, with a relative error of at most 4e-7. NaN
/// gives NaN.
///
/// # Panics
/// When the slices differ in length.
pub fn tanh(x: &[f32], out: &mut [f32]) {
    check_lengths(x, out);
    simd::map(x, out, tanh_lanes);
}

/// Writes the error function `2/sqrt(pi) * integral of e^(-t^2) from 0 to x` for every number of
/// `x` to `out`, with a relative error of at most 5e-7. NaN gives NaN.
///
/// # Panics
/// When the slices differ in length.
pub fn erf(x: &[f32], out: &mut [f32]) {
    check_lengths(x, out);
    simd::map(x, out, erf_lanes);
}

#[track_caller]
fn check_lengths(x: &[f32], out: &[f32]) {
    assert!(
        x.len() == out.len(),
        "`x` holds {} numbers, `out` {}",
        x.len(),
        out.len()
    );
}

/// `e^x` for every lane; see [`exp`].
#[inline(always)]
pub(crate) fn exp_lanes(x: F32s) -> F32s {
    // `fast_clamp` keeps a NaN. The bounds round to the powers -127 and 128, which become 0 and
    // infinity below.
    exp_in_range(x.fast_clamp(F32s::splat(-87.9), F32s::splat(88.7)))
}

/// `e^x` for lanes in `[-87.9, 88.7]` or NaN.
///
/// `x = n ln 2 + r` with integer `n` and `|r| <= ln 2 / 2`; then `e^x = 2^n e^r`.
#[inline(always)]
pub(crate) fn exp_in_range(x: F32s) -> F32s {
    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the lowest mantissa bits; the
    // 127 added with it is the exponent's bias, so shifting these bits up by 23 gives 2^n without a
    // conversion. Multiplying by 2^n instead of adding n to the exponent costs the same and keeps
    // NaN a NaN.
    const MAGIC: f32 = 12_582_912.0 + 127.0;
    // ln 2 in two parts, the first so short that n times it is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // (e^r - 1 - r) / r^2, lowest power first; error of e^r 3e-9.
    const C: [f32; 5] = [
        0.499_999_93,
        0.166_665_2,
        0.041_668_4,
        0.008_368_857,
        0.001_381_430_8,
    ];

    let shifted = x.mul_add(F32s::splat(LOG2_E), F32s::splat(MAGIC));
    let n = shifted - F32s::splat(MAGIC);
    let r = n.mul_neg_add(F32s::splat(LN2_HIGH), x);
    let r = n.mul_neg_add(F32s::splat(LN2_LOW), r);
    let q = horner(r, &C);
    let e_r = (r * r).mul_add(q, r + F32s::splat(1.0));
    let bits: U32s = wide::bytemuck::cast(shifted);
    let power: F32s = wide::bytemuck::cast(bits << 23_u32);
    e_r * power
}

/// `tanh x` for every lane; see [`tanh`].
#[inline(always)]
pub(crate) fn tanh_lanes(x: F32s) -> F32s {
    // Beyond 9, tanh x is as good as +-1.
    const P: [f32; 5] = [
        1.0,
        0.133_774_27,
        0.003_491_312_4,
        2.053_862_3e-5,
        1.325_675_5e-8,
    ];
    const Q: [f32; 5] = [1.0, 0.467_107_42, 0.025_860_72, 3.278_638_6e-4, 7.736_55e-7];
    hold(odd_rational(hold(x, 9.02), &P, &Q), 1.0)
}

/// `erf x` for every lane; see [`erf`].
#[inline(always)]
pub(crate) fn erf_lanes(x: F32s) -> F32s {
    // Beyond 4, erf x is as good as +-1.
    const P: [f32; 6] = [
        FRAC_2_SQRT_PI,
        0.193_550_21,
        0.053_102_173,
        0.003_883_466_7,
        2.845_522_8e-4,
        1.986_548e-6,
    ];
    const Q: [f32; 6] = [
        1.0,
        0.504_861_97,
        0.115_351_89,
        0.015_207_548,
        0.001_185_568,
        3.741_698_8e-5,
    ];
    hold(odd_rational(hold(x, 4.0), &P, &Q), 1.0)
}

/// `x P(x^2) / Q(x^2)`.
#[inline(always)]
fn odd_rational<const N: usize, const D: usize>(x: F32s, p: &[f32; N], q: &[f32; D]) -> F32s {
    let square = x * x;
    x * horner(square, p) * recip(horner(square, q))
}

/// Limits every lane to the distance `bound` from 0; NaN stays NaN.
#[inline(always)]
fn hold(x: F32s, bound: f32) -> F32s {
    x.fast_clamp(F32s::splat(-bound), F32s::splat(bound))
}

/// `c[0] + c[1] x + c[2] x^2 + ..`
#[inline(always)]
pub(crate) fn horner<const N: usize>(x: F32s, c: &[f32; N]) -> F32s {
    let mut sum = F32s::splat(c[N - 1]);
    for &c in c[..N - 1].iter().rev() {
        sum = sum.mul_add(x, F32s::splat(c));
    }
    sum
}

/// `1 / d` for lanes from 1 to about 1e30, or NaN, with a relative error of at most 2e-7.
///
/// The processor's estimate (12 or 14 bits) and one Newton step: division keeps a whole unit busy
/// for twice as long as the rest of an activation takes.
#[inline(always)]
pub(crate) fn recip(d: F32s) -> F32s {
    let estimate = recip_estimate(d);
    let error = d.mul_neg_add(estimate, F32s::splat(1.0));
    estimate.mul_add(error, estimate)
}

#[cfg(all(target_arch = "x86_64", target_feature = "avx512f"))]
#[inline(always)]
fn recip_estimate(d: F32s) -> F32s {
    // `wide` uses a division here, because its own dependency lacks this instruction.
    // SAFETY: the instruction belongs to AVX-512F, and this function is compiled for that only.
    F32s::from(unsafe { std::arch::x86_64::_mm512_rcp14_ps(d.into()) })
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "avx512f")))]
#[inline(always)]
fn recip_estimate(d: F32s) -> F32s {
    d.recip()
}

/// The same functions in `f64`, for comparison.
pub mod reference {
    use std::f64::consts::PI;

    /// The error function, to about 1e-15.
    ///
    /// Below 3 the Taylor series `2/sqrt(pi) * sum of (-1)^n x^(2n+1) / (n! (2n+1))`, above it the
    /// continued fraction of the complement, `e^(-x^2)/sqrt(pi) * 1/(x + 1/2/(x + 1/(x + 3/2/(x +
    /// ..))))`.
    pub fn erf(x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        let a = x.abs();
        let value = if a < 3.0 {
            2.0 / PI.sqrt() * series(a)
        } else {
            1.0 - (-a * a).exp() / PI.sqrt() / fraction(a)
        };
        value.copysign(x)
    }

    fn series(x: f64) -> f64 {
        let mut power = x;
        let mut sum = x;
        for n in 1..80 {
            power *= -x * x / f64::from(n);
            sum += power / f64::from(2 * n + 1);
        }
        sum
    }

    fn fraction(x: f64) -> f64 {
        if x > 30.0 {
            return x;
        }
        (1..60)
            .rev()
            .fold(x, |tail, n| x + f64::from(n) / 2.0 / tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::assert_close;

    /// A dense grid over `[low, high]` in both signs' normal range, with everything special added.
    fn grid(low: f32, high: f32) -> Vec<f32> {
        let mut x: Vec<f32> = (0..=600_000)
            .map(|i| low + (high - low) * (i as f32 / 6e5))
            .collect();
        for exponent in -37..=0 {
            x.extend([10.0_f32.powi(exponent), -(10.0_f32.powi(exponent))]);
        }
        x.extend([0.0, -0.0]);
        x
    }

    fn largest_relative_error(
        x: &[f32],
        fast: fn(&[f32], &mut [f32]),
        exact: impl Fn(f64) -> f64,
    ) -> f64 {
        let mut out = vec![0.0; x.len()];
        fast(x, &mut out);
        let errors = x.iter().zip(&out).map(|(&x, &y)| {
            let exact = exact(f64::from(x));
            if exact == f64::from(y) {
                0.0
            } else {
                ((f64::from(y) - exact) / exact).abs()
            }
        });
        errors.fold(0.0, f64::max)
    }

    #[test]
    fn errors_are_as_stated() {
        let exp_error = largest_relative_error(&grid(-87.3, 88.3), exp, f64::exp);
        let tanh_error = largest_relative_error(&grid(-12.0, 12.0), tanh, f64::tanh);
        let erf_error = largest_relative_error(&grid(-6.0, 6.0), erf, reference::erf);
        println!("exp {exp_error:e} tanh {tanh_error:e} erf {erf_error:e}");
        assert!(exp_error <= 2e-7, "exp {exp_error:e}");
        assert!(tanh_error <= 4e-7, "tanh {tanh_error:e}");
        assert!(erf_error <= 5e-7, "erf {erf_error:e}");
    }

    #[test]
    fn ends_of_the_domain() {
        let x = [
            f32::NEG_INFINITY,
            -1e30,
            -100.0,
            100.0,
            1e30,
            f32::INFINITY,
            f32::NAN,
        ];
        // A NaN with low payload bits, which would disturb the exponent if they were shifted into
        // it.
        let odd_nan = f32::from_bits(0x7FC0_0001);
        let mut out = [0.0; 7];
        exp(&x, &mut out);
        assert_eq!(
            out[..6],
            [0.0, 0.0, 0.0, f32::INFINITY, f32::INFINITY, f32::INFINITY]
        );
        assert!(out[6].is_nan());
        for f in [tanh, erf] {
            f(&x, &mut out);
            assert_close(
                &out[..6],
                &[-1.0, -1.0, -1.0, 1.0, 1.0, 1.0],
                f32::EPSILON,
                "saturation",
            );
            assert!(out[..6].iter().all(|v| v.abs() <= 1.0));
            assert!(out[6].is_nan());
        }
        for f in [exp, tanh, erf] {
            f(&[odd_nan], &mut out[..1]);
            assert!(out[0].is_nan());
        }
    }

    #[test]
    fn reference_erf_agrees_with_tables() {
        // Abramowitz and Stegun, table 7.1, and erfc(3), erfc(4).
        for (x, y) in [
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (2.0, 0.995_322_265_0),
        ] {
            assert!(
                (reference::erf(x) - y).abs() < 1e-10,
                "erf({x}) = {}",
                reference::erf(x)
            );
            assert!((reference::erf(-x) + y).abs() < 1e-10);
        }
        assert!((1.0 - reference::erf(3.0) - 2.209_049_699_858_5e-5).abs() < 1e-15);
        assert!((1.0 - reference::erf(4.0) - 1.541_725_790_028e-8).abs() < 1e-15);
    }
}
