//! The number that represents a workload's output in its digest.

use orch_sdk::Digest;

/// A sum over all numbers of an output, and the tolerated difference between two builds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Checksum {
    value: f64,
    tolerance: f64,
}

/// Tolerance for outputs that have the same bits in every build: the error of a conversion to
/// decimals and back.
pub(crate) const EXACT: f64 = 1e-12;

/// A workload whose last iteration left an output.
pub(crate) trait HasChecksum {
    /// Sums up the output of the last iteration.
    fn checksum(&self) -> Checksum;
}

impl Checksum {
    /// Sums the numbers of all `parts`, each with a weight that depends on its place and its sign.
    ///
    /// All terms are positive, so nothing cancels: the relative error of the sum is at most that of
    /// the numbers, and a relative tolerance has a meaning for any size. NaN stays NaN, which fails
    /// the job.
    pub(crate) fn of(parts: &[&[f32]], tolerance: f64) -> Self {
        let numbers = parts.iter().flat_map(|part| part.iter());
        let value = weights()
            .zip(numbers)
            .map(|(weight, &number)| weight * magnitude(number))
            .sum();
        Self { value, tolerance }
    }

    /// Creates the checksum of a sum that the workload computed itself and that is the same in
    /// every build.
    pub(crate) fn exact(value: f64) -> Self {
        Self {
            value,
            tolerance: EXACT,
        }
    }

    /// Creates the checksum of a single number with its tolerance.
    pub(crate) fn number(value: f32, tolerance: f64) -> Self {
        Self {
            value: value.into(),
            tolerance,
        }
    }
}

/// Returns numbers in `[1, 2)` that do not repeat: multiples of the golden ratio, without their
/// whole part.
fn weights() -> impl Iterator<Item = f64> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (0_u32..).map(|place| 1.0 + (f64::from(place) * GOLDEN).fract())
}

/// Returns the absolute value, half as much again below 0, so that a flipped sign is detected.
fn magnitude(number: f32) -> f64 {
    let number = f64::from(number);
    if number < 0.0 { -1.5 * number } else { number }
}

impl From<Checksum> for Digest {
    fn from(checksum: Checksum) -> Self {
        Self::number(checksum.value).tolerance(checksum.tolerance)
    }
}

/// Shared parts of the tests of all workloads: running one iteration, and comparing its results.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Checksum, HasChecksum};
    use orch_sdk::prelude::*;
    use orch_sdk::serde_json::Value;

    impl Checksum {
        /// Whether `orch` would consider the two outputs equal.
        pub(crate) fn agrees(self, other: Self) -> bool {
            let largest = self.value.abs().max(other.value.abs()).max(1.0);
            (self.value - other.value).abs() <= self.tolerance * largest
        }

        /// Returns the difference relative to the tolerance.
        pub(crate) fn distance(self, other: Self) -> f64 {
            let largest = self.value.abs().max(other.value.abs()).max(1.0);
            (self.value - other.value).abs() / (self.tolerance * largest)
        }
    }

    /// Returns an instance that has run one iteration.
    pub(crate) fn after_one<W: Workload>(params: Value) -> W {
        let params = W::Params::from_json(&params).expect("the parameters are valid");
        let mut workload = W::create(params).expect("the workload can be created");
        workload.setup().expect("the workload can be set up");
        workload.run().expect("an iteration succeeds");
        workload
    }

    /// Returns the checksum of one iteration with these parameters.
    pub(crate) fn checksum<W: Workload + HasChecksum>(params: Value) -> Checksum {
        after_one::<W>(params).checksum()
    }

    /// Panics unless all of the parameters give the same result.
    #[track_caller]
    pub(crate) fn assert_same<W: Workload + HasChecksum>(all: &[Value]) {
        let first = checksum::<W>(all[0].clone());
        assert!(first.value != 0.0, "{}: nothing was computed", all[0]);
        for params in &all[1..] {
            let other = checksum::<W>(params.clone());
            assert!(
                first.agrees(other),
                "{} gives {first:?}, {params} gives {other:?}",
                all[0]
            );
        }
    }

    /// Panics if two of the parameters give the same result.
    #[track_caller]
    pub(crate) fn assert_different<W: Workload + HasChecksum>(all: &[Value]) {
        let sums: Vec<Checksum> = all
            .iter()
            .map(|params| checksum::<W>(params.clone()))
            .collect();
        for (i, first) in sums.iter().enumerate() {
            for (j, second) in sums.iter().enumerate().skip(i + 1) {
                assert!(
                    !first.agrees(*second),
                    "{} and {} both give {first:?}",
                    all[i],
                    all[j]
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f32]) -> Checksum {
        Checksum::of(&[numbers], 1e-6)
    }

    #[test]
    fn place_sign_and_value_count() {
        let right = of(&[1.0, 2.0, 3.0]);
        for wrong in [
            [2.0, 1.0, 3.0],
            [1.0, 2.0, -3.0],
            [1.0, 2.0, 3.001],
            [0.0, 2.0, 3.0],
        ] {
            assert!(!right.agrees(of(&wrong)), "{wrong:?}");
        }
    }

    #[test]
    fn rounding_does_not_count() {
        assert!(of(&[1.0, -2.0]).agrees(of(&[1.000_000_1, -2.000_000_2])));
    }

    #[test]
    fn parts_are_one_sequence() {
        assert_eq!(
            Checksum::of(&[&[1.0], &[2.0, 3.0]], 1e-6),
            of(&[1.0, 2.0, 3.0])
        );
    }

    #[test]
    fn nan_is_kept() {
        assert!(of(&[1.0, f32::NAN]).value.is_nan());
    }
}
