//! The difference of each pair, from its samples.

use super::FigureCheck;
use crate::runner::pair_series::PairRecord;
use orch_core::judge::pair::{PairSamples, summarise_pair};

/// Verifies the differences of pairs.
pub(super) fn verify_pairs<'a>(
    id: &str,
    pairs: impl IntoIterator<Item = &'a PairRecord>,
    check: &mut FigureCheck,
) {
    for (number, pair) in pairs.into_iter().enumerate() {
        check.pairs += 1;
        check.samples += pair.a_ns.len() + pair.b_ns.len();
        let place = format!("{id}, pair {}", number + 1);
        let computed = recompute_difference(pair);
        check.compare_figures(&place, "difference", Some(pair.difference), computed);
    }
}

/// Computes ln(time of B / time of A) of a pair. Returns `None` if its samples give no difference.
fn recompute_difference(pair: &PairRecord) -> Option<f64> {
    let per_iteration = |samples: &[u64]| -> Vec<f64> {
        let iterations = pair.iterations.max(1) as f64;
        samples.iter().map(|ns| *ns as f64 / iterations).collect()
    };
    let (a, b) = (per_iteration(&pair.a_ns), per_iteration(&pair.b_ns));
    summarise_pair(PairSamples { a: &a, b: &b }, pair.block).map(|summary| summary.difference)
}
