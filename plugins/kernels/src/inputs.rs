//! Inputs of the kernels.

use nn::Tensor;

/// Creates a tensor of numbers uniform in `[-scale, scale)`; equal seeds give equal tensors. No
/// number is so close to 0 that the processor would handle it as a special case.
pub(crate) fn uniform(shape: &[usize], seed: u64, scale: f32) -> Tensor {
    let mut tensor = Tensor::random(shape, seed);
    tensor
        .as_mut_slice()
        .iter_mut()
        .for_each(|number| *number *= scale);
    tensor
}

/// Returns the seed of an input beyond the first: a different sequence for each place.
pub(crate) fn seed_of(seed: u64, place: u64) -> u64 {
    seed.wrapping_add(place.wrapping_mul(0x5851_F42D_4C95_7F2D))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_bounded_and_different() {
        let (a, b) = (
            uniform(&[1000], 1, 4.0),
            uniform(&[1000], seed_of(1, 1), 4.0),
        );
        assert!(a.as_slice().iter().all(|number| number.abs() <= 4.0));
        assert!(a.as_slice().iter().any(|number| number.abs() > 3.0));
        assert_ne!(a.as_slice(), b.as_slice());
        assert_eq!(a.as_slice(), uniform(&[1000], 1, 4.0).as_slice());
    }
}
