//! Owns sums of floating-point numbers, and the bound of their rounding: two sums that lie closer
//! together are equal.
//!
//! Adding n numbers one by one has an error of at most (n - 1) u (|x_1| + .. + |x_n|) to first
//! order, with u = 2^-53 (Higham, *Accuracy and Stability of Numerical Algorithms*, 4.2), in any
//! order. Each number may itself be rounded, as 0.1 is, which adds u times the same sum. The bound
//! here, 2 u (n + 1) times that sum, leaves the same amount again for the arithmetic behind each
//! number. Whole numbers whose magnitudes sum to less than 2^53 are added without any rounding.

/// Limit below which all whole numbers are distinct as `f64`.
pub const EXACT: f64 = 9_007_199_254_740_992.0;
/// Relative rounding of fractional numbers without a known bound: four roundings of each.
const ROUNDED: f64 = 4.0 * f64::EPSILON;

/// A sum, with the values that determine its rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RoundedSum {
    /// The sum as computed.
    pub sum: f64,
    /// Sum of the magnitudes.
    magnitude: f64,
    additions: u64,
    /// Whether a number was added that is not whole.
    has_fractions: bool,
}

impl RoundedSum {
    /// The empty sum.
    pub const ZERO: Self = Self {
        sum: 0.0,
        magnitude: 0.0,
        additions: 0,
        has_fractions: false,
    };

    /// Adds a number, unless the sum would not be finite; returns whether it was added.
    #[inline]
    pub fn add(&mut self, amount: f64) -> bool {
        let (sum, magnitude) = (self.sum + amount, self.magnitude + amount.abs());
        if !sum.is_finite() {
            return false;
        }
        *self = Self {
            sum,
            magnitude,
            additions: self.additions + 1,
            has_fractions: self.has_fractions || amount.fract() != 0.0,
        };
        true
    }

    /// Returns the largest distance of the sum from the true one; 0 if it is exact.
    pub fn rounding(&self) -> f64 {
        if !self.has_fractions && self.magnitude < EXACT {
            return 0.0;
        }
        (self.additions as f64 + 1.0) * f64::EPSILON * self.magnitude
    }
}

/// Returns the sum of two sums, each with its rounding, and the rounding of the result.
pub(crate) fn merge_sums([a, a_rounding]: [f64; 2], [b, b_rounding]: [f64; 2]) -> [f64; 2] {
    let is_exact = a_rounding == 0.0 && b_rounding == 0.0 && a.abs() + b.abs() < EXACT;
    let own = if is_exact {
        0.0
    } else {
        f64::EPSILON * (a.abs() + b.abs())
    };
    [a + b, a_rounding + b_rounding + own]
}

/// Returns whether two numbers are equal within rounding. `rounding` is the bound of both together.
/// Whole numbers without a bound have to be exactly equal; -0.0 equals 0.0.
pub fn is_equal_within(a: f64, b: f64, rounding: f64) -> bool {
    let is_whole = |value: f64| value.fract() == 0.0 && value.abs() < EXACT;
    let least = if is_whole(a) && is_whole(b) {
        0.0
    } else {
        ROUNDED * a.abs().max(b.abs())
    };
    a == b || (a - b).abs() <= rounding.max(least)
}

/// Returns whether a number is at most a limit, within rounding.
pub fn is_at_most(value: f64, limit: f64, rounding: f64) -> bool {
    value <= limit || is_equal_within(value, limit, rounding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(amounts: &[f64]) -> RoundedSum {
        let mut sum = RoundedSum::ZERO;
        amounts.iter().for_each(|amount| assert!(sum.add(*amount)));
        sum
    }

    fn agrees(a: &RoundedSum, b: &RoundedSum) -> bool {
        is_equal_within(a.sum, b.sum, a.rounding() + b.rounding())
    }

    #[test]
    fn whole_numbers_that_differ_by_one_are_distinct() {
        let (a, b) = (sum(&[3.0; 1000]), sum(&[3001.0]));
        assert_eq!((a.rounding(), b.rounding()), (0.0, 0.0));
        assert!(!agrees(&a, &b));
        assert!(agrees(&sum(&[-0.0]), &sum(&[0.0])));
        let large = sum(&[9e15, 1e15, 1.0]);
        assert!(
            large.rounding() >= 1.0,
            "beyond 2^53 whole numbers round too"
        );
    }

    #[test]
    fn fractions_are_equal_within_their_rounding_and_no_further() {
        let (tenths, one) = (sum(&[0.1; 80]), sum(&[1.0; 8]));
        assert_ne!(tenths.sum, one.sum);
        assert!(agrees(&tenths, &one));
        assert!(!agrees(&sum(&[0.1; 81]), &sum(&[1.0; 8])));
        assert!(
            !agrees(&sum(&[1e-9, 1.0]), &one),
            "a real difference far below a percent"
        );
        // Numbers that cancel leave their rounding behind.
        let (left, nothing) = (sum(&[0.1, 0.2, -0.3]), sum(&[0.0]));
        assert!(left.sum != 0.0 && agrees(&left, &nothing));
        let thirds = |n: usize| sum(&vec![1.0 / 3.0; n]);
        assert!(agrees(&thirds(3_000_000), &sum(&[1e6])));
    }

    #[test]
    fn numbers_without_a_bound_have_four_roundings() {
        assert!(is_equal_within(0.1 + 0.2, 0.3, 0.0));
        assert!(!is_equal_within(0.3, 0.300_000_001, 0.0));
        assert!(
            !is_equal_within(7.0, 8.0, 0.0)
                && is_equal_within(7.0, 7.0, 0.0)
                && !is_equal_within(f64::NAN, f64::NAN, 0.0)
        );
        assert!(is_at_most(11.0 / 10.0 - 1.0, 0.1, 0.0), "10 to 11 is 10 %");
        assert!(!is_at_most(0.11, 0.1, 0.0) && !is_at_most(4.0, 3.0, 0.0));
    }

    #[test]
    fn amounts_that_overflow_the_sum_are_left_out() {
        let mut sum = sum(&[f64::MAX]);
        assert!(!sum.add(f64::MAX) && sum.sum == f64::MAX);
    }

    proptest! {
        #[test]
        fn order_of_additions_does_not_matter(
            mut amounts in prop::collection::vec(-1e6f64..1e6, 1..200),
        ) {
            let forth = sum(&amounts);
            amounts.sort_by(f64::total_cmp);
            prop_assert!(agrees(&forth, &sum(&amounts)));
            amounts.reverse();
            prop_assert!(agrees(&forth, &sum(&amounts)));
            let (left, right) = amounts.split_at(amounts.len() / 2);
            let [left, right] = [sum(left), sum(right)].map(|part| [part.sum, part.rounding()]);
            let [whole, rounding] = merge_sums(left, right);
            prop_assert!(is_equal_within(
                whole,
                forth.sum,
                rounding + forth.rounding()
            ));
        }
    }
}
