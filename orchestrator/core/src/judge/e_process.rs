//! Owns the evidence against a shift: the e-process over pair differences, and the confidence
//! sequence from its inversion.
//!
//! An e-process is the fortune of a gambler who starts with 1 and bets on the sign of each
//! difference. If every sign is a fair coin given the magnitudes, no strategy that fixes its stakes
//! from magnitudes gains on average, and the chance that the fortune EVER reaches 1/alpha is at
//! most alpha (Ville 1939). This is why it is valid to judge after every pair and to stop when the
//! answer is clear. The stakes are a mixture as in Waudby-Smith & Ramdas 2024 (betting confidence
//! sequences). Sizes are clipped, so that one outlier moves the fortune by a bounded factor.

use super::estimate::{hodges_lehmann, mad_spread, median};

/// Stakes of the mixture. Small ones gain on weak, noisy shifts; large ones reach the threshold
/// soon on clear shifts. All are below 1, so no single pair can ruin a fortune permanently.
const STAKES: [f64; 6] = [0.1, 0.2, 0.4, 0.6, 0.8, 0.95];

/// Size, in running medians, above which a difference counts as one full stake.
const CLIP: f64 = 1.5;

/// Returns the log of the evidence at which a shift is rejected at level `alpha`: ln(1/alpha).
pub(crate) fn log_threshold(alpha: f64) -> f64 {
    -alpha.ln()
}

/// Evidence against one shift, pair by pair.
#[derive(Debug, Clone)]
pub(crate) struct EProcess {
    shift: f64,
    /// Magnitudes |x_1| .. |x_i|, ascending.
    magnitudes: Vec<f64>,
    /// For each stake, the fortune of bets that B takes longer than the shift, and the fortune of
    /// bets that it takes less time.
    fortunes: [(LogProduct, LogProduct); STAKES.len()],
}

impl EProcess {
    /// Starts with no pairs, hence E = 1.
    pub fn new(shift: f64) -> Self {
        Self {
            shift,
            magnitudes: Vec::new(),
            fortunes: [(LogProduct::ONE, LogProduct::ONE); STAKES.len()],
        }
    }

    /// Adds the next pair's difference (log ratio).
    ///
    /// A difference that is not finite is no bet: it has no information about the shift, and must
    /// not spoil the other differences.
    pub fn push(&mut self, difference: f64) {
        let x = difference - self.shift;
        if !x.is_finite() {
            return;
        }
        let at = self.magnitudes.partition_point(|m| *m < x.abs());
        self.magnitudes.insert(at, x.abs());
        let size = bet_size(x, self.scale());
        for (stake, (more, less)) in STAKES.iter().zip(&mut self.fortunes) {
            more.multiply(1.0 + stake * size);
            less.multiply(1.0 - stake * size);
        }
    }

    /// Returns ln E: the log of the mean of all fortunes.
    pub fn log_e(&self) -> f64 {
        let logs = self.fortunes.map(|(more, less)| (more.ln(), less.ln()));
        let largest = logs.iter().fold(f64::NEG_INFINITY, |top, (more, less)| {
            top.max(*more).max(*less)
        });
        // Each stake's two directions are added first. Their order then does not matter, and
        // swapping A and B leaves the result unchanged to the last bit.
        let sum: f64 = logs
            .iter()
            .map(|(more, less)| (more - largest).exp() + (less - largest).exp())
            .sum();
        if self.magnitudes.is_empty() {
            return 0.0; // exactly, where the sum of exponentials would leave a rounding error
        }
        largest + (sum / (2.0 * STAKES.len() as f64)).ln()
    }

    /// Returns s_i. It includes the newest magnitude, which is allowed because magnitudes do not
    /// reveal the signs.
    fn scale(&self) -> f64 {
        let n = self.magnitudes.len();
        let at = |i: usize| self.magnitudes.get(i).copied().unwrap_or(0.0);
        if n.is_multiple_of(2) {
            at((n / 2).saturating_sub(1)) / 2.0 + at(n / 2) / 2.0
        } else {
            at(n / 2)
        }
    }
}

/// Returns g_i = clip(x/(1.5 s), -1, 1), between -1 and 1.
fn bet_size(x: f64, scale: f64) -> f64 {
    if x == 0.0 {
        0.0
    } else if scale == 0.0 {
        x.signum()
    } else {
        (x / (CLIP * scale)).clamp(-1.0, 1.0)
    }
}

/// A product of many factors that neither overflows nor underflows, and takes a logarithm only once
/// per hundred factors.
#[derive(Debug, Clone, Copy)]
struct LogProduct {
    product: f64,
    log: f64,
}

impl LogProduct {
    const ONE: Self = Self {
        product: 1.0,
        log: 0.0,
    };

    fn multiply(&mut self, factor: f64) {
        self.product *= factor;
        if !(1e-100..1e100).contains(&self.product) {
            self.log += self.product.ln();
            self.product = 1.0;
        }
    }

    fn ln(self) -> f64 {
        self.log + self.product.ln()
    }
}

/// Returns ln E_n(shift) over the differences in the order of measurement (log ratios); 0 without
/// differences.
///
/// With x_i = d_i - shift, s_i = median of |x_1| .. |x_i| and g_i = clip(x_i/(1.5 s_i), -1, 1): E_n
/// = 1/(2K) sum over the K stakes l of [prod(1 + l g_i) + prod(1 - l g_i)].
///
/// For shift 0 it is exact by design of the experiment. For other shifts it assumes that B is A
/// times a constant.
pub fn log_e(differences: &[f64], shift: f64) -> f64 {
    let mut process = EProcess::new(shift);
    differences.iter().for_each(|d| process.push(*d));
    process.log_e()
}

/// A range of shifts (log ratios); an end may be infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ShiftInterval {
    /// Lower end (log ratio).
    pub low: f64,
    /// Upper end (log ratio).
    pub high: f64,
}

impl ShiftInterval {
    /// The range that excludes no shift.
    pub(crate) const EVERYTHING: Self = Self {
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };
}

/// Start of the search beyond the most distant difference, in units of that distance. From there
/// outwards, the sizes differ by at most 3 %, so every bet is 2/3 to within 0.022. At alpha = 0.01
/// this still rejects every shift farther out with 14 pairs (E >= 107): none can return to the set.
const FAR: f64 = 64.0;

/// Ratio of neighbouring distances on the search grid.
const GRID_RATIO: f64 = 1.25;

/// Returns the hull of {shift: ln E_n(shift) < ln(1/alpha)} over the differences (log ratios).
///
/// Where B is A times a constant, the true shift stays inside at all looks together with
/// probability 1 - alpha. E is not monotone in the shift. Therefore the search proceeds over a grid
/// from far outside inwards and takes the outermost crossing on it. It can miss a detached sliver
/// that is narrower than the grid (seen in 1 of 1200 simulated series). Both ends are infinite in
/// two cases: while there are so few pairs that a remote shift is not rejected, and when no shift
/// is left. In the second case the data contradict the model of one constant shift, and an empty
/// interval would look like perfect knowledge.
pub(crate) fn confidence_sequence(differences: &[f64], alpha: f64) -> ShiftInterval {
    let threshold = log_threshold(alpha);
    // For a shift far away, all differences look equal.
    let remote = log_e(&vec![1.0; differences.len()], 0.0);
    if remote < threshold || !threshold.is_finite() || differences.iter().any(|d| !d.is_finite()) {
        return ShiftInterval::EVERYTHING;
    }
    let rejected = |shift: f64| log_e(differences, shift) >= threshold;
    match ShiftGrid::span_grid(differences, rejected) {
        Some(grid) => grid.hull(rejected).unwrap_or(ShiftInterval::EVERYTHING),
        None => ShiftInterval::EVERYTHING,
    }
}

/// Shifts to try, ascending; the first and the last are rejected.
struct ShiftGrid {
    shifts: Vec<f64>,
    /// Width at which a crossing is precise enough.
    resolution: f64,
}

impl ShiftGrid {
    fn span_grid(differences: &[f64], rejected: impl Fn(f64) -> bool) -> Option<Self> {
        let centre = median(differences)?;
        let farthest = differences
            .iter()
            .fold(0.0, |far: f64, d| far.max((d - centre).abs()));
        // Equal differences have no spread. The floor is far below the resolution of any clock, and
        // far above rounding.
        let floor = 1e-12 * centre.abs().max(1.0);
        let mad = mad_spread(differences)?;
        let spread = if mad > floor {
            mad
        } else {
            farthest.max(floor)
        };
        let far = reach_outwards(farthest.max(floor) * FAR, |far| {
            rejected(centre - far) && rejected(centre + far)
        })?;

        let mut shifts = vec![
            centre,
            hodges_lehmann(differences)?,
            centre - far,
            centre + far,
        ];
        shifts.extend_from_slice(differences);
        let mut distance = spread / 16.0;
        while distance < far {
            shifts.extend([centre - distance, centre + distance]);
            distance *= GRID_RATIO;
        }
        shifts.sort_by(f64::total_cmp);
        Some(Self {
            shifts,
            resolution: spread * 1e-6,
        })
    }

    fn hull(&self, rejected: impl Fn(f64) -> bool + Copy) -> Option<ShiftInterval> {
        let low = outermost(self.shifts.iter().copied(), rejected)?;
        let high = outermost(self.shifts.iter().rev().copied(), rejected)?;
        let crossing =
            |(outside, inside)| bisect_crossing(outside, inside, self.resolution, rejected);
        Some(ShiftInterval {
            low: crossing(low),
            high: crossing(high),
        })
    }
}

/// Returns the first distance, doubled from `start`, at which `found` holds.
fn reach_outwards(start: f64, found: impl Fn(f64) -> bool) -> Option<f64> {
    std::iter::successors(Some(start), |far| Some(far * 2.0))
        .take(40)
        .find(|far| found(*far))
}

/// Returns the first neighbours (rejected, kept) in the given order.
fn outermost(
    shifts: impl Iterator<Item = f64>,
    rejected: impl Fn(f64) -> bool,
) -> Option<(f64, f64)> {
    let mut outside = None;
    for shift in shifts {
        if !rejected(shift) {
            return outside.map(|outside| (outside, shift));
        }
        outside = Some(shift);
    }
    None
}

/// Narrows a crossing and returns its rejected side, so that rounding can only widen the interval.
fn bisect_crossing(
    mut outside: f64,
    mut inside: f64,
    resolution: f64,
    rejected: impl Fn(f64) -> bool,
) -> f64 {
    for _ in 0..60 {
        if (outside - inside).abs() <= resolution {
            break;
        }
        let middle = outside / 2.0 + inside / 2.0;
        if rejected(middle) {
            outside = middle;
        } else {
            inside = middle;
        }
    }
    outside
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::judge::verdict::FEWEST_PAIRS;

    const ALPHA: f64 = 0.01;

    /// Computes the formula as it is defined, without logs, with running medians by sorting.
    fn e_by_definition(differences: &[f64], shift: f64) -> f64 {
        let x: Vec<f64> = differences.iter().map(|d| d - shift).collect();
        let g = |i: usize| {
            let seen: Vec<f64> = x[..=i].iter().map(|x| x.abs()).collect();
            let s = median(&seen).unwrap();
            if s == 0.0 {
                if x[i] == 0.0 { 0.0 } else { x[i].signum() }
            } else {
                (x[i] / (1.5 * s)).clamp(-1.0, 1.0)
            }
        };
        let fortune = |l: f64| (0..x.len()).map(|i| 1.0 + l * g(i)).product::<f64>();
        STAKES
            .iter()
            .map(|l| fortune(*l) + fortune(-l))
            .sum::<f64>()
            / 12.0
    }

    #[test]
    fn zero_pairs_give_no_evidence() {
        assert_eq!(log_e(&[], 0.0), 0.0);
        assert_eq!(confidence_sequence(&[], ALPHA), ShiftInterval::EVERYTHING);
    }

    #[test]
    fn zeros_are_no_evidence() {
        assert!(log_e(&[0.0; 50], 0.0).abs() < 1e-12);
        // The running median is 0 for the first difference after zeros, so the bet is full, and
        // finite.
        assert!(log_e(&[0.0, 0.0, 1.0], 0.0).is_finite());
        assert!(log_e(&[0.0, 0.0, 0.0, 1.0, 1.0], 0.0) > 0.0);
    }

    #[test]
    fn values_that_are_not_finite_are_skipped() {
        assert_eq!(
            log_e(&[0.1, f64::NAN, 0.2, f64::INFINITY], 0.0),
            log_e(&[0.1, 0.2], 0.0)
        );
        assert_eq!(
            confidence_sequence(&[f64::NAN; 30], ALPHA),
            ShiftInterval::EVERYTHING
        );
    }

    #[test]
    fn fourteen_equal_differences_reach_one_percent_and_thirteen_do_not() {
        let e = |n| log_e(&vec![0.02; n], 0.0).exp();
        assert!((e(13) - 79.68).abs() < 0.5, "{}", e(13));
        assert!((e(14) - 125.51).abs() < 0.5, "{}", e(14));
        assert!(e(13) < 100.0 && e(14) >= 100.0);
        assert_eq!(
            confidence_sequence(&[0.02; 13], ALPHA),
            ShiftInterval::EVERYTHING
        );
    }

    #[test]
    fn growing_differences_need_eleven_because_each_bet_is_full() {
        let growing: Vec<f64> = (0..14).map(|i| 2f64.powi(i)).collect();
        let first = (0..=14).find(|n| log_e(&growing[..*n], 0.0) >= log_threshold(ALPHA));
        assert_eq!(first, Some(FEWEST_PAIRS));
    }

    #[test]
    fn equal_differences_give_a_tiny_interval_around_them() {
        for value in [0.0, 0.01, -3.0] {
            let got = confidence_sequence(&[value; 20], ALPHA);
            assert!(
                got.low <= value && value <= got.high && got.high - got.low < 1e-10,
                "{value}: {got:?}"
            );
        }
    }

    #[test]
    fn jump_of_the_level_gives_a_wide_interval() {
        let mut jump = vec![0.0; 40];
        jump.extend([1.0; 40]);
        let got = confidence_sequence(&jump, ALPHA);
        assert!(got.high - got.low > 0.5, "{got:?}");
    }

    #[test]
    fn empty_set_of_shifts_gives_an_infinite_interval() {
        let grid = ShiftGrid {
            shifts: vec![-1.0, 0.0, 1.0],
            resolution: 1e-6,
        };
        assert_eq!(grid.hull(|_| true), None);
        let got = grid.hull(|shift: f64| shift.abs() > 0.3).unwrap();
        assert!(
            (got.low + 0.3).abs() < 1e-5 && (got.high - 0.3).abs() < 1e-5,
            "{got:?}"
        );
        assert!(got.low < -0.3 && 0.3 < got.high, "rounding widens");
    }

    #[test]
    fn long_series_neither_overflows_nor_underflows() {
        let value = log_e(&vec![1.0; 5000], 0.0);
        assert!(
            (value - (5000.0 * (1.0 + 0.95 / 1.5f64).ln() - 12f64.ln())).abs() < 1e-6,
            "{value}"
        );
    }

    /// Generates sums of three uniforms, some of them enlarged: ordinary differences with a few
    /// outliers.
    fn ordinary() -> impl Strategy<Value = Vec<f64>> {
        let one = (
            -1.0..1.0f64,
            -1.0..1.0f64,
            -1.0..1.0f64,
            0u8..12,
            -0.03..0.03f64,
        );
        (prop::collection::vec(one, 14..64), -0.05..0.05f64).prop_map(|(parts, shift)| {
            let value = |(a, b, c, wild, w): (f64, f64, f64, u8, f64)| {
                shift + (a + b + c) * 1e-3 + if wild == 0 { w } else { 0.0 }
            };
            parts.into_iter().map(value).collect()
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            d in prop::collection::vec(-2i8..=2, 0..30),
            shift in -1i8..=1,
        ) {
            let d: Vec<f64> = d.into_iter().map(f64::from).collect();
            let (got, want) = (
                log_e(&d, f64::from(shift)),
                e_by_definition(&d, f64::from(shift)).ln(),
            );
            prop_assert!((got - want).abs() < 1e-9, "{} {}", got, want);
        }

        #[test]
        fn swapping_the_sides_changes_nothing(
            d in prop::collection::vec(-1.0..1.0f64, 0..40),
            shift in -0.5..0.5f64,
        ) {
            let swapped: Vec<f64> = d.iter().map(|d| -d).collect();
            prop_assert_eq!(log_e(&d, shift), log_e(&swapped, -shift));
        }

        #[test]
        fn unit_does_not_change_the_evidence(d in prop::collection::vec(-1.0..1.0f64, 0..40)) {
            let scaled: Vec<f64> = d.iter().map(|d| 8.0 * d).collect();
            prop_assert_eq!(log_e(&d, 0.0), log_e(&scaled, 0.0));
        }

        /// Tests the martingale: over all sign patterns of given magnitudes, E averages 1 at every
        /// n.
        #[test]
        fn mean_over_all_signs_is_one(m in prop::collection::vec(1e-6..1.0f64, 1..9)) {
            let patterns = 1u32 << m.len();
            let signed = |p: u32| {
                m.iter()
                    .enumerate()
                    .map(move |(i, m)| if p >> i & 1 == 1 { *m } else { -*m })
            };
            let e = |p: u32| log_e(&signed(p).collect::<Vec<_>>(), 0.0).exp();
            let mean = (0..patterns).map(e).sum::<f64>() / f64::from(patterns);
            prop_assert!((mean - 1.0).abs() < 1e-9, "{}", mean);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn interval_holds_the_estimate_and_flips_with_the_sides(d in ordinary()) {
            let got = confidence_sequence(&d, ALPHA);
            let estimate = hodges_lehmann(&d).unwrap();
            prop_assert!(
                got.low <= estimate && estimate <= got.high,
                "{:?} {}",
                got,
                estimate
            );
            let swapped = confidence_sequence(&d.iter().map(|d| -d).collect::<Vec<_>>(), ALPHA);
            prop_assert!(
                (swapped.low + got.high).abs() < 1e-9 && (swapped.high + got.low).abs() < 1e-9
            );
        }

        #[test]
        fn kept_shifts_outside_lie_in_slivers_narrower_than_the_grid(d in ordinary()) {
            let wide = find_wide_sliver(&d);
            prop_assert!(wide.is_none(), "{wide:?} is kept");
        }
    }

    /// Returns a kept shift outside the interval that is not in a sliver: no shift within a cell of
    /// the search grid is rejected.
    fn find_wide_sliver(d: &[f64]) -> Option<f64> {
        let got = confidence_sequence(d, ALPHA);
        let is_kept = |shift: f64| log_e(d, shift) < log_threshold(ALPHA);
        let (centre, width) = (median(d)?, got.high - got.low);
        let outside = (1..400).map(|step| f64::from(step) * width / 100.0);
        outside
            .flat_map(|out| [got.low - out, got.high + out])
            .filter(|shift| is_kept(*shift))
            .find(|shift| {
                let cell = (shift - centre).abs() * (GRID_RATIO - 1.0);
                let is_open = |sign: f64| {
                    (1..100).all(|part| is_kept(shift + sign * cell * f64::from(part) / 100.0))
                };
                is_open(-1.0) || is_open(1.0)
            })
    }

    #[test]
    fn sliver_of_recorded_noise_is_narrower_than_the_grid() {
        // The differences are in millionths and were found by chance among random series. A shift
        // outside of the interval is kept.
        let series = [
            -1237, -912, -1503, -927, 766, 0, -350, -650, -22873, 941, -343, -403, 1613, 1034,
            1402, -16797, 0, 672, 686, 27224, 315, -1774, 0,
        ];
        let d: Vec<f64> = series.iter().map(|d| f64::from(*d) * 1e-6).collect();
        assert_eq!(find_wide_sliver(&d), None);
    }
}
