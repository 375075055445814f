//! The backward pass of GELU: `dx = dy g'(x)`.
//!
//! All forms are `x S(x)` with an S for which `S(-x) = 1 - S(x)`, so `g' = S + x S'` has the same
//! symmetry: it is `1/2 + h(|x|)` for positive x and `1/2 - h(|x|)` for negative x, and only h is
//! computed, without overflow. Absolute error of g' at most 1e-6; the largest value of g' is 1.13.
//! NaN gives NaN.

use super::resources::{Resources, Threads};
use crate::Tensor;
use crate::gelu::{Form, gelu};
use crate::simd::{self, F32s};
use crate::vmath;
use rayon::prelude::*;

/// Returns the activation of every number of `x`. The backward pass needs x, and nothing else.
pub fn forward(form: Form, x: &Tensor, on: Resources) -> Tensor {
    let mut y = on.scratch(x.shape());
    let (x, out) = (x.as_slice(), y.as_mut_slice());
    let piece = on.piece(x.len());
    match on.threads {
        Threads::One => gelu(form, x, out),
        Threads::RayonPool => {
            x.par_chunks(piece)
                .zip(out.par_chunks_mut(piece))
                .for_each(|(x, out)| gelu(form, x, out));
        }
    }
    y
}

/// Replaces the gradient of the activation, `dy`, by that of its input, `x`, both of one shape.
///
/// # Panics
/// When the tensors hold different numbers of numbers.
pub fn backward(form: Form, x: &Tensor, dy: &mut Tensor, on: Resources) {
    let (x, dy) = (x.as_slice(), dy.as_mut_slice());
    assert!(
        x.len() == dy.len(),
        "`x` holds {} numbers, `dy` {}",
        x.len(),
        dy.len()
    );
    let piece = on.piece(x.len());
    match on.threads {
        Threads::One => backward_in_place(form, x, dy),
        Threads::RayonPool => {
            let pieces = x.par_chunks(piece).zip(dy.par_chunks_mut(piece));
            pieces.for_each(|(x, dy)| backward_in_place(form, x, dy));
        }
    }
}

/// Replaces every number of `dy`, the gradient of the activation, by that of its input, `x`.
///
/// # Panics
/// When the slices differ in length.
pub fn backward_in_place(form: Form, x: &[f32], dy: &mut [f32]) {
    assert!(
        x.len() == dy.len(),
        "`x` holds {} numbers, `dy` {}",
        x.len(),
        dy.len()
    );
    match form {
        Form::Tanh => simd::zip_in_place(dy, x, |dy, x| dy * odd(x, tanh_form)),
        Form::Erf => simd::zip_in_place(dy, x, |dy, x| dy * odd(x, erf_form)),
        Form::Quick => simd::zip_in_place(dy, x, |dy, x| dy * odd(x, quick_form)),
    }
}

/// `1/2 + sign(x) h(|x|)`.
#[inline(always)]
fn odd(x: F32s, h: impl Fn(F32s) -> F32s) -> F32s {
    let sign = x & F32s::splat(-0.0);
    F32s::splat(0.5) + (h(x.abs()) ^ sign)
}

#[inline(always)]
fn tanh_form(a: F32s) -> F32s {
    // S is the logistic function of z = 2 sqrt(2/pi) (a + 0.044715 a^3). At a = 10, z is 87.3.
    const LINEAR: f32 = 1.595_769;
    const CUBIC: f32 = LINEAR * 0.044_715;
    let a = bounded(a, 10.0);
    let square = a * a;
    let z = square.mul_add(F32s::splat(CUBIC), F32s::splat(LINEAR)) * a;
    let slope = square.mul_add(F32s::splat(3.0 * CUBIC), F32s::splat(LINEAR));
    logistic(a, z, slope)
}

#[inline(always)]
fn quick_form(a: F32s) -> F32s {
    // At a = 51, z is 86.8.
    let a = bounded(a, 51.0);
    logistic(a, a * F32s::splat(1.702), F32s::splat(1.702))
}

/// h for `S = 1 / (1 + e^(-z))`, where `slope` is dz/da: with `s = 1 - S`, `h = 1/2 - s + a s (1 -
/// s) slope`.
#[inline(always)]
fn logistic(a: F32s, z: F32s, slope: F32s) -> F32s {
    let e = vmath::exp_in_range(-z);
    let s = e * vmath::recip(e + F32s::splat(1.0));
    let rise = (a * slope) * s.mul_neg_add(s, s);
    F32s::splat(0.5) - s + rise
}

/// h for the normal distribution function: `erf(a / sqrt 2) / 2 + a e^(-a^2 / 2) / sqrt(2 pi)`.
#[inline(always)]
fn erf_form(a: F32s) -> F32s {
    // At a = 13, the exponent is -84.5.
    let a = bounded(a, 13.0);
    let density = vmath::exp_in_range(a * a * F32s::splat(-0.5)) * F32s::splat(0.398_942_3);
    let half_erf =
        vmath::erf_lanes(a * F32s::splat(std::f32::consts::FRAC_1_SQRT_2)) * F32s::splat(0.5);
    a.mul_add(density, half_erf)
}

/// `min(a, bound)`, NaN for NaN: of two operands the processor's minimum returns the second unless
/// the first is less.
#[inline(always)]
fn bounded(a: F32s, bound: f32) -> F32s {
    F32s::splat(bound).fast_min(a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{lengths, numbers};
    use crate::gelu::reference;

    const FORMS: [Form; 3] = [Form::Tanh, Form::Erf, Form::Quick];

    #[test]
    fn error_is_below_one_millionth_everywhere() {
        let mut x: Vec<f32> = (0..=400_000)
            .map(|i| -20.0 + 40.0 * (i as f32 / 4e5))
            .collect();
        x.extend([-1e-30, 1e-30, -1e-3, 1e-3]);
        for form in FORMS {
            let mut dy = vec![1.0; x.len()];
            backward_in_place(form, &x, &mut dy);
            for (&x, &slope) in x.iter().zip(&dy) {
                let (x, slope, step) = (f64::from(x), f64::from(slope), 1e-5);
                let expected =
                    (reference(form, x + step) - reference(form, x - step)) / (2.0 * step);
                assert!(
                    (slope - expected).abs() <= 1e-6,
                    "{form:?}'({x:e}) = {slope:e}, not {expected:e}"
                );
            }
        }
    }

    #[test]
    fn special_values() {
        for form in FORMS {
            let x = [
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::MAX,
                f32::MIN,
                0.0,
                f32::NAN,
            ];
            let mut dy = [2.0; 6];
            backward_in_place(form, &x, &mut dy);
            for (slope, expected) in dy.iter().zip([2.0, 0.0, 2.0, 0.0, 1.0]) {
                assert!((slope - expected).abs() < 1e-6, "{form:?}: {dy:?}");
            }
            assert!(dy[5].is_nan());
        }
    }

    #[test]
    fn lengths_all_give_the_same_numbers() {
        let (all, ones) = (numbers(600, 1, 5.0), vec![1.0; 600]);
        for form in FORMS {
            let mut whole = ones.clone();
            backward_in_place(form, &all, &mut whole);
            for len in lengths() {
                let mut part = ones[..len].to_vec();
                backward_in_place(form, &all[..len], &mut part);
                assert_eq!(part, whole[..len], "{form:?} {len}");
            }
        }
    }
}
