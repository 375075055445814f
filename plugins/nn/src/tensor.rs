//! Dense row-major tensors of `f32`.

use std::fmt;

use crate::buffer::{Buffer, Home};
use crate::pool::Pool;
use crate::rng::Rng;
use crate::shape::Shape;

/// Alignment in bytes of every tensor's first number.
pub use crate::buffer::ALIGN;

/// Numbers in row-major order, contiguous and aligned to 64 bytes, with the dimensions that give
/// them meaning.
///
/// A tensor owns its storage: one allocation, or a block that goes back to its [`Pool`] when the
/// tensor is dropped.
pub struct Tensor {
    shape: Shape,
    buffer: Buffer,
}

impl Tensor {
    /// Creates a tensor of zeros with dimensions `shape`, from the global allocator.
    ///
    /// # Panics
    /// When the shape has more than four dimensions or does not fit in memory.
    pub fn zeros(shape: &[usize]) -> Self {
        Pool::Off.zeros(shape)
    }

    /// Creates a tensor that holds a copy of `values`, given in row-major order.
    ///
    /// # Panics
    /// As [`Tensor::zeros`], and when `values` does not hold exactly as many numbers as the shape.
    pub fn from_slice(shape: &[usize], values: &[f32]) -> Self {
        let mut tensor = Self::zeros(shape);
        let len = tensor.as_slice().len();
        assert!(
            values.len() == len,
            "shape {shape:?} holds {len} numbers, {} were given",
            values.len()
        );
        tensor.as_mut_slice().copy_from_slice(values);
        tensor
    }

    /// Creates a tensor of pseudo-random numbers, uniform in `[-1, 1)`; equal seeds give equal
    /// tensors.
    ///
    /// # Panics
    /// As [`Tensor::zeros`].
    pub fn random(shape: &[usize], seed: u64) -> Self {
        let mut tensor = Self::zeros(shape);
        Rng::new(seed).fill(tensor.as_mut_slice());
        tensor
    }

    pub(crate) fn from_parts(shape: Shape, buffer: Buffer) -> Self {
        Self { shape, buffer }
    }

    /// Returns the dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        self.shape.dims()
    }

    /// Returns all numbers in row-major order.
    #[inline]
    pub fn as_slice(&self) -> &[f32] {
        self.buffer.as_slice()
    }

    /// Returns all numbers in row-major order, to be changed.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        self.buffer.as_mut_slice()
    }

    /// Gives the same numbers other dimensions.
    ///
    /// # Panics
    /// When the new shape holds another number of numbers.
    pub fn reshape(mut self, shape: &[usize]) -> Self {
        let new = Shape::new(shape);
        assert!(
            new.len() == self.shape.len(),
            "{:?} cannot be reshaped to {new:?}",
            self.shape
        );
        self.shape = new;
        self
    }
}

impl Clone for Tensor {
    /// Copies the numbers into storage of the same kind: pooled stays pooled.
    fn clone(&self) -> Self {
        let pool = if matches!(self.buffer.home(), Home::Pool(_)) {
            Pool::On
        } else {
            Pool::Off
        };
        let mut copy = pool.scratch(self.shape());
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.as_slice() == other.as_slice()
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All numbers of a large tensor would hide the message in which they are printed.
        let shown = &self.as_slice()[..self.as_slice().len().min(8)];
        write!(f, "Tensor {:?} {shown:?}", self.shape)?;
        if shown.len() < self.as_slice().len() {
            f.write_str("..")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructors_agree_with_their_names() {
        assert_eq!(Tensor::zeros(&[2, 3]).as_slice(), [0.0; 6]);
        let tensor = Tensor::from_slice(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(
            (tensor.shape(), tensor.as_slice()),
            (&[2, 2][..], &[1.0, 2.0, 3.0, 4.0][..])
        );
        assert_eq!(Tensor::random(&[100], 3), Tensor::random(&[100], 3));
        assert_ne!(Tensor::random(&[100], 3), Tensor::random(&[100], 4));
    }

    #[test]
    fn shape_without_dimensions_is_one_number_and_with_a_zero_none() {
        assert_eq!(Tensor::zeros(&[]).as_slice(), [0.0]);
        assert!(Tensor::zeros(&[3, 0, 2]).as_slice().is_empty());
    }

    #[test]
    fn clone_is_independent() {
        for pool in [Pool::On, Pool::Off] {
            let mut tensor = pool.zeros(&[4]);
            let copy = tensor.clone();
            tensor.as_mut_slice()[0] = 1.0;
            assert_eq!(copy.as_slice()[0], 0.0);
        }
    }

    #[test]
    #[should_panic(expected = "shape [2, 2] holds 4 numbers, 3 were given")]
    fn a_wrong_length_is_named() {
        Tensor::from_slice(&[2, 2], &[1.0, 2.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "does not fit in memory")]
    fn impossible_shape_is_refused() {
        Tensor::zeros(&[usize::MAX, 2]);
    }
}
