//! Owns the number of turns of a pair of processes.

use super::estimate::{MAD_TO_SIGMA, median};
use super::pair::PairSummary;

/// Turns of a block: enough for a minimum that is a floor, and few enough that drift within the
/// block does not matter.
const BLOCK: usize = 5;

/// Turns of a fast workload before its noise is known.
const FIRST_TURNS: usize = 40;

const FEWEST_TURNS: usize = 10;
const MOST_TURNS: usize = 200;

/// Median absolute deviation of |X| for standard normal X: the t with P(m - t < |X| < m + t) = 1/2,
/// m = 0.6745.
const FOLDED_MAD: f64 = 0.3991;

/// The turns of a pair of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnPlan {
    /// Turns of both sides in one pair.
    pub turns: usize,
    /// Turns of one block.
    pub block: usize,
}

/// Returns the plan for the first pairs: 40 turns, or fewer if a pair's turns would not fit into
/// `budget_ns`.
///
/// `turn_ns` is one turn of both sides, untimed parts included. From 10 turns on, their number is a
/// multiple of the block of 5; 5 to 9 turns become one block of 5; fewer become one block.
pub fn guess_plan(turn_ns: f64, budget_ns: f64) -> TurnPlan {
    fit_plan(FIRST_TURNS, turn_ns, budget_ns)
}

/// Returns the plan for the following pairs, after Kalibera & Jones 2013.
///
/// m = sqrt((c_proc/c_turn) (s_w^2/s_b^2)), between 10 and 200, a multiple of 5. At this number of
/// turns, another turn lowers the variance per second as much as another process does. c_proc is
/// `process_ns` (starting and ending a pair of processes), c_turn is `turn_ns`, s_w^2 is the
/// variance that one turn adds to a block, and s_b^2 is the variance of differences beyond that of
/// their turns. The number is limited to the turns that fit into `budget_ns`.
///
/// The plan depends on |d| and |z - d| only. A plan that depended on signs could prolong a series
/// that leans to one side.
pub fn reestimate_plan(
    pairs: &[PairSummary],
    process_ns: f64,
    turn_ns: f64,
    budget_ns: f64,
) -> TurnPlan {
    if pairs.is_empty() {
        return guess_plan(turn_ns, budget_ns);
    }
    // Only pairs of two or more blocks show the spread within, and their blocks always have 5
    // turns.
    let within_block = within_variance(pairs);
    let within_turn = within_block * BLOCK as f64;
    let between = between_variance(pairs, within_block);
    let turns = if within_turn <= 0.0 {
        FEWEST_TURNS
    } else if between <= 0.0 {
        MOST_TURNS
    } else {
        optimal_turns((process_ns / turn_ns) * (within_turn / between))
    };
    fit_plan(turns, turn_ns, budget_ns)
}

fn optimal_turns(turns_squared: f64) -> usize {
    let turns = turns_squared.max(0.0).sqrt();
    if turns.is_nan() {
        return FIRST_TURNS; // costs that are not numbers are ignored
    }
    let blocks = (turns.clamp(FEWEST_TURNS as f64, MOST_TURNS as f64) / BLOCK as f64).round();
    blocks as usize * BLOCK
}

/// Returns the variance of a block's difference around its pair's median.
fn within_variance(pairs: &[PairSummary]) -> f64 {
    let deviations: Vec<f64> = pairs
        .iter()
        .filter(|pair| pair.blocks.len() >= 2)
        .flat_map(deviations)
        .collect();
    median(&deviations).map_or(0.0, |typical| (MAD_TO_SIGMA * typical).powi(2))
}

/// Returns |z - d| of a pair without the smallest one, which belongs to the median itself and would
/// lower the spread. The others are widened by the amount that fitting the median removed.
fn deviations(pair: &PairSummary) -> Vec<f64> {
    let blocks = pair.blocks.len() as f64;
    let widen = (blocks / (blocks - 1.0)).sqrt();
    let mut deviations: Vec<f64> = pair
        .blocks
        .iter()
        .map(|z| (z - pair.difference).abs() * widen)
        .collect();
    deviations.sort_by(f64::total_cmp);
    deviations.split_off(1)
}

/// Returns the variance of differences that their turns do not explain; it may be negative.
fn between_variance(pairs: &[PairSummary], within_block: f64) -> f64 {
    let magnitudes: Vec<f64> = pairs.iter().map(|pair| pair.difference.abs()).collect();
    let typical = median(&magnitudes).unwrap_or(0.0);
    let around: Vec<f64> = magnitudes.iter().map(|m| (m - typical).abs()).collect();
    // Around 0 both estimates agree. Far from 0 the first one is the shift itself, which would end
    // every pair early.
    let sigma = (MAD_TO_SIGMA * typical).min(median(&around).unwrap_or(0.0) / FOLDED_MAD);
    let explained: Vec<f64> = pairs
        .iter()
        .map(|pair| within_block * median_variance(pair.blocks.len()))
        .collect();
    sigma.powi(2) - median(&explained).unwrap_or(0.0)
}

/// Returns the variance of the median of n normal values of variance 1: 1/n up to two values, where
/// it is the mean, then nearly pi/(2n).
fn median_variance(n: usize) -> f64 {
    let factor = if n <= 2 {
        1.0
    } else {
        std::f64::consts::FRAC_PI_2
    };
    factor / n.max(1) as f64
}

/// Lowers the turns to the number that fits into the budget, in whole blocks.
fn fit_plan(turns: usize, turn_ns: f64, budget_ns: f64) -> TurnPlan {
    let affordable = (budget_ns / turn_ns).floor();
    // The cast saturates; a ratio that is not a number (0/0) limits nothing.
    let turns = if affordable.is_nan() || turn_ns <= 0.0 {
        turns
    } else {
        turns.min(affordable as usize)
    };
    match turns {
        0..BLOCK => TurnPlan {
            turns: turns.max(1),
            block: turns.max(1),
        },
        BLOCK..FEWEST_TURNS => TurnPlan {
            turns: BLOCK,
            block: BLOCK,
        },
        _ => TurnPlan {
            turns: turns - turns % BLOCK,
            block: BLOCK,
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::random::SeededRandom;
    use proptest::prelude::*;

    const AMPLE: f64 = 1e18;

    fn pair(difference: f64, blocks: &[f64]) -> PairSummary {
        PairSummary {
            difference,
            blocks: blocks.to_vec(),
            floor: true,
        }
    }

    #[test]
    fn first_guess_fits_the_budget() {
        let got = |affordable: f64| {
            let plan = guess_plan(1e6, 1e6 * affordable);
            (plan.turns, plan.block)
        };
        assert_eq!(got(1000.0), (40, 5));
        assert_eq!(got(39.9), (35, 5));
        assert_eq!(got(14.0), (10, 5));
        assert_eq!(got(9.9), (5, 5));
        assert_eq!(got(5.0), (5, 5));
        assert_eq!(got(4.9), (4, 4));
        assert_eq!(got(0.1), (1, 1));
        assert_eq!(guess_plan(0.0, 1e9).turns, 40);
        assert_eq!(guess_plan(1e6, f64::INFINITY).turns, 40);
    }

    #[test]
    fn turns_are_few_without_noise_within_and_many_without_noise_between() {
        let no_within = vec![pair(0.01, &[0.01; 8]), pair(-0.02, &[-0.02; 8])];
        assert_eq!(
            reestimate_plan(&no_within, 1e6, 1e6, AMPLE),
            TurnPlan {
                turns: 10,
                block: 5
            }
        );
        let no_between = vec![pair(0.0, &[-0.01, 0.0, 0.01]); 6];
        assert_eq!(
            reestimate_plan(&no_between, 1e6, 1e6, AMPLE),
            TurnPlan {
                turns: 200,
                block: 5
            }
        );
        assert_eq!(
            reestimate_plan(&no_between, 1e6, 1e6, 5e7),
            TurnPlan {
                turns: 50,
                block: 5
            }
        );
        assert_eq!(
            reestimate_plan(&[], 1e6, 1e6, AMPLE),
            guess_plan(1e6, AMPLE)
        );
    }

    fn normal(rng: &mut SeededRandom) -> f64 {
        (-2.0 * (1.0 - rng.draw_fraction()).ln()).sqrt()
            * (std::f64::consts::TAU * rng.draw_fraction()).cos()
    }

    /// Generates pairs of 8 blocks with spreads `within` (of a block) and `between` around `shift`.
    fn simulated(within: f64, between: f64, shift: f64, count: usize) -> Vec<PairSummary> {
        let mut rng = SeededRandom::from_seed(7);
        let one = |rng: &mut SeededRandom| {
            let own = shift + between * normal(rng);
            let blocks: Vec<f64> = (0..8).map(|_| own + within * normal(rng)).collect();
            pair(median(&blocks).unwrap(), &blocks)
        };
        (0..count).map(|_| one(&mut rng)).collect()
    }

    #[test]
    fn many_pairs_find_the_optimum() {
        // With s_w^2 = 5 * 0.01^2 for a turn, s_b^2 = 0.01^2 and c_proc/c_turn = 500, the number is
        // sqrt(500 * 5) = 50.
        let turns = reestimate_plan(&simulated(0.01, 0.01, 0.0, 4000), 5e8, 1e6, AMPLE).turns;
        assert!((45..=55).contains(&turns), "{turns}");
        // A true shift of ten spreads costs at most the factor 1.7 of the folding.
        let turns = reestimate_plan(&simulated(0.01, 0.01, 0.1, 4000), 5e8, 1e6, AMPLE).turns;
        assert!((25..=55).contains(&turns), "{turns}");
    }

    proptest! {
        #[test]
        fn plans_do_not_depend_on_signs(
            seeds in prop::collection::vec(
                (-1.0..1.0f64, prop::collection::vec(-1.0..1.0f64, 1..9), any::<bool>()),
                1..12,
            ),
        ) {
            let signed = |flip: bool| -> Vec<PairSummary> {
                let of = |x: f64, flipped: bool| if flip && flipped { -x } else { x };
                seeds
                    .iter()
                    .map(|(d, blocks, flipped)| {
                        pair(
                            of(*d, *flipped),
                            &blocks.iter().map(|z| of(*z, *flipped)).collect::<Vec<_>>(),
                        )
                    })
                    .collect()
            };
            prop_assert_eq!(
                reestimate_plan(&signed(false), 1e8, 1e6, AMPLE),
                reestimate_plan(&signed(true), 1e8, 1e6, AMPLE)
            );
        }

        #[test]
        fn plans_are_always_usable(
            turn in 0.0..1e10f64,
            budget in 0.0..1e10f64,
            d in -1.0..1.0f64,
            z in -1.0..1.0f64,
        ) {
            for plan in [
                guess_plan(turn, budget),
                reestimate_plan(&[pair(d, &[d, z, -z])], 1e6, turn, budget),
            ] {
                prop_assert!((1..=200).contains(&plan.turns) && plan.turns % plan.block == 0);
                prop_assert!(plan.turns == 1 || plan.turns as f64 * turn <= budget);
            }
        }
    }
}
