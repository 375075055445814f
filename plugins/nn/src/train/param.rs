//! Parameters with their gradients, and the interface between models and optimisers.

use super::resources::Resources;
use crate::Tensor;
use crate::rng::Rng;

/// A parameter and the gradient of the last backward pass.
#[derive(Clone, Debug)]
pub struct Param {
    /// The parameter.
    pub value: Tensor,
    /// Its gradient, of the same shape.
    pub grad: Tensor,
}

impl Param {
    /// Takes `value` as a parameter with gradient 0.
    pub fn new(value: Tensor) -> Self {
        let grad = Tensor::zeros(value.shape());
        Self { value, grad }
    }

    /// Creates a parameter of one number everywhere.
    ///
    /// # Panics
    /// As [`Tensor::zeros`].
    pub fn constant(shape: &[usize], number: f32) -> Self {
        let mut value = Tensor::zeros(shape);
        value.as_mut_slice().fill(number);
        Self::new(value)
    }

    /// Creates a parameter of numbers uniform in `[-bound, bound)`.
    ///
    /// # Panics
    /// As [`Tensor::zeros`].
    pub fn uniform(shape: &[usize], bound: f32, rng: &mut Rng) -> Self {
        let mut value = Tensor::zeros(shape);
        rng.fill(value.as_mut_slice());
        value
            .as_mut_slice()
            .iter_mut()
            .for_each(|number| *number *= bound);
        Self::new(value)
    }
}

/// A model or layer with parameters.
pub trait Trainable {
    /// Calls `f` with every parameter, in an order that never changes.
    fn visit(&mut self, f: &mut dyn FnMut(&mut Param));

    /// Returns the number of numbers in the parameters.
    fn parameters(&mut self) -> usize {
        let mut numbers = 0;
        self.visit(&mut |param| numbers += param.value.as_slice().len());
        numbers
    }
}

/// A method of changing parameters by their gradients.
pub trait Optimizer {
    /// Takes one step with every parameter of the model that the optimiser was made for.
    ///
    /// # Panics
    /// When the model's parameters have other shapes than those.
    fn step(&mut self, model: &mut dyn Trainable, on: Resources);

    /// Clears the state of all steps.
    fn reset(&mut self);
}

/// The values of all parameters at one time, for restoring them.
#[derive(Debug)]
pub struct Snapshot {
    values: Vec<Tensor>,
}

impl Snapshot {
    /// Copies the parameters' values.
    pub fn of(model: &mut dyn Trainable) -> Self {
        let mut values = Vec::new();
        model.visit(&mut |param| values.push(param.value.clone()));
        Self { values }
    }

    /// Puts the copied values back, without allocating.
    ///
    /// # Panics
    /// When the model's parameters have other shapes than those that were copied.
    pub fn restore(&self, model: &mut dyn Trainable) {
        let mut values = self.values.iter();
        model.visit(&mut |param| {
            let value = values
                .next()
                .expect("the model has as many parameters as when it was copied");
            param.value.as_mut_slice().copy_from_slice(value.as_slice());
        });
    }
}

/// Returns one tensor of zeros for each parameter, as the state of an optimiser.
pub(super) fn zeros_like(model: &mut dyn Trainable) -> Vec<Tensor> {
    let mut zeros = Vec::new();
    model.visit(&mut |param| zeros.push(Tensor::zeros(param.value.shape())));
    zeros
}

/// Sets the state back to 0.
pub(super) fn clear(tensors: &mut [Tensor]) {
    tensors
        .iter_mut()
        .for_each(|tensor| tensor.as_mut_slice().fill(0.0));
}
