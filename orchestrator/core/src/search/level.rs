//! Owns the level of a commit from its pairs: a trimmed mean, and its remaining noise.

/// Share of the values that is cut off, or replaced by its neighbour, at each end.
const TRIM: f64 = 0.2;

/// Least noise of one pair (log ratio). Scripted or very coarse clocks give no noise, and weights
/// must stay finite.
const LEAST_SPREAD: f64 = 1e-5;

/// Location of some pair differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DifferenceLevel {
    /// 20 % trimmed mean (log ratio); 0 without pairs.
    pub(super) mean: f64,
    /// Pairs behind it.
    pub(super) count: usize,
    /// n times the squared standard error of the mean (Yuen 1974): the variance of one pair.
    variance: f64,
    /// Number of values that are not trimmed, less one.
    freedom: f64,
}

impl DifferenceLevel {
    pub(super) const NONE: Self = Self {
        mean: 0.0,
        count: 0,
        variance: 0.0,
        freedom: 0.0,
    };

    /// Computes the level. Yuen: se^2 = (n - 1) s_w^2 / (h (h - 1)), with the winsorised variance
    /// s_w and the number h of values that remain of n.
    pub(super) fn of(mut differences: Vec<f64>) -> Self {
        differences.retain(|difference| difference.is_finite());
        differences.sort_by(f64::total_cmp);
        let count = differences.len();
        if count == 0 {
            return Self::NONE;
        }
        let cut = (count as f64 * TRIM) as usize; // rounded down on purpose
        let kept = &differences[cut..count - cut];
        let mean = kept.iter().sum::<f64>() / kept.len() as f64;
        let freedom = kept.len() as f64 - 1.0;
        let squares = winsorised_squares(&differences, cut);
        let variance = if freedom > 0.0 {
            squares * count as f64 / (kept.len() as f64 * freedom)
        } else {
            0.0
        };
        Self {
            mean,
            count,
            variance,
            freedom,
        }
    }
}

/// Returns the sum of squared deviations, after replacing the `cut` values at each end by their
/// neighbour.
fn winsorised_squares(ascending: &[f64], cut: usize) -> f64 {
    let (low, high) = (ascending[cut], ascending[ascending.len() - 1 - cut]);
    // `clamp` would panic if a bound were not a number.
    let pulled = |value: &f64| value.max(low).min(high);
    let mean = ascending.iter().map(pulled).sum::<f64>() / ascending.len() as f64;
    ascending
        .iter()
        .map(|value| (pulled(value) - mean).powi(2))
        .sum()
}

/// Returns s^2, the variance that one pair leaves in a level, pooled over all levels (squared log
/// ratio).
pub(super) fn pooled_variance(levels: &[DifferenceLevel]) -> f64 {
    let freedom: f64 = levels.iter().map(|level| level.freedom).sum();
    let sum: f64 = levels
        .iter()
        .map(|level| level.freedom * level.variance)
        .sum();
    (sum / freedom.max(1.0)).max(LEAST_SPREAD * LEAST_SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn outliers_do_not_move_the_level() {
        let calm = DifferenceLevel::of(vec![1.0, 2.0, 3.0, 4.0, 5.0]);
        let wild = DifferenceLevel::of(vec![1.0, 2.0, 3.0, 4.0, 500.0]);
        assert_eq!((calm.mean, wild.mean), (3.0, 3.0));
        assert_eq!(calm.variance, wild.variance);
        // The winsorised values are 2 2 3 4 4, with squares 4 and h = 3, so se^2 = 4 / 6.
        assert!((calm.variance - 5.0 * 4.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn level_of_few_values_is_defined() {
        assert_eq!(DifferenceLevel::of(vec![]), DifferenceLevel::NONE);
        assert_eq!(DifferenceLevel::of(vec![f64::NAN]), DifferenceLevel::NONE);
        assert_eq!(DifferenceLevel::of(vec![2.0]).mean, 2.0);
        assert_eq!(pooled_variance(&[]), LEAST_SPREAD * LEAST_SPREAD);
    }

    #[test]
    fn variance_of_normal_noise_is_slightly_above_its_own() {
        let mut rng = SeededRandom::from_seed(7);
        let mut normal = || (0..12).map(|_| rng.draw_fraction()).sum::<f64>() - 6.0;
        let levels: Vec<DifferenceLevel> = (0..200)
            .map(|_| DifferenceLevel::of((0..40).map(|_| normal()).collect()))
            .collect();
        let pooled = pooled_variance(&levels);
        assert!((1.0..1.3).contains(&pooled), "{pooled}");
    }
}
