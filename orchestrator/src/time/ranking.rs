//! The ranking of programs by verdict: a program has a worse rank than the next faster one only if
//! it was shown to be slower than a program of that rank.

use orch_core::judge::verdict::PairFinding;

/// Finding about two programs: that of `other` in relation to `base`, both by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RankedPair {
    pub(crate) base: usize,
    pub(crate) other: usize,
    pub(crate) finding: PairFinding,
}

impl RankedPair {
    /// Returns whether the program `slow` was shown to be slower than `fast`.
    fn shows(&self, fast: usize, slow: usize) -> bool {
        match self.finding {
            PairFinding::Higher => (self.base, self.other) == (fast, slow),
            PairFinding::Lower => (self.other, self.base) == (fast, slow),
            PairFinding::Equivalent | PairFinding::Open => false,
        }
    }
}

/// Returns the programs that have a time, the fastest first. Of equal times, the first program
/// comes first.
pub(crate) fn order_programs(times: &[Option<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..times.len())
        .filter(|&index| times[index].is_some())
        .collect();
    order.sort_by(|&one, &other| {
        times[one]
            .partial_cmp(&times[other])
            .unwrap_or(one.cmp(&other))
    });
    order
}

/// Returns the rank of each program, from 1; `None` without a time. A program shares the rank of
/// the next faster one unless it was shown to be slower than one of that rank.
pub(crate) fn rank_programs(times: &[Option<f64>], pairs: &[RankedPair]) -> Vec<Option<usize>> {
    let order = order_programs(times);
    let mut ranks = vec![None; times.len()];
    let mut shared: Vec<usize> = Vec::new();
    let mut rank = 1;
    for (place, &program) in order.iter().enumerate() {
        let is_slower = |&faster: &usize| pairs.iter().any(|pair| pair.shows(faster, program));
        if shared.iter().any(is_slower) {
            shared.clear();
            rank = place + 1;
        }
        shared.push(program);
        ranks[program] = Some(rank);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use PairFinding::{Equivalent, Higher, Lower, Open};

    fn pair(base: usize, other: usize, finding: PairFinding) -> RankedPair {
        RankedPair {
            base,
            other,
            finding,
        }
    }

    #[test]
    fn rank_is_worse_only_if_a_pair_shows_it() {
        let times = [Some(3.0), Some(1.0), Some(2.0), None];
        assert_eq!(order_programs(&times), [1, 2, 0]);
        let shown = [pair(0, 1, Lower), pair(0, 2, Lower), pair(1, 2, Higher)];
        let ranks = |pairs: &[RankedPair]| rank_programs(&times, pairs);
        assert_eq!(ranks(&shown), [Some(3), Some(1), Some(2), None]);
        let open = [pair(0, 1, Lower), pair(0, 2, Open), pair(1, 2, Open)];
        assert_eq!(ranks(&open), [Some(3), Some(1), Some(1), None]);
        let equal = [pair(0, 2, Equivalent), pair(1, 2, Higher)];
        assert_eq!(ranks(&equal), [Some(2), Some(1), Some(2), None]);
        assert_eq!(ranks(&[]), [Some(1), Some(1), Some(1), None]);
        // A pair that contradicts the order shows nothing about it.
        assert_eq!(
            ranks(&[pair(1, 2, Lower)]),
            [Some(1), Some(1), Some(1), None]
        );
    }
}
