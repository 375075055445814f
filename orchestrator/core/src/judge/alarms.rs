//! Owns the results of comparisons of identical code on a machine: false findings, and the smallest
//! change that would be detected.

use super::assessment::{Assessment, assess};
use super::estimate::median;
use super::verdict::{ALPHA, JudgedWorkload, PairFinding, decide_findings};

/// Returns the workloads that one comparison would have called changed, when it judges after every
/// pair.
///
/// `differences` holds the pair differences (log ratios) of each workload in the order of
/// measurement, `margins` the relative differences that matter. The procedure is that of a live
/// comparison: all workloads are judged together, and a decided workload gets no more pairs,
/// although evidence of others can still move its threshold.
pub fn find_false_findings(differences: &[Vec<f64>], margins: &[f64]) -> Vec<bool> {
    let mut seen = vec![0; differences.len()];
    loop {
        let assessments: Vec<Assessment> = differences
            .iter()
            .zip(&seen)
            .map(|(all, seen)| assess(&all[..*seen], ALPHA))
            .collect();
        let cases: Vec<JudgedWorkload> = assessments
            .iter()
            .zip(margins)
            .map(|(assessment, margin)| JudgedWorkload {
                assessment,
                margin: *margin,
                counts: true,
            })
            .collect();
        let findings = decide_findings(&cases, ALPHA);
        let before = seen.clone();
        for (index, finding) in findings.iter().enumerate() {
            if *finding == PairFinding::Open && seen[index] < differences[index].len() {
                seen[index] += 1;
            }
        }
        if seen == before {
            return findings
                .iter()
                .map(|finding| matches!(finding, PairFinding::Higher | PairFinding::Lower))
                .collect();
        }
    }
}

/// Returns the smallest shift (log ratio) that `pairs` pairs of this noise would have distinguished
/// from none: the median over all complete groups of successive pairs. Returns `None` if no group
/// is complete, or if most groups would detect nothing.
pub fn detectable_shift(differences: &[f64], pairs: usize) -> Option<f64> {
    let halves: Vec<f64> = differences
        .chunks_exact(pairs.max(1))
        .map(|group| {
            assess(group, ALPHA)
                .minimum_detectable
                .unwrap_or(f64::INFINITY)
        })
        .collect();
    median(&halves).filter(|half| half.is_finite())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn noise(pairs: usize) -> Vec<f64> {
        (0..pairs)
            .map(|index| 0.001 * (index as f64 * 2.4).sin())
            .collect()
    }

    #[test]
    fn noise_is_no_finding_and_a_shift_is_one() {
        let shifted: Vec<f64> = noise(16).iter().map(|d| d + 0.03).collect();
        assert_eq!(
            find_false_findings(&[noise(16), noise(16)], &[0.01, 0.0]),
            [false, false]
        );
        assert_eq!(
            find_false_findings(std::slice::from_ref(&shifted), &[0.01]),
            [true]
        );
        assert_eq!(
            find_false_findings(std::slice::from_ref(&shifted), &[0.10]),
            [false],
            "too small to matter"
        );
        // A workload alone is decided after 14 pairs. Beside another workload it needs evidence of
        // 200 instead of 100.
        assert_eq!(
            find_false_findings(&[shifted[..13].to_vec()], &[0.01]),
            [false]
        );
        assert_eq!(find_false_findings(&[], &[]), Vec::<bool>::new());
    }

    #[test]
    fn early_decision_is_not_undone_by_later_pairs() {
        let mut turned: Vec<f64> = vec![0.03; 14];
        turned.extend([-0.03; 40]);
        assert_eq!(find_false_findings(&[turned], &[0.01]), [true]);
    }

    #[test]
    fn more_pairs_detect_smaller_shifts_and_too_few_detect_none() {
        let all = noise(64);
        let (few, many) = (
            detectable_shift(&all, 16).unwrap(),
            detectable_shift(&all, 64).unwrap(),
        );
        assert!(0.0 < many && many < few, "{few} {many}");
        assert_eq!(detectable_shift(&all, 65), None);
        assert_eq!(detectable_shift(&all, 13), None, "13 pairs decide nothing");
        assert_eq!(detectable_shift(&[], 16), None);
    }
}
