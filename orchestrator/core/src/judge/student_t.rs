//! Owns the judging of a small, fixed number of differences: a run against its anchor, and two such
//! runs against each other.
//!
//! Five pairs can never reach an e-value of 100. This module therefore uses Student's and Welch's t
//! at a level that is divided by the number of workloads (Bonferroni). Differences of equal code
//! are symmetric, because coins decide which side is which, and t is cautious on symmetric data
//! with heavy tails. The simulation below checks that it keeps its level. A comparison of two
//! builds measures until it can decide, and is stronger evidence.

use super::estimate::{hodges_lehmann, median};
use super::verdict::{ALPHA, PairFinding};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A shift estimated from few differences; sizes are log ratios.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShiftEstimate {
    /// Hodges-Lehmann estimate.
    pub estimate: f64,
    /// Interval of this shift alone, at level 1 - alpha.
    pub low: f64,
    /// Upper end of the same interval.
    pub high: f64,
    /// Two-sided p-value of "no shift".
    pub p: f64,
}

/// Estimates the shift of some differences from zero; returns `None` for fewer than two.
pub fn estimate_shift(differences: &[f64]) -> Option<ShiftEstimate> {
    let one = SampleMoments::of(differences)?;
    let estimate = hodges_lehmann(differences)?;
    shift_with_error(estimate, one.mean, one.error(), one.count - 1.0)
}

/// Estimates the shift between two groups of differences from the same reference: that of `b` minus
/// that of `a`. Returns `None` if a group has fewer than two.
pub fn compare_groups(a: &[f64], b: &[f64]) -> Option<ShiftEstimate> {
    let (one, other) = (SampleMoments::of(a)?, SampleMoments::of(b)?);
    let apart: Vec<f64> = a
        .iter()
        .flat_map(|a| b.iter().map(move |b| b - a))
        .collect();
    let squares = [one.error().powi(2), other.error().powi(2)];
    let error = (squares[0] + squares[1]).sqrt();
    // The degrees of freedom follow Welch and Satterthwaite. Without any spread, the smaller group
    // decides.
    let degrees = if error > 0.0 {
        (squares[0] + squares[1]).powi(2)
            / (squares[0].powi(2) / (one.count - 1.0) + squares[1].powi(2) / (other.count - 1.0))
    } else {
        one.count.min(other.count) - 1.0
    };
    shift_with_error(median(&apart)?, other.mean - one.mean, error, degrees)
}

/// Judges one shift among `together` shifts; `margin` is relative, as in a comparison.
pub fn decide_shift(shift: &ShiftEstimate, margin: f64, together: usize) -> PairFinding {
    let margin = margin.max(0.0).ln_1p();
    let clear = shift.p < ALPHA / together.max(1) as f64 && shift.estimate.abs() >= margin;
    match clear {
        true if shift.low > 0.0 => PairFinding::Higher,
        true if shift.high < 0.0 => PairFinding::Lower,
        _ if -margin <= shift.low && shift.high <= margin => PairFinding::Equivalent,
        _ => PairFinding::Open,
    }
}

fn shift_with_error(estimate: f64, mean: f64, error: f64, degrees: f64) -> Option<ShiftEstimate> {
    let t = StudentsT::new(0.0, 1.0, degrees.max(1.0)).ok()?;
    let half = error * t.inverse_cdf(1.0 - ALPHA / 2.0);
    let p = match error > 0.0 {
        true => 2.0 * t.sf((mean / error).abs()),
        // Without any spread, the common value of the differences is certain.
        false => f64::from(u8::from(mean == 0.0)),
    };
    // A robust estimate may lie outside of an interval that one outlier has moved.
    Some(ShiftEstimate {
        estimate,
        low: (mean - half).min(estimate),
        high: (mean + half).max(estimate),
        p,
    })
}

struct SampleMoments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl SampleMoments {
    fn of(values: &[f64]) -> Option<Self> {
        if values.len() < 2 {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / (count - 1.0);
        Some(Self {
            count,
            mean,
            variance,
        })
    }

    /// Returns the standard error of the mean.
    fn error(&self) -> f64 {
        (self.variance / self.count).sqrt()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    const MARGIN: f64 = 0.01;

    #[test]
    fn by_hand() {
        assert_eq!(estimate_shift(&[0.1]), None);
        assert_eq!(compare_groups(&[0.1], &[0.1, 0.2]), None);
        // The mean is 0.03, the standard error 0.001 / sqrt(5), and t(0.995; 4) = 4.604.
        let got = estimate_shift(&[0.029, 0.030, 0.031, 0.0305, 0.0295]).unwrap();
        assert!((got.estimate - 0.03).abs() < 1e-12);
        assert!(
            (got.high - 0.03 - 4.604 * 0.000_790_569 / 5f64.sqrt()).abs() < 1e-6,
            "{got:?}"
        );
        assert_eq!(decide_shift(&got, MARGIN, 47), PairFinding::Higher);
        assert_eq!(
            decide_shift(&estimate_shift(&[0.0; 5]).unwrap(), MARGIN, 47),
            PairFinding::Equivalent
        );
        assert_eq!(
            decide_shift(&estimate_shift(&[0.02; 5]).unwrap(), MARGIN, 47),
            PairFinding::Higher
        );
        let noisy = [0.05, -0.03, 0.06, 0.02, 0.05];
        assert_eq!(
            decide_shift(&estimate_shift(&noisy).unwrap(), MARGIN, 1),
            PairFinding::Open
        );
        let (before, after) = (
            [0.001, -0.001, 0.0, 0.002, -0.002],
            [-0.05, -0.049, -0.051, -0.05, -0.05],
        );
        assert_eq!(
            decide_shift(&compare_groups(&before, &after).unwrap(), MARGIN, 47),
            PairFinding::Lower
        );
        assert_eq!(
            decide_shift(&compare_groups(&before, &before).unwrap(), MARGIN, 47),
            PairFinding::Equivalent
        );
    }

    #[test]
    fn exchanging_the_groups_negates() {
        let (a, b) = ([0.01, 0.02, 0.015], [0.05, 0.04, 0.07, 0.02]);
        let (forth, back) = (
            compare_groups(&a, &b).unwrap(),
            compare_groups(&b, &a).unwrap(),
        );
        assert_eq!(
            (forth.estimate, forth.low, forth.p),
            (-back.estimate, -back.high, back.p)
        );
    }

    /// Generates noise of pair differences as observed: normal, heavy tails, two states, and a
    /// burst in one of five.
    fn noise(kind: usize, random: &mut SeededRandom) -> f64 {
        let normal = |random: &mut SeededRandom| {
            let radius = (-2.0 * (1.0 - random.draw_fraction()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.draw_fraction()).cos()
        };
        let size = 0.003;
        match kind {
            0 => size * normal(random),
            // This is Student's t with 2 degrees of freedom.
            1 => size * normal(random) / ((-(1.0 - random.draw_fraction()).ln()).sqrt()),
            // Each side is in one of two states, 3 % apart.
            2 => {
                let mut coin = || random.draw_from(0..2) as f64;
                0.03 * (coin() - coin()) + 0.1 * size * normal(random)
            }
            _ => {
                size * normal(random)
                    * if random.draw_fraction() < 0.2 {
                        20.0
                    } else {
                        1.0
                    }
            }
        }
    }

    #[test]
    fn equal_code_is_rarely_called_changed_by_students_t() {
        let (nights, workloads) = (400, 47);
        let mut random = SeededRandom::from_seed(5);
        for kind in 0..4 {
            let mut five = || -> Vec<f64> { (0..5).map(|_| noise(kind, &mut random)).collect() };
            let mut wrong = [0, 0];
            for _ in 0..nights {
                let mut any = [false, false];
                for _ in 0..workloads {
                    let (a, b) = (five(), five());
                    let changed = |shift: ShiftEstimate| {
                        matches!(
                            decide_shift(&shift, MARGIN, workloads),
                            PairFinding::Higher | PairFinding::Lower
                        )
                    };
                    any[0] |= changed(estimate_shift(&a).unwrap());
                    any[1] |= changed(compare_groups(&a, &b).unwrap());
                }
                wrong[0] += u32::from(any[0]);
                wrong[1] += u32::from(any[1]);
            }
            // Five pairs of a workload whose sides each have two states are all +3 % in one of a
            // thousand nights. No five differences distinguish that from a change. Here all 47
            // workloads are of that kind.
            let most = if kind == 2 { nights / 5 } else { nights / 50 };
            assert!(
                wrong.iter().all(|wrong| *wrong <= most),
                "noise {kind}: {wrong:?}"
            );
        }
    }

    #[test]
    fn step_of_three_percent_is_found_among_many() {
        let mut random = SeededRandom::from_seed(6);
        for (step, least) in [(0.03, 95), (0.05, 99)] {
            let mut found = [0, 0];
            for _ in 0..100 {
                let mut five =
                    |by: f64| -> Vec<f64> { (0..5).map(|_| by + noise(0, &mut random)).collect() };
                let (a, b) = (five(0.0), five(step));
                found[0] += u32::from(
                    decide_shift(&estimate_shift(&b).unwrap(), MARGIN, 47) == PairFinding::Higher,
                );
                found[1] += u32::from(
                    decide_shift(&compare_groups(&a, &b).unwrap(), MARGIN, 47)
                        == PairFinding::Higher,
                );
            }
            assert!(
                found.iter().all(|found| *found >= least),
                "+{step}: {found:?}"
            );
        }
    }
}
