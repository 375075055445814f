//! Owns the summary of one pair of processes, which turns its turns into one difference.

use super::estimate::{mad_spread, median};

/// Relative robust spread of block minima above which the minimum is not a floor but chance.
const MOVING_FLOOR: f64 = 0.03;

/// Fewest blocks from which the spread of the minima is judged.
const BLOCKS_TO_TELL: usize = 4;

/// Times of one pair of processes: ns per iteration, by turn. If the lengths differ, the extra
/// turns are ignored.
#[derive(Debug, Clone, Copy)]
pub struct PairSamples<'a> {
    /// The baseline's turns (ns per iteration).
    pub a: &'a [f64],
    /// The candidate's turns (ns per iteration).
    pub b: &'a [f64],
}

/// Summary of one pair of processes.
#[derive(Debug, Clone, PartialEq)]
pub struct PairSummary {
    /// d, the median of the blocks (log ratio B/A).
    pub difference: f64,
    /// z_j, the difference of each block (log ratio B/A).
    pub blocks: Vec<f64>,
    /// Whether a block's time is its minimum. If the floor moves, it is the median.
    pub floor: bool,
}

/// Returns the pair's difference over consecutive blocks of `block` turns; `None` without turns,
/// and where a time is not a positive number.
///
/// z_j = ln(min B) - ln(min A) in block j and d = median of z_j. Noise only ever adds time, so the
/// minimum is the most repeatable number of a block (Chen & Revels 2016). Memory-bound work is an
/// exception, because it has no floor; for it the median is taken. That choice depends on the
/// larger spread of the two sides. If it depended on one side, it would favour a sign, and the coin
/// behind the verdict would no longer be fair.
///
/// A last, incomplete block is dropped unless it is the only one. Swapping A and B negates the
/// result exactly.
pub fn summarise_pair(samples: PairSamples<'_>, block: usize) -> Option<PairSummary> {
    let turns = samples.a.len().min(samples.b.len());
    let (a, b) = (samples.a.get(..turns)?, samples.b.get(..turns)?);
    if turns == 0
        || a.iter()
            .chain(b)
            .any(|time| !time.is_finite() || *time <= 0.0)
    {
        return None;
    }
    let block = block.clamp(1, turns);
    let (lowest_a, lowest_b) = (
        summarise_blocks(a, block, minimum)?,
        summarise_blocks(b, block, minimum)?,
    );
    let floor = lowest_a.len() < BLOCKS_TO_TELL
        || minima_spread(&lowest_a)?.max(minima_spread(&lowest_b)?) <= MOVING_FLOOR;
    let (typical_a, typical_b) = if floor {
        (lowest_a, lowest_b)
    } else {
        (
            summarise_blocks(a, block, median)?,
            summarise_blocks(b, block, median)?,
        )
    };
    let blocks: Vec<f64> = typical_a
        .iter()
        .zip(&typical_b)
        .map(|(a, b)| b.ln() - a.ln())
        .collect();
    Some(PairSummary {
        difference: median(&blocks)?,
        blocks,
        floor,
    })
}

/// Returns the level halfway between the sides (log of ns per iteration): the median over blocks of
/// the mean of ln A and ln B. Each block is summarised as in [`summarise_pair`], according to its
/// `floor`. Returns `None` without turns, and if a time is not a positive number.
pub fn pair_level(samples: PairSamples<'_>, block: usize, floor: bool) -> Option<f64> {
    let turns = samples.a.len().min(samples.b.len());
    let (a, b) = (samples.a.get(..turns)?, samples.b.get(..turns)?);
    if turns == 0
        || a.iter()
            .chain(b)
            .any(|time| !time.is_finite() || *time <= 0.0)
    {
        return None;
    }
    let typical = if floor { minimum } else { median };
    let block = block.clamp(1, turns);
    let (a, b) = (
        summarise_blocks(a, block, typical)?,
        summarise_blocks(b, block, typical)?,
    );
    median(
        &a.iter()
            .zip(&b)
            .map(|(a, b)| f64::midpoint(a.ln(), b.ln()))
            .collect::<Vec<_>>(),
    )
}

fn summarise_blocks(
    times: &[f64],
    block: usize,
    typical: impl Fn(&[f64]) -> Option<f64>,
) -> Option<Vec<f64>> {
    times.chunks_exact(block).map(typical).collect()
}

fn minimum(times: &[f64]) -> Option<f64> {
    times.iter().copied().reduce(f64::min)
}

/// Returns the robust spread relative to the median.
fn minima_spread(times: &[f64]) -> Option<f64> {
    Some(mad_spread(times)? / median(times)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn summary(a: &[f64], b: &[f64], block: usize) -> Option<PairSummary> {
        summarise_pair(PairSamples { a, b }, block)
    }

    #[test]
    fn blocks_are_as_computed_by_hand() {
        let a = [10.0, 11.0, 10.0, 12.0, 9.0];
        let b = [20.0, 25.0, 40.0, 44.0, 1.0];
        let got = summary(&a, &b, 2).unwrap();
        assert_eq!(
            got.blocks,
            [20f64.ln() - 10f64.ln(), 40f64.ln() - 10f64.ln()],
            "the fifth turn is dropped"
        );
        assert_eq!(got.difference, (got.blocks[0] + got.blocks[1]) / 2.0);
        assert!(got.floor);
        assert_eq!(
            summary(&a, &b, 7).unwrap().blocks,
            [1f64.ln() - 9f64.ln()],
            "the only block is kept"
        );
        assert_eq!(
            summary(&a, &b[..1], 2).unwrap().blocks,
            [20f64.ln() - 10f64.ln()],
            "extra turns are ignored"
        );
        assert_eq!(summary(&a, &b, 0), summary(&a, &b, 1));
    }

    #[test]
    fn level_lies_halfway_between_the_sides() {
        let (a, b) = ([10.0, 11.0, 10.0, 12.0], [40.0, 44.0, 40.0, 90.0]);
        let of = |block, floor| {
            pair_level(PairSamples { a: &a, b: &b }, block, floor)
                .unwrap()
                .exp()
        };
        assert!(
            (of(2, true) - 20.0).abs() < 1e-9,
            "minima of 10 and 40 in both blocks"
        );
        assert!(
            (of(4, false) - (10.5f64 * 42.0).sqrt()).abs() < 1e-9,
            "medians of 10.5 and 42"
        );
        assert_eq!(pair_level(PairSamples { a: &[], b: &[] }, 5, true), None);
        assert_eq!(
            pair_level(
                PairSamples {
                    a: &[1.0],
                    b: &[0.0]
                },
                5,
                true
            ),
            None
        );
    }

    #[test]
    fn bad_samples_give_nothing() {
        assert_eq!(summary(&[], &[], 5), None);
        assert_eq!(summary(&[1.0], &[], 5), None);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(summary(&[1.0, 1.0], &[1.0, bad], 1), None);
            assert_eq!(summary(&[bad, 1.0], &[1.0, 1.0], 1), None);
        }
    }

    #[test]
    fn moving_floor_on_either_side_takes_the_median_on_both() {
        let steady = [100.0, 101.0, 103.0].repeat(4);
        let moving: Vec<f64> = [80.0, 100.0, 120.0, 140.0]
            .iter()
            .flat_map(|x| [*x, x * 1.1, x * 1.3])
            .collect();
        assert!(summary(&steady, &steady, 3).unwrap().floor);
        for (a, b) in [(&steady, &moving), (&moving, &steady)] {
            let got = summary(a, b, 3).unwrap();
            assert!(!got.floor);
            assert_eq!(
                got.blocks[0],
                median(&b[..3]).unwrap().ln() - median(&a[..3]).unwrap().ln()
            );
        }
        assert!(
            summary(&moving[..9], &steady[..9], 3).unwrap().floor,
            "three blocks do not tell"
        );
    }

    proptest! {
        #[test]
        fn swapping_the_sides_negates_exactly(
            turns in prop::collection::vec((1.0..1.2f64, 1.0..1.2f64, 0u8..6, 0u8..6), 1..60),
            block in 1usize..8,
        ) {
            let wild = |time: f64, kind: u8| if kind == 0 { time * 1.5 } else { time };
            let a: Vec<f64> = turns.iter().map(|(a, _, kind, _)| wild(*a, *kind)).collect();
            let b: Vec<f64> = turns.iter().map(|(_, b, _, kind)| wild(*b, *kind)).collect();
            let (forth, back) = (summary(&a, &b, block).unwrap(), summary(&b, &a, block).unwrap());
            prop_assert_eq!(forth.difference, -back.difference);
            prop_assert_eq!(forth.blocks, back.blocks.iter().map(|z| -z).collect::<Vec<_>>());
            prop_assert_eq!(forth.floor, back.floor);
        }
    }
}
