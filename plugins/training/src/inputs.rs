//! Inputs of the workloads.

use nn::Tensor;

/// Creates a tensor of numbers uniform in `[-bound, bound)`; equal seeds give equal tensors.
pub(crate) fn uniform(shape: &[usize], seed: u64, bound: f32) -> Tensor {
    let mut tensor = Tensor::random(shape, seed);
    tensor
        .as_mut_slice()
        .iter_mut()
        .for_each(|number| *number *= bound);
    tensor
}

/// The bound at which uniform numbers have variance 1: the root of 3.
pub(crate) const UNIT_VARIANCE: f32 = 1.732_050_8;

/// Returns the seed of an input beyond the first: a different sequence for each place.
pub(crate) fn seed_of(seed: u64, place: u64) -> u64 {
    seed.wrapping_add(place.wrapping_mul(0x5851_F42D_4C95_7F2D))
}
