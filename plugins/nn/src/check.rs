//! Shared parts of the tests of all kernels: sizes, inputs, and a comparison that reports the place
//! of a failure.

use crate::rng::Rng;
use crate::simd::LANES;

/// Returns lengths around the vector width, primes, and the sizes that workloads use.
pub fn lengths() -> Vec<usize> {
    vec![
        0,
        1,
        2,
        3,
        LANES - 1,
        LANES,
        LANES + 1,
        2 * LANES - 1,
        31,
        61,
        64,
        97,
        4 * LANES,
        4 * LANES + 5,
        127,
        128,
        251,
        256,
        509,
        512,
    ]
}

/// Returns reproducible numbers in `[-scale, scale)`.
pub fn numbers(len: usize, seed: u64, scale: f32) -> Vec<f32> {
    let mut values = vec![0.0; len];
    Rng::new(seed).fill(&mut values);
    values.iter_mut().for_each(|v| *v *= scale);
    values
}

/// Copies `values` behind one leading number, so that `&copy[1..]` is not aligned to more than four
/// bytes.
pub fn unaligned(values: &[f32]) -> Vec<f32> {
    let mut copy = vec![0.0];
    copy.extend_from_slice(values);
    copy
}

/// Panics unless every number is within `tolerance` (absolute) of the expected number; equal
/// infinities and NaNs pass.
pub fn assert_close(actual: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: length");
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let same = a == e || (a.is_nan() && e.is_nan());
        assert!(
            same || (a - e).abs() <= tolerance,
            "{what}: [{i}] is {a:e}, expected {e:e} +- {tolerance:e}"
        );
    }
}
