//! Owns the state of one workload after some pairs: its estimate, interval and evidence.

use super::e_process::{confidence_sequence, log_e};
use super::estimate::hodges_lehmann;

/// Assessment of one workload from its pairs; all sizes are log ratios B/A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assessment {
    /// Hodges-Lehmann estimate of the shift (log ratio); 0 without pairs.
    pub estimate: f64,
    /// Lower end of the confidence sequence (log ratio), possibly infinite.
    pub low: f64,
    /// Upper end of the confidence sequence (log ratio), possibly infinite.
    pub high: f64,
    /// ln E against "no shift".
    pub log_e: f64,
    /// Half of the interval's width (log ratio). A smaller shift may stay undetected. `None` while
    /// it is infinite.
    pub minimum_detectable: Option<f64>,
    /// Number of pairs of processes.
    pub pairs: usize,
}

/// Assesses pair differences (log ratios, in the order of measurement) at level `alpha`.
pub fn assess(differences: &[f64], alpha: f64) -> Assessment {
    let interval = confidence_sequence(differences, alpha);
    let half = (interval.high - interval.low) / 2.0;
    Assessment {
        estimate: hodges_lehmann(differences).unwrap_or(0.0),
        low: interval.low,
        high: interval.high,
        log_e: log_e(differences, 0.0),
        minimum_detectable: half.is_finite().then_some(half),
        pairs: differences.len(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn assessment_without_pairs_is_unknown() {
        let got = assess(&[], 0.01);
        assert_eq!(
            (got.estimate, got.low, got.high),
            (0.0, f64::NEG_INFINITY, f64::INFINITY)
        );
        assert_eq!(
            (got.log_e, got.minimum_detectable, got.pairs),
            (0.0, None, 0)
        );
    }

    #[test]
    fn minimum_detectable_shrinks_with_pairs() {
        let wave = |n: usize| {
            (0..n)
                .map(|i| 0.01 + 0.001 * (i as f64 * 2.4).sin())
                .collect::<Vec<_>>()
        };
        assert_eq!(assess(&wave(13), 0.01).minimum_detectable, None);
        let (few, many) = (assess(&wave(20), 0.01), assess(&wave(60), 0.01));
        assert!(
            many.minimum_detectable.unwrap() < few.minimum_detectable.unwrap(),
            "{few:?} {many:?}"
        );
        assert!(many.low < 0.01 && 0.01 < many.high && many.pairs == 60);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn swapping_the_sides_negates(d in prop::collection::vec(-0.02..0.03f64, 0..40)) {
            let forth = assess(&d, 0.01);
            let back = assess(&d.iter().map(|d| -d).collect::<Vec<_>>(), 0.01);
            prop_assert_eq!(forth.estimate, -back.estimate);
            prop_assert_eq!(forth.log_e, back.log_e);
            prop_assert!(forth.low == -back.high || (forth.low + back.high).abs() < 1e-8);
        }
    }
}
