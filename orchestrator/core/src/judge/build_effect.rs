//! Owns the build effect tau: the difference between builds of the same code, whatever the number
//! of pairs.

use super::estimate::median;

/// Returns tau, the standard deviation over builds of one code (log ratio).
///
/// `estimates` are the log ratios of rebuilds to one common build, which shifts all of them equally
/// and does not affect their spread. The mean of their squared `errors` (standard errors, log
/// ratios) is subtracted from the variance of the estimates. The rest is the variance of the
/// builds. The result is 0 where the noise explains everything, and `None` for fewer than three
/// rebuilds.
pub fn estimate_tau(estimates: &[f64], errors: &[f64]) -> Option<f64> {
    if estimates.len() < 3 {
        return None;
    }
    let count = estimates.len() as f64;
    let mean = estimates.iter().sum::<f64>() / count;
    let variance = estimates
        .iter()
        .map(|estimate| (estimate - mean).powi(2))
        .sum::<f64>()
        / (count - 1.0);
    let noise = errors.iter().map(|error| error.powi(2)).sum::<f64>() / errors.len().max(1) as f64;
    Some((variance - noise).max(0.0).sqrt())
}

/// Returns the standard error of the median of pair differences (log ratios): 1.2533 s / sqrt(n),
/// with s from the median absolute deviation, because single pairs may be outliers.
pub fn standard_error(differences: &[f64]) -> Option<f64> {
    /// sqrt(pi / 2): ratio of the standard errors of the median and the mean of normal values.
    const MEDIAN: f64 = 1.253_314;
    let spread = super::estimate::mad_spread(differences)?;
    median(differences)?;
    Some(MEDIAN * spread / (differences.len() as f64).sqrt())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn noise_alone_is_no_build_effect() {
        assert_eq!(
            estimate_tau(&[0.001, -0.001, 0.001, -0.001], &[0.002; 4]),
            Some(0.0)
        );
        assert_eq!(estimate_tau(&[0.1, 0.2], &[0.0; 2]), None);
    }

    #[test]
    fn spread_beyond_the_noise_is_the_build_effect() {
        let estimates = [0.05, 0.02, 0.08, 0.05, 0.05];
        let whole = estimate_tau(&estimates, &[0.0; 5]).unwrap();
        assert!((whole - 0.021_213).abs() < 1e-5, "{whole}");
        let part = estimate_tau(&estimates, &[0.01; 5]).unwrap();
        assert!(
            (part.powi(2) - (whole.powi(2) - 1e-4)).abs() < 1e-12,
            "{part}"
        );
    }

    #[test]
    fn shift_of_all_rebuilds_belongs_to_the_common_build() {
        let shifted: Vec<f64> = [0.01, -0.01, 0.0, 0.02].iter().map(|d| d + 0.3).collect();
        let plain = estimate_tau(&[0.01, -0.01, 0.0, 0.02], &[0.001; 4]).unwrap();
        assert!((estimate_tau(&shifted, &[0.001; 4]).unwrap() - plain).abs() < 1e-12);
    }

    #[test]
    fn error_falls_with_the_root_of_the_pairs() {
        let wave = |n: usize| (0..n).map(|i| (i % 4) as f64).collect::<Vec<_>>();
        let (few, many) = (
            standard_error(&wave(16)).unwrap(),
            standard_error(&wave(64)).unwrap(),
        );
        assert!((few / many - 2.0).abs() < 1e-9);
        assert_eq!(standard_error(&[]), None);
    }
}
