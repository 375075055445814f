//! Owns how much a noisy yes or no would tell.

/// Distance between the points of the sum over the noise (standard deviations).
const STEP: f64 = 0.5;

/// Points on each side of 0: beyond 6 standard deviations nothing is left to add.
const POINTS: i32 = 12;

/// Returns the entropy of an event of probability `p`, in nats.
pub(super) fn entropy(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    part(p) + part(1.0 - p)
}

/// Returns what one learns of an event of probability `p` that is sent as 0 or `snr` through Gaussian noise of standard
/// deviation 1, in nats: between 0 and `entropy(p)`.
///
/// I = -sum over x of P(x) E[ln(f(y)/f(y|x))]. The expectation over the noise is a trapezium sum, which converges
/// exponentially for a Gaussian weight.
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

/// `information` at one snr for any probability, from a table: a search asks it for every commit at the same snr.
pub(super) struct Curve {
    values: [f64; Self::CELLS + 1],
}

impl Curve {
    const CELLS: usize = 32;

    /// The cells are equal in the root of p, because the entropy is steepest at 0.
    pub(super) fn new(snr: f64) -> Self {
        let p = |cell: usize| 0.5 * (cell as f64 / Self::CELLS as f64).powi(2);
        Self { values: std::array::from_fn(|cell| information(p(cell), snr)) }
    }

    /// In nats; symmetric around one half.
    pub(super) fn at(&self, p: f64) -> f64 {
        let place = (2.0 * p.min(1.0 - p).max(0.0)).sqrt() * Self::CELLS as f64;
        let cell = (place as usize).min(Self::CELLS - 1); // 0 ..= CELLS by construction
        let part = place - cell as f64;
        self.values[cell] * (1.0 - part) + self.values[cell + 1] * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By quadrature of the densities, finely.
    fn slow(p: f64, snr: f64) -> f64 {
        let density = |y: f64| (-0.5 * y * y).exp() / std::f64::consts::TAU.sqrt();
        let mixed = |y: f64| (1.0 - p) * density(y) + p * density(y - snr);
        let minus_log = |f: f64| if f > 0.0 { -f * f.ln() } else { 0.0 };
        let points = (-12_000..12_000 + (snr * 1000.0) as i32).map(|i| f64::from(i) * 1e-3);
        points.map(|y| (minus_log(mixed(y)) - minus_log(density(y))) * 1e-3).sum()
    }

    #[test]
    fn agrees_with_quadrature() {
        for snr in [0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 9.0] {
            for p in [0.5, 0.3, 0.1, 0.02, 0.9] {
                let (got, want) = (information(p, snr), slow(p, snr));
                assert!((got - want).abs() < 2e-3, "{p} {snr}: {got} {want}");
                assert!((Curve::new(snr).at(p) - got).abs() < 2e-3, "{p} {snr}");
            }
        }
    }

    #[test]
    fn nothing_sent_and_nothing_unknown_tell_nothing() {
        assert_eq!((information(0.0, 3.0), information(1.0, 3.0), information(0.5, 0.0)), (0.0, 0.0, 0.0));
        assert!((information(0.5, 30.0) - std::f64::consts::LN_2).abs() < 1e-9);
        assert_eq!(information(0.5, f64::NAN), 0.0);
    }
}
