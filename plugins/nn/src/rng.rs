//! Reproducible pseudo-random numbers for filling inputs and weights.

/// SplitMix64: a small generator whose whole state is one counter, so that equal seeds give equal
/// inputs everywhere.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. Not for
/// cryptography.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// Starts the sequence that belongs to `seed`; every seed is valid, 0 included.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns the next 64 uniformly distributed bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns the next number, uniform in `[-1, 1)` on a grid of 2^24 values that `f32` represents
    /// exactly.
    pub const fn next_f32(&mut self) -> f32 {
        // An f32 represents 24 bits without rounding; rounding could produce the excluded 1.0.
        let grid = (self.next_u64() >> 40) as f32;
        grid / 8_388_608.0 - 1.0
    }

    /// Overwrites `values` with numbers uniform in `[-1, 1)`.
    pub fn fill(&mut self, values: &mut [f32]) {
        for value in values {
            *value = self.next_f32();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_is_the_published_one() {
        // First outputs of the reference implementation for seed 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_are_inside_the_interval_and_balanced() {
        let mut values = vec![0.0; 100_000];
        Rng::new(7).fill(&mut values);
        assert!(values.iter().all(|v| (-1.0..1.0).contains(v)));
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / 100_000.0;
        assert!(mean.abs() < 0.01, "mean {mean}");
    }
}
