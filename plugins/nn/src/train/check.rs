//! Comparison of gradients with central finite differences of the `f64` reference, used by the
//! tests of all layers.

use super::param::Trainable;
use crate::check::{assert_close, numbers};

/// An input, and a gradient for the backward pass.
pub struct Case {
    pub x: Vec<f32>,
    pub dy: Vec<f32>,
}

/// A forward pass in `f64`: from input and parameters, in the order in which they are visited, to
/// the result.
type Forward<'a> = &'a dyn Fn(&[f64], &[Vec<f64>]) -> Vec<f64>;

impl Case {
    pub fn new(inputs: usize, outputs: usize) -> Self {
        Self {
            x: numbers(inputs, 21, 1.5),
            dy: numbers(outputs, 22, 1.0),
        }
    }

    /// Panics unless `y` is the result of `forward`, and `dx` and the model's gradients are the
    /// derivatives of `sum of dy[i] y[i]`.
    ///
    /// The tolerance is relative to the largest number of each tensor: a sum has the rounding
    /// errors of its terms, however small it is itself.
    pub fn check(
        &mut self,
        model: &mut dyn Trainable,
        y: &[f32],
        dx: &[f32],
        tolerance: f32,
        forward: Forward<'_>,
    ) {
        let mut points = vec![wide(&self.x)];
        let mut gradients = vec![dx.to_vec()];
        model.visit(&mut |param| {
            points.push(wide(param.value.as_slice()));
            gradients.push(param.grad.as_slice().to_vec());
        });
        let dy = wide(&self.dy);
        assert_near(y, &forward(&points[0], &points[1..]), tolerance, "result");
        let loss = |points: &[Vec<f64>]| dot(&dy, &forward(&points[0], &points[1..]));
        assert_gradients(&mut points, &gradients, tolerance, &loss);
    }
}

/// Panics unless `gradients[i]` are the derivatives of `loss` by the numbers of `points[i]`.
pub fn assert_gradients(
    points: &mut [Vec<f64>],
    gradients: &[Vec<f32>],
    tolerance: f32,
    loss: &dyn Fn(&[Vec<f64>]) -> f64,
) {
    const STEP: f64 = 1e-5;
    for (tensor, gradient) in gradients.iter().enumerate() {
        let mut expected = Vec::new();
        for i in 0..points[tensor].len() {
            let middle = points[tensor][i];
            let mut at = |offset: f64| {
                points[tensor][i] = middle + offset;
                let loss = loss(points);
                points[tensor][i] = middle;
                loss
            };
            expected.push((at(STEP) - at(-STEP)) / (2.0 * STEP));
        }
        assert_near(
            gradient,
            &expected,
            tolerance,
            &format!("gradient of tensor {tensor}"),
        );
    }
}

/// Panics unless all numbers agree within `tolerance`, relative to the largest of them (or to 1e-3,
/// if all are smaller: a gradient that is 0 by symmetry has nothing to be relative to).
pub fn assert_near(actual: &[f32], expected: &[f64], tolerance: f32, what: &str) {
    let expected: Vec<f32> = expected.iter().map(|&v| v as f32).collect();
    let largest = expected.iter().fold(1e-3_f32, |max, v| max.max(v.abs()));
    assert_close(actual, &expected, tolerance * largest, what);
}

/// Adds different numbers to all parameters, so that none is 0 or 1 everywhere.
pub fn shake(model: &mut dyn Trainable) {
    let mut seed = 100;
    model.visit(&mut |param| {
        let noise = numbers(param.value.as_slice().len(), seed, 0.3);
        crate::elementwise::add_in_place(param.value.as_mut_slice(), &noise);
        // Gradients are overwritten, so their old values must not matter.
        param.grad.as_mut_slice().fill(f32::NAN);
        seed += 1;
    });
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
