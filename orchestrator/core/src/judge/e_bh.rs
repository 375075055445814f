//! Owns the selection of the workloads that may be called changed when many are judged at once.

use super::e_process::log_threshold;

/// Returns, for each workload's ln E, whether e-BH flags it at level `alpha` (Wang & Ramdas 2022).
///
/// With W workloads and their evidence in descending order, k = max{k: e_(k) >= W/(alpha k)}, and
/// the k largest are flagged. The expected share of false flags is at most alpha for any dependence
/// between workloads. This matters because all workloads share one machine's noise. Evidence that
/// is not a number counts as none.
pub(crate) fn flag_workloads(log_e: &[f64], alpha: f64) -> Vec<bool> {
    let evidence = |e: f64| if e.is_nan() { f64::NEG_INFINITY } else { e };
    let mut sorted: Vec<f64> = log_e.iter().map(|e| evidence(*e)).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let workloads = log_e.len() as f64;
    let enough =
        |(rank, e): (usize, f64)| e >= (workloads / (rank + 1) as f64).ln() + log_threshold(alpha);
    // A tie with the k-th passes at a later rank, whose threshold is lower: "the k largest" is
    // never ambiguous.
    let smallest = sorted
        .iter()
        .copied()
        .enumerate()
        .filter(|entry| enough(*entry))
        .map(|(_, e)| e)
        .next_back();
    log_e
        .iter()
        .map(|e| smallest.is_some_and(|smallest| evidence(*e) >= smallest))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tries every k according to the definition, on the plain scale.
    fn brute_force(e: &[f64], alpha: f64) -> Vec<bool> {
        let mut order: Vec<usize> = (0..e.len()).collect();
        order.sort_by(|i, j| e[*j].total_cmp(&e[*i]));
        let holds = |k: &usize| e[order[k - 1]] >= e.len() as f64 / (alpha * *k as f64);
        let k = (1..=e.len()).filter(holds).max().unwrap_or(0);
        (0..e.len()).map(|i| order[..k].contains(&i)).collect()
    }

    #[test]
    fn one_workload_needs_one_over_alpha() {
        assert_eq!(flag_workloads(&[], 0.01), Vec::<bool>::new());
        assert_eq!(flag_workloads(&[log_threshold(0.01)], 0.01), [true]);
        assert_eq!(flag_workloads(&[99.99f64.ln()], 0.01), [false]);
        assert_eq!(
            flag_workloads(&[f64::NAN, f64::INFINITY], 0.01),
            [false, true]
        );
    }

    #[test]
    fn more_findings_lower_the_threshold_of_each() {
        let e = |values: &[f64]| {
            flag_workloads(&values.iter().map(|e| e.ln()).collect::<Vec<_>>(), 0.01)
        };
        assert_eq!(e(&[150.0, 1.0]), [false, false]);
        assert_eq!(e(&[150.0, 150.0]), [true, true]);
        assert_eq!(e(&[201.0, 99.0]), [true, false]);
    }

    proptest! {
        #[test]
        fn agrees_with_brute_force(
            e in prop::collection::vec(-1.0..12.0f64, 0..40),
            alpha in 0.005..0.2f64,
        ) {
            let plain: Vec<f64> = e.iter().map(|e| e.exp()).collect();
            prop_assert_eq!(flag_workloads(&e, alpha), brute_force(&plain, alpha));
        }

        #[test]
        fn e_bh_agrees_with_brute_force_on_ties(e in prop::collection::vec(0u8..4, 0..20)) {
            let plain: Vec<f64> = e.iter().map(|e| 90.0 * f64::from(1u32 << e)).collect();
            let logs: Vec<f64> = plain.iter().map(|e| e.ln()).collect();
            prop_assert_eq!(flag_workloads(&logs, 0.01), brute_force(&plain, 0.01));
        }
    }
}
