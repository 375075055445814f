//! Owns the likelihood of measured levels that share one true level: the reference's level, or a
//! new level behind a step.
//!
//! With a level m, w = 1/(s^2/n + tau^2) and V the variance of what the members of a group share,
//! log ML(G) = 1/2 sum ln w - 1/2 [sum w m^2 - (sum w m)^2/(sum w + 1/V)] - 1/2 ln(1 + V sum w).
//! The reference's level is exactly 0 except for the reference's own build effect, which every
//! difference to it shares: V = tau^2. A new level has heavy tails: a mixture over several V. A
//! single V is not enough: with 0.05^2, a step to eight times the time costs 890 nats. This pushes
//! tau to its largest value, where small steps pass for build effects.

/// Standard deviations of a new level (log ratio) with their prior weights: from 3 % to a factor of
/// 20.
const LEVEL_SIZES: [(f64, f64); 5] = [
    (0.03, 0.5),
    (0.095, 0.25),
    (0.3, 0.12),
    (0.95, 0.08),
    (3.0, 0.05),
];

/// Sums over the codes of one group: of w, w m and w m^2.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LevelSums {
    pub(super) w: f64,
    wm: f64,
    wmm: f64,
}

/// Estimate of the new level that a group shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupLevel {
    /// log ML without the sum of ln w.
    pub(super) log: f64,
    /// Expected level (log ratio).
    pub(super) mean: f64,
    /// Variance of the level.
    pub(super) variance: f64,
}

impl LevelSums {
    pub(super) fn add(&mut self, weight: f64, level: f64) {
        self.w += weight;
        self.wm += weight * level;
        self.wmm += weight * level * level;
    }

    /// Returns log ML without the sum of ln w. The formula allows V = 0.
    pub(super) fn log_ml(&self, shared: f64) -> f64 {
        let spread = 1.0 + shared * self.w;
        -0.5 * (self.wmm - shared * self.wm * self.wm / spread) - 0.5 * spread.ln()
    }

    fn mean(&self, shared: f64) -> f64 {
        shared * self.wm / (1.0 + shared * self.w)
    }

    /// Returns the group's own new level.
    pub(super) fn new_level(&self) -> GroupLevel {
        let logs = LEVEL_SIZES.map(|(size, weight)| weight.ln() + self.log_ml(size * size));
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut mass, mut mean, mut variance) = (0.0, 0.0, 0.0);
        for (log, (size, _)) in logs.iter().zip(LEVEL_SIZES) {
            let (share, shared) = ((log - largest).exp(), size * size);
            mass += share;
            mean += share * self.mean(shared);
            variance += share * shared / (1.0 + shared * self.w);
        }
        GroupLevel {
            log: largest + mass.ln(),
            mean: mean / mass,
            variance: variance / mass,
        }
    }
}

impl GroupLevel {
    /// Level of the reference.
    pub(super) const REFERENCE: Self = Self {
        log: 0.0,
        mean: 0.0,
        variance: 0.0,
    };

    /// Returns P(the level is more than `least` away from another level).
    pub(super) fn beyond(&self, other: &Self, least: f64) -> f64 {
        let (apart, error) = (
            self.mean - other.mean,
            (self.variance + other.variance).sqrt(),
        );
        (below((apart - least) / error) + below((-apart - least) / error)).min(1.0)
    }
}

/// Returns P(a normal value is below `x` standard deviations), to within 0.01.
fn below(x: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * x).exp())
}

/// Returns the log of a sum of terms given by their logs; minus infinity without any terms.
pub(super) fn log_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + logs.map(|log| (log - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns ln of the normal density without ln(2 pi) / 2.
    fn normal(x: f64, variance: f64) -> f64 {
        -0.5 * variance.ln() - 0.5 * x * x / variance
    }

    #[test]
    fn likelihood_of_a_group_is_that_of_a_shared_normal_level() {
        let (shared, w, m) = (4e-4, [1e5, 2e4], [0.021, 0.013]);
        let mut sums = LevelSums::default();
        sums.add(w[0], m[0]);
        let one = 0.5 * w[0].ln() + sums.log_ml(shared);
        assert!((one - normal(m[0], 1.0 / w[0] + shared)).abs() < 1e-9);
        // This is the density of the second value given the first. Its mean is the posterior mean.
        // Its variance is the posterior variance plus its own.
        let second = normal(
            m[1] - sums.mean(shared),
            1.0 / w[1] + shared / (1.0 + shared * w[0]),
        );
        sums.add(w[1], m[1]);
        let both = 0.5 * (w[0].ln() + w[1].ln()) + sums.log_ml(shared);
        assert!((both - one - second).abs() < 1e-9);
    }

    #[test]
    fn level_without_members_is_zero() {
        let mut sums = LevelSums::default();
        sums.add(100.0, 0.1);
        assert!((0.5 * 100f64.ln() + sums.log_ml(0.0) - normal(0.1, 0.01)).abs() < 1e-12);
        assert_eq!(sums.mean(0.0), 0.0);
    }

    #[test]
    fn large_level_costs_little_more_than_a_small_one() {
        let log = |level: f64| {
            let mut sums = LevelSums::default();
            sums.add(1e5, level);
            sums.new_level().log
        };
        assert!(log(0.02) - log(2.1) < 9.0, "{} {}", log(0.02), log(2.1));
        assert!(log(0.02) - log(-4.0) < 10.0, "{}", log(-4.0));
        let mut sums = LevelSums::default();
        sums.add(1e6, 2.1);
        let level = sums.new_level();
        assert!(
            (level.mean - 2.1).abs() < 1e-3 && level.variance < 1.1e-6,
            "{level:?}"
        );
        assert!(level.beyond(&GroupLevel::REFERENCE, 0.01) > 0.999);
        assert!(level.beyond(&level, 0.01) < 0.01);
    }

    #[test]
    fn sum_of_logs_is_the_log_of_the_sum() {
        assert!((log_sum([1.0, 2.0].into_iter()) - (1f64.exp() + 2f64.exp()).ln()).abs() < 1e-12);
        assert_eq!(
            log_sum([f64::NEG_INFINITY; 2].into_iter()),
            f64::NEG_INFINITY
        );
        assert_eq!(log_sum(std::iter::empty()), f64::NEG_INFINITY);
    }
}
