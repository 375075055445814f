//! GELU, `x Phi(x)` with the normal distribution function `Phi`, elementwise, in its exact and two
//! approximate forms.
//!
//! All forms are computed as `max(x, 0) - |x| s(|x|)`, where `s` falls from 1/2 to 0: it has no
//! cancellation, `x` comes back exactly when it is large, and one bound on `|x|` is all that keeps
//! infinities and overflow out. Absolute error against `f64` at most 1e-6 for results up to 8;
//! beyond, results are those of the formula rounded to `f32`. -inf gives -0 or a number next to it,
//! +inf gives +inf, NaN gives NaN.
//!
//! Source: Hendrycks, Gimpel, "Gaussian error linear units", 2016.

use crate::simd::{self, F32s};
use crate::vmath;

/// Formula of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
    Tanh,
    /// `x/2 (1 + erf(x / sqrt 2))`, the definition.
    Erf,
    /// `x / (1 + e^(-1.702 x))`, up to 0.021 away from the definition.
    Quick,
}

/// Writes the activation of every number of `x` to `out`.
///
/// # Panics
/// When the slices differ in length.
pub fn gelu(form: Form, x: &[f32], out: &mut [f32]) {
    assert!(
        x.len() == out.len(),
        "`x` holds {} numbers, `out` {}",
        x.len(),
        out.len()
    );
    match form {
        Form::Tanh => simd::map(x, out, tanh_form),
        Form::Erf => simd::map(x, out, erf_form),
        Form::Quick => simd::map(x, out, quick_form),
    }
}

/// Replaces every number of `x` by its activation.
pub fn gelu_in_place(form: Form, x: &mut [f32]) {
    match form {
        Form::Tanh => simd::map_in_place(x, tanh_form),
        Form::Erf => simd::map_in_place(x, erf_form),
        Form::Quick => simd::map_in_place(x, quick_form),
    }
}

/// Computes one activation in `f64`, by the formula in [`Form`].
pub fn reference(form: Form, x: f64) -> f64 {
    if x == f64::NEG_INFINITY {
        // The limit. The formulas would multiply infinity by 0.
        return 0.0;
    }
    match form {
        Form::Tanh => {
            x / 2.0
                * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        }
        Form::Erf => x / 2.0 * (1.0 + vmath::reference::erf(x / std::f64::consts::SQRT_2)),
        Form::Quick => x / (1.0 + (-1.702 * x).exp()),
    }
}

#[inline(always)]
fn tanh_form(x: F32s) -> F32s {
    // (1 - tanh u) / 2 = 1 / (1 + e^(2u)), and 2u = 2 sqrt(2/pi) (a + 0.044715 a^3). At a = 10 the
    // exponent is -87.3, the lowest that `exp_in_range` takes.
    const LINEAR: f32 = -1.595_769;
    const CUBIC: f32 = LINEAR * 0.044_715;
    gate(x, 10.0, |a| {
        (a * a).mul_add(F32s::splat(CUBIC), F32s::splat(LINEAR)) * a
    })
}

#[inline(always)]
fn quick_form(x: F32s) -> F32s {
    // At a = 51 the exponent is -86.8.
    gate(x, 51.0, |a| a * F32s::splat(-1.702))
}

/// `x` times the logistic function, whose exponent for `a = |x|` is `-exponent(a)`.
#[inline(always)]
fn gate(x: F32s, bound: f32, exponent: impl Fn(F32s) -> F32s) -> F32s {
    let a = bounded_abs(x, bound);
    let e = vmath::exp_in_range(exponent(a));
    let s = e * vmath::recip(e + F32s::splat(1.0));
    a.mul_neg_add(s, positive_part(x))
}

#[inline(always)]
fn erf_form(x: F32s) -> F32s {
    // Phi(-a) = q(a)^-16 with a polynomial q, fitted so that a Phi(-a) is off by at most 4e-8 up to
    // a = 5.7; from there on it is below 4e-8 itself. One reciprocal and four squarings are cheaper
    // than erf, which costs a longer polynomial above the fraction's bar and another one below, and
    // loses its digits where it is near 1.
    const Q: [f32; 8] = [
        1.044_273_5,
        0.052_079_37,
        0.022_055_088,
        0.003_472_122_2,
        -1.527_815_7e-5,
        8.244_802e-5,
        -3.133_627e-6,
        9.382_697e-7,
    ];
    let a = bounded_abs(x, 5.7);
    let mut s = vmath::recip(vmath::horner(a, &Q));
    for _ in 0..4 {
        s *= s;
    }
    a.mul_neg_add(s, positive_part(x))
}

/// Returns `min(|x|, bound)`, NaN for NaN: of two operands, the processor's minimum returns the
/// second unless the first is less.
#[inline(always)]
fn bounded_abs(x: F32s, bound: f32) -> F32s {
    F32s::splat(bound).fast_min(x.abs())
}

/// Returns `max(x, 0)`, NaN for NaN.
#[inline(always)]
fn positive_part(x: F32s) -> F32s {
    F32s::splat(0.0).fast_max(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{lengths, numbers, unaligned};

    const FORMS: [Form; 3] = [Form::Tanh, Form::Erf, Form::Quick];

    fn check(form: Form, x: &[f32]) -> f64 {
        let mut out = vec![f32::NAN; x.len()];
        gelu(form, x, &mut out);
        let mut worst = 0.0_f64;
        for (&x, &y) in x.iter().zip(&out) {
            let exact = reference(form, f64::from(x));
            let error = (f64::from(y) - exact).abs();
            // An f32 beyond 8 has too few digits for 1e-6; there, the result must be the rounded
            // one.
            assert!(
                error <= 1e-6 || f64::from(y) == f64::from(exact as f32),
                "{form:?}({x:e}) = {y:e}, not {exact:e}"
            );
            worst = worst.max(if exact.abs() < 8.0 { error } else { 0.0 });
        }
        worst
    }

    #[test]
    fn error_is_below_one_millionth_everywhere() {
        let mut grid: Vec<f32> = (0..=2_000_000)
            .map(|i| -20.0 + 40.0 * (i as f32 / 2e6))
            .collect();
        for exponent in -45..=38 {
            for mantissa in [1.0, 1.7, 2.9] {
                let x = mantissa * 10.0_f64.powi(exponent) as f32;
                grid.extend([x, -x]);
            }
        }
        for form in FORMS {
            println!("{form:?}: {:e}", check(form, &grid));
        }
    }

    #[test]
    fn special_values() {
        let x = [
            0.0,
            -0.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
            f32::MIN,
            f32::NAN,
        ];
        for form in FORMS {
            let mut out = [1.0; 7];
            gelu(form, &x, &mut out);
            assert_eq!((out[0], out[1]), (0.0, 0.0), "{form:?}");
            assert_eq!((out[2], out[4]), (f32::INFINITY, f32::MAX), "{form:?}");
            assert!(
                out[3].abs() < 2e-7 && out[5].abs() < 2e-7,
                "{form:?}: {} {}",
                out[3],
                out[5]
            );
            assert!(out[6].is_nan(), "{form:?}");
        }
    }

    #[test]
    fn lengths_and_alignments_all_give_the_same_numbers() {
        for len in lengths() {
            let x = numbers(len, 11, 6.0);
            for form in FORMS {
                check(form, &x);
                let mut expected = vec![0.0; len];
                gelu(form, &x, &mut expected);
                let copy = unaligned(&x);
                let mut out = unaligned(&x);
                gelu(form, &copy[1..], &mut out[1..]);
                assert_eq!(out[1..], expected);
                let mut in_place = unaligned(&x);
                gelu_in_place(form, &mut in_place[1..]);
                assert_eq!(in_place[1..], expected);
            }
        }
    }

    #[test]
    #[should_panic(expected = "`x` holds 2 numbers, `out` 3")]
    fn different_lengths_are_refused() {
        gelu(Form::Erf, &[0.0; 2], &mut [0.0; 3]);
    }
}
