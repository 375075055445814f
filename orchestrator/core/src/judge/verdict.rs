//! Owns the step from evidence to a finding.

use super::assessment::Assessment;
use super::e_bh::flag_workloads;

/// Level of every verdict: the expected share of false findings among the reported ones, and the
/// chance that a confidence sequence ever misses.
pub const ALPHA: f64 = 0.01;

/// Pairs of processes after which an undecided workload stays open.
pub const MOST_PAIRS: usize = 64;

/// Fewest pairs of a verdict on time. After so few, only differences that grow from pair to pair
/// are found: the first bet is never a full one, and ten more are just enough. Differences of equal
/// size take 14 pairs.
pub const FEWEST_PAIRS: usize = 11;

/// Finding about one workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairFinding {
    /// B takes longer than A, by at least the margin.
    Higher,
    /// B takes less time than A, by at least the margin.
    Lower,
    /// B and A differ by less than the margin.
    Equivalent,
    /// The pairs so far do not decide.
    Open,
}

/// One workload to judge.
#[derive(Debug, Clone, Copy)]
pub struct JudgedWorkload<'a> {
    /// Assessment of its pairs.
    pub assessment: &'a Assessment,
    /// Relative difference that matters (0.01 is 1 %). It is compared as ln(1 + margin) on both
    /// sides, so that A against B and B against A are judged alike. A gain therefore counts from a
    /// ratio of 1/(1 + margin) on.
    pub margin: f64,
    /// Whether a change would be reported. A change that would not be reported is no evidence.
    pub counts: bool,
}

impl JudgedWorkload<'_> {
    fn log_margin(&self) -> f64 {
        self.margin.max(0.0).ln_1p()
    }

    fn matters(&self) -> bool {
        self.assessment.estimate != 0.0 && self.assessment.estimate.abs() >= self.log_margin()
    }
}

/// Returns the relative margin: the larger of the user's tolerance and four times `tau`. `tau` is
/// the workload's build effect (relative standard deviation over builds of the same code), which no
/// number of pairs can remove.
pub fn equivalence_margin(tolerance: f64, tau: f64) -> f64 {
    tolerance.max(4.0 * tau)
}

/// Returns a finding for each case, judged together at level `alpha`.
///
/// Higher or Lower: flagged by e-BH over all cases, with an estimate that reaches the margin.
/// Equivalent: the interval lies within the margin, even if it excludes 0. Open otherwise.
///
/// A case below its margin enters e-BH with no evidence. Dropping it afterwards would be wrong:
/// many small, real shifts would lower the threshold for the others and then leave the report, in
/// which only the false ones would remain. An e-value that is sometimes set to 0 is still an
/// e-value, so the share of false findings holds among the reported ones.
pub fn decide_findings(cases: &[JudgedWorkload<'_>], alpha: f64) -> Vec<PairFinding> {
    let evidence = |case: &JudgedWorkload<'_>| {
        if case.matters() && case.counts {
            case.assessment.log_e
        } else {
            f64::NEG_INFINITY
        }
    };
    let changed = flag_workloads(&cases.iter().map(evidence).collect::<Vec<_>>(), alpha);
    cases
        .iter()
        .zip(changed)
        .map(|(case, changed)| find_change(case, changed))
        .collect()
}

fn find_change(case: &JudgedWorkload<'_>, changed: bool) -> PairFinding {
    let Assessment {
        estimate,
        low,
        high,
        ..
    } = *case.assessment;
    let within = -case.log_margin() <= low && high <= case.log_margin();
    match changed {
        true if estimate > 0.0 => PairFinding::Higher,
        true => PairFinding::Lower,
        false if within => PairFinding::Equivalent,
        false => PairFinding::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::assessment::assess;
    use proptest::prelude::*;

    fn known(estimate: f64, half: f64, log_e: f64) -> Assessment {
        let minimum_detectable = half.is_finite().then_some(half);
        Assessment {
            estimate,
            low: estimate - half,
            high: estimate + half,
            log_e,
            minimum_detectable,
            pairs: 20,
        }
    }

    fn alone(assessment: Assessment, margin: f64) -> PairFinding {
        decide_findings(
            &[JudgedWorkload {
                assessment: &assessment,
                margin,
                counts: true,
            }],
            ALPHA,
        )[0]
    }

    #[test]
    fn findings_are_as_computed_by_hand() {
        assert_eq!(alone(known(0.02, 0.01, 5.0), 0.01), PairFinding::Higher);
        assert_eq!(alone(known(-0.02, 0.01, 5.0), 0.01), PairFinding::Lower);
        assert_eq!(
            alone(known(0.02, 0.01, 4.6), 0.01),
            PairFinding::Open,
            "ln 100 = 4.605"
        );
        assert_eq!(
            alone(known(0.005, 0.004, 9.0), 0.01),
            PairFinding::Equivalent,
            "real, but too small to matter"
        );
        assert_eq!(alone(known(0.005, 0.008, 9.0), 0.01), PairFinding::Open);
        assert_eq!(alone(known(0.0, 0.001, 0.0), 0.01), PairFinding::Equivalent);
        assert_eq!(alone(assess(&[], ALPHA), 0.01), PairFinding::Open);
        assert_eq!(alone(assess(&[0.02; 13], ALPHA), 0.01), PairFinding::Open);
        assert_eq!(alone(assess(&[0.02; 14], ALPHA), 0.01), PairFinding::Higher);
        assert_eq!(decide_findings(&[], ALPHA), []);
    }

    #[test]
    fn margin_is_the_same_ratio_both_ways() {
        let edge = 1.01f64.ln();
        assert_eq!(
            alone(known(edge * 1.0001, 0.001, 9.0), 0.01),
            PairFinding::Higher
        );
        assert_eq!(
            alone(known(-edge * 1.0001, 0.001, 9.0), 0.01),
            PairFinding::Lower
        );
        assert_eq!(
            alone(known(edge * 0.9999, 0.001, 9.0), 0.01),
            PairFinding::Open
        );
        assert_eq!(
            alone(known(-edge * 0.9999, 0.001, 9.0), 0.01),
            PairFinding::Open
        );
    }

    #[test]
    fn changes_below_the_margin_do_not_lower_the_threshold() {
        // There are 35 cases. Alone against 34 nulls, a case needs ln(3500) = 8.16, whatever small
        // shifts are beside it.
        let small = known(0.001, 0.1, 20.0);
        let middling = known(0.05, 0.1, 6.0);
        let mut cases = vec![
            JudgedWorkload {
                assessment: &small,
                margin: 0.01,
                counts: true
            };
            34
        ];
        cases.push(JudgedWorkload {
            assessment: &middling,
            margin: 0.01,
            counts: true,
        });
        assert!(
            decide_findings(&cases, ALPHA)
                .iter()
                .all(|found| *found == PairFinding::Open)
        );
        let clear = known(0.05, 0.1, 8.2);
        cases[34].assessment = &clear;
        assert_eq!(decide_findings(&cases, ALPHA)[34], PairFinding::Higher);
    }

    #[test]
    fn unreported_changes_do_not_lower_the_threshold() {
        let (clear, middling) = (known(0.05, 0.1, 20.0), known(0.05, 0.1, 6.0));
        let all = |counts: bool| {
            let mut cases = vec![
                JudgedWorkload {
                    assessment: &clear,
                    margin: 0.01,
                    counts
                };
                34
            ];
            cases.push(JudgedWorkload {
                assessment: &middling,
                margin: 0.01,
                counts: true,
            });
            decide_findings(&cases, ALPHA)
        };
        assert_eq!(all(true)[34], PairFinding::Higher);
        assert!(all(false).iter().all(|found| *found == PairFinding::Open));
    }

    #[test]
    fn margin_is_at_least_four_build_effects() {
        assert_eq!(equivalence_margin(0.01, 0.0), 0.01);
        assert_eq!(equivalence_margin(0.01, 0.005), 0.02);
    }

    proptest! {
        #[test]
        fn swapping_the_sides_swaps_the_findings(
            parts in prop::collection::vec((-0.05..0.05f64, 0.0..0.05f64, 0.0..12.0f64), 0..12),
            margin in 0.0..0.03f64,
        ) {
            let judged = |sign: f64| {
                let all: Vec<Assessment> = parts
                    .iter()
                    .map(|(e, h, l)| known(sign * e, *h, *l))
                    .collect();
                decide_findings(
                    &all.iter()
                        .map(|assessment| JudgedWorkload {
                            assessment,
                            margin,
                            counts: true,
                        })
                        .collect::<Vec<_>>(),
                    ALPHA,
                )
            };
            let mirrored = |found: PairFinding| match found {
                PairFinding::Higher => PairFinding::Lower,
                PairFinding::Lower => PairFinding::Higher,
                other => other,
            };
            prop_assert_eq!(
                judged(1.0),
                judged(-1.0).into_iter().map(mirrored).collect::<Vec<_>>()
            );
        }
    }
}
