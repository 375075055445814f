//! Owns the information in a noisy yes or no.

use std::sync::LazyLock;

/// Distance between the points of the sum over the noise (standard deviations).
const STEP: f64 = 0.5;

/// Points on each side of 0. Beyond 6 standard deviations nothing remains to add.
const POINTS: i32 = 12;

/// Returns the entropy of an event of probability `p`, in nats.
pub(super) fn entropy(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    part(p) + part(1.0 - p)
}

/// Returns the entropy of a whole distribution, in nats.
pub(super) fn entropy_of(shares: impl Iterator<Item = f64>) -> f64 {
    shares.filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum()
}

/// Returns the information, in nats, from an event of probability `p` that is sent as 0 or `snr`
/// through Gaussian noise of standard deviation 1. The result lies between 0 and `entropy(p)`.
///
/// I = -sum over x of P(x) E[ln(f(y)/f(y|x))]. The expectation over the noise is a trapezium sum,
/// which converges exponentially for a Gaussian weight.
pub(super) fn information(p: f64, snr: f64) -> f64 {
    let q = 1.0 - p;
    if p <= 0.0 || q <= 0.0 || snr.is_nan() || snr <= 0.0 {
        return 0.0;
    }
    let snr = snr.min(40.0);
    let (mut sum, mut weights) = (0.0, 0.0);
    for point in -POINTS..=POINTS {
        let z = f64::from(point) * STEP;
        let weight = (-0.5 * z * z).exp();
        let far = (snr * z - 0.5 * snr * snr).exp();
        sum -= weight * (q * (q + p * far).ln() + p * (p + q * far).ln());
        weights += weight;
    }
    (sum / weights).clamp(0.0, entropy(p))
}

/// A table of `information`, which a search needs for every commit, each with a step of its own.
pub(super) struct InformationTable {
    rows: Vec<[f64; Self::CELLS + 1]>,
}

impl InformationTable {
    const CELLS: usize = 32;
    /// SNR of the first row. Below it, an observation gives no information.
    const LEAST: f64 = 0.02;
    /// Ratio of the SNRs of neighbouring rows.
    const RATIO: f64 = 1.08;
    /// Rows up to an SNR of 40, from which on the information is complete.
    const ROWS: usize = 100;

    /// Builds a table whose cells are equal in the root of p, because the entropy is steepest at 0.
    fn new() -> Self {
        let p = |cell: usize| 0.5 * (cell as f64 / Self::CELLS as f64).powi(2);
        let snr = |row: i32| Self::LEAST * Self::RATIO.powi(row);
        let row = |row: i32| std::array::from_fn(|cell| information(p(cell), snr(row)));
        Self {
            rows: (0..Self::ROWS as i32).map(row).collect(),
        }
    }

    /// Returns the table that all searches share.
    pub(super) fn shared() -> &'static Self {
        static TABLE: LazyLock<InformationTable> = LazyLock::new(InformationTable::new);
        &TABLE
    }

    /// Returns the information in nats; symmetric around one half.
    pub(super) fn at(&self, p: f64, snr: f64) -> f64 {
        if snr.is_nan() || snr < Self::LEAST {
            return 0.0;
        }
        let place = (snr / Self::LEAST).ln() / Self::RATIO.ln();
        // The row is not below 0, because `snr` is not below LEAST.
        let row = (place as usize).min(Self::ROWS - 2);
        let part = (place - row as f64).min(1.0);
        Self::along(&self.rows[row], p) * (1.0 - part) + Self::along(&self.rows[row + 1], p) * part
    }

    fn along(values: &[f64; Self::CELLS + 1], p: f64) -> f64 {
        let place = (2.0 * p.min(1.0 - p).max(0.0)).sqrt() * Self::CELLS as f64;
        // The cell is in 0 ..= CELLS by construction.
        let cell = (place as usize).min(Self::CELLS - 1);
        let part = place - cell as f64;
        values[cell] * (1.0 - part) + values[cell + 1] * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes the information by a fine quadrature of the densities.
    fn slow(p: f64, snr: f64) -> f64 {
        let density = |y: f64| (-0.5 * y * y).exp() / std::f64::consts::TAU.sqrt();
        let mixed = |y: f64| (1.0 - p) * density(y) + p * density(y - snr);
        let minus_log = |f: f64| if f > 0.0 { -f * f.ln() } else { 0.0 };
        let points = (-12_000..12_000 + (snr * 1000.0) as i32).map(|i| f64::from(i) * 1e-3);
        points
            .map(|y| (minus_log(mixed(y)) - minus_log(density(y))) * 1e-3)
            .sum()
    }

    #[test]
    fn agrees_with_quadrature() {
        for snr in [0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 9.0] {
            for p in [0.5, 0.3, 0.1, 0.02, 0.9] {
                let (got, want) = (information(p, snr), slow(p, snr));
                assert!((got - want).abs() < 2e-3, "{p} {snr}: {got} {want}");
                let table = InformationTable::shared().at(p, snr);
                assert!((table - got).abs() < 3e-3, "{p} {snr}: {table} {got}");
            }
        }
    }

    #[test]
    fn no_signal_and_no_uncertainty_give_no_information() {
        assert_eq!(
            (
                information(0.0, 3.0),
                information(1.0, 3.0),
                information(0.5, 0.0)
            ),
            (0.0, 0.0, 0.0)
        );
        assert!((information(0.5, 30.0) - std::f64::consts::LN_2).abs() < 1e-9);
        assert_eq!(information(0.5, f64::NAN), 0.0);
    }
}
