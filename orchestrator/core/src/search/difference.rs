//! Owns the decision whether two ends differ: the rule of `orch compare`, applied repeatedly.

use super::RatioEstimate;
use crate::judge::assessment::assess;
use crate::judge::verdict::{ALPHA, JudgedWorkload, PairFinding, decide_findings};

/// Pairs after which the ends are judged. The rule holds at every look, so only the time limits
/// their number. 14 pairs are the fewest that can decide.
pub(super) const LOOKS: [usize; 20] = [
    14, 16, 20, 24, 32, 40, 48, 64, 80, 100, 125, 156, 195, 244, 305, 360, 420, 490, 560, 640,
];

/// Verdict of pairs about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceVerdict {
    /// The second commit takes longer, by at least the margin.
    Rose,
    /// The second commit takes less time, by at least the margin.
    Fell,
    /// They differ by less than the margin.
    Same,
    /// The pairs so far do not decide.
    Open,
}

/// Judges pair differences (log ratios, in the order of measurement) as `orch compare` would judge
/// a single workload.
///
/// The verdict is anytime-valid: with equal code, `Rose` and `Fell` occur in at most 1 % of series,
/// however often the series is judged. `margin` is relative: 0.01 is 1 %.
#[must_use]
pub fn judge_differences(differences: &[f64], margin: f64) -> (DifferenceVerdict, RatioEstimate) {
    let assessment = assess(differences, ALPHA);
    let finding = decide_findings(
        &[JudgedWorkload {
            assessment: &assessment,
            margin,
            counts: true,
        }],
        ALPHA,
    )
    .first()
    .copied();
    let verdict = match finding {
        Some(PairFinding::Higher) => DifferenceVerdict::Rose,
        Some(PairFinding::Lower) => DifferenceVerdict::Fell,
        Some(PairFinding::Equivalent) => DifferenceVerdict::Same,
        Some(PairFinding::Open) | None => DifferenceVerdict::Open,
    };
    (
        verdict,
        RatioEstimate {
            estimate: assessment.estimate,
            low: assessment.low,
            high: assessment.high,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_is_judged_as_compare_does() {
        let wave = |level: f64| {
            (0..14)
                .map(|i| level + 1e-3 * f64::from(i).sin())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            judge_differences(&wave(0.02), 0.01).0,
            DifferenceVerdict::Rose
        );
        assert_eq!(
            judge_differences(&wave(-0.02), 0.01).0,
            DifferenceVerdict::Fell
        );
        assert_eq!(
            judge_differences(&wave(0.0), 0.01).0,
            DifferenceVerdict::Same
        );
        assert_eq!(
            judge_differences(&wave(0.02)[..13], 0.01).0,
            DifferenceVerdict::Open
        );
        assert_eq!(
            judge_differences(&[], 0.01),
            (DifferenceVerdict::Open, RatioEstimate::UNKNOWN)
        );
    }

    #[test]
    fn looks_grow_from_the_fewest_that_decide_to_the_budget() {
        assert_eq!((LOOKS[0], LOOKS[LOOKS.len() - 1]), (14, 640));
        assert!(LOOKS.is_sorted_by(|one, next| one < next));
    }
}
