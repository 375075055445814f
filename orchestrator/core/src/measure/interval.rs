//! The median of a job's time with a confidence interval. Processes are the unit of replication.

use crate::judge::estimate::median;
use statrs::distribution::{Binomial, DiscreteCDF};

/// Coverage of an interval, if there are enough processes.
const CONFIDENCE: f64 = 0.95;

/// A median over processes, with an interval that holds for any distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MedianInterval {
    /// Median of the values.
    pub median: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Probability that such an interval covers the true median; below 0.95 with fewer than six
    /// values.
    pub confidence: f64,
}

/// Returns the median of process medians and the narrowest interval between order statistics
/// x(k+1), x(n-k) that covers the true median with 95 %: its coverage is 1 - 2 P(B <= k) with B
/// binomial(n, 1/2) (David & Nagaraja, Order Statistics, 7.1). With fewer than six values, even the
/// range covers less; the result is then the range and its coverage.
pub fn median_interval(medians: &[f64]) -> Option<MedianInterval> {
    let median = median(medians)?;
    let mut sorted = medians.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len();
    let coverage = |cut: usize| {
        let below =
            Binomial::new(0.5, count as u64).map_or(1.0, |binomial| binomial.cdf(cut as u64));
        // The library's sum is exact only to the last few bits, so 0 would print as 8.9e-16.
        ((1.0 - 2.0 * below).max(0.0) * 1e12).round() / 1e12
    };
    let cut = (0..count / 2)
        .rev()
        .find(|&cut| coverage(cut) >= CONFIDENCE)
        .unwrap_or(0);
    Some(MedianInterval {
        median,
        low: sorted[cut],
        high: sorted[count - 1 - cut],
        confidence: coverage(cut),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;
    use proptest::prelude::*;

    #[test]
    fn interval_has_the_known_coverages() {
        let range = |count: usize| {
            median_interval(&(0..count).map(|i| i as f64).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(range(1).confidence, 0.0);
        assert!((range(5).confidence - 0.9375).abs() < 1e-12);
        assert_eq!((range(5).low, range(5).high), (0.0, 4.0));
        // For n = 10, x(2) and x(9) cover 97.9 %, and x(3) and x(8) only 89.1 %.
        assert_eq!((range(10).low, range(10).high), (1.0, 8.0));
        assert!((range(10).confidence - 0.978_515_625).abs() < 1e-12);
        assert_eq!(median_interval(&[]), None);
    }

    proptest! {
        #[test]
        fn median_lies_inside_its_interval(values in prop::collection::vec(1.0f64..1e9, 1..40)) {
            let interval = median_interval(&values).unwrap();
            prop_assert!(interval.low <= interval.median && interval.median <= interval.high);
            let mut swapped = values.clone();
            swapped.reverse();
            prop_assert_eq!(median_interval(&swapped), Some(interval));
        }
    }

    /// Tests the coverage on numbers from a fixed seed: 2 000 experiments of 7 processes with a
    /// skewed distribution.
    #[test]
    fn interval_covers_as_often_as_stated() {
        let mut random = SeededRandom::from_seed(7);
        let truth = std::f64::consts::LN_2.exp2();
        let (mut covered, mut confidence) = (0, 0.0);
        for _ in 0..2_000 {
            // The median of these values is 2^ln 2; each value is 2^(-ln u).
            let values: Vec<f64> = (0..7)
                .map(|_| (-(1.0 - random.draw_fraction()).ln()).exp2())
                .collect();
            let interval = median_interval(&values).unwrap();
            covered += i32::from(interval.low <= truth && truth <= interval.high);
            confidence = interval.confidence;
        }
        let share = f64::from(covered) / 2_000.0;
        assert!(
            (share - confidence).abs() < 0.015,
            "{share} instead of {confidence}"
        );
    }
}
