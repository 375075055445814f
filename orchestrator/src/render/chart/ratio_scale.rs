//! A scale for relative changes that shows 0.5 % beside a factor of 50: linear near zero,
//! logarithmic beyond. A time that is halved is as far from the middle as one that is doubled.

use super::coordinate;
use crate::comparison::RelativeChange;
use orch_core::format::change::{self, ChangedQuantity};
use serde::Serialize;

/// Width of a chart, in units of its coordinates.
const WIDTH: f64 = 200.0;
/// Room at both ends for half a label.
const PADDING: f64 = 20.0;
/// Changes that may have a mark with a label.
const LABELLED: [f64; 11] = [
    -0.98, -0.9, -0.5, -0.1, -0.01, 0.0, 0.01, 0.1, 1.0, 9.0, 49.0,
];
/// Change from which on a label is a factor.
const LARGE: f64 = 3.0;
/// Margins outside of these bounds are drawn at them. The scale of the largest one ends below the
/// largest ratio.
const LEAST_MARGIN: f64 = 0.001;
const MOST_MARGIN: f64 = 10.0;
/// Ratio that no scale exceeds.
const LARGEST_RATIO: f64 = 1000.0;
/// Least distance between two labels, in units of the coordinates.
const LEAST_DISTANCE: f64 = 36.0;

/// A scale for the changes of one comparison.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct RatioScale {
    /// End of the linear part, as the logarithm of a ratio.
    linear: f64,
    /// Logarithm of the ratio at the right end; the left end has the opposite sign.
    limit: f64,
}

/// A labelled place of the scale.
#[derive(Debug, PartialEq, Serialize)]
pub(in super::super) struct ScaleMark {
    x: String,
    label: String,
}

/// A change with its interval on the scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in super::super) struct ChangeMark {
    /// The estimate.
    x: String,
    /// Ends of the interval.
    low: String,
    high: String,
    /// Ends of the band in which a change is equivalent.
    margin_low: String,
    margin_high: String,
    /// Place of no change.
    zero: String,
    /// Whether an end of the interval is unknown or outside of the scale.
    is_open_low: bool,
    is_open_high: bool,
}

impl RatioScale {
    /// Returns a scale that contains the estimates and the known ends of all changes. `margin` is
    /// the smallest of their margins.
    pub(in super::super) fn covering<'a>(
        changes: impl Iterator<Item = &'a RelativeChange>,
        margin: f64,
    ) -> Self {
        // The maximum replaces a margin that is not a number, which `clamp` would keep.
        let margin = margin.max(LEAST_MARGIN).clamp(LEAST_MARGIN, MOST_MARGIN);
        let linear = margin.ln_1p();
        let ends = changes.flat_map(|change| [Some(change.estimate), change.low, change.high]);
        let logs = ends.flatten().map(|end| end.ln_1p().abs());
        let limit = logs.filter(|log| log.is_finite()).fold(0.0, f64::max);
        Self {
            linear,
            limit: limit.clamp(2.0 * linear, LARGEST_RATIO.ln()),
        }
    }

    fn place(self, change: f64) -> f64 {
        let bent = |log: f64| (log / self.linear).asinh();
        let log = change.ln_1p().clamp(-self.limit, self.limit);
        let half = WIDTH / 2.0;
        half + (half - PADDING) * bent(log) / bent(self.limit)
    }

    fn contains(self, change: f64) -> bool {
        change.ln_1p().abs() <= self.limit
    }

    /// Returns the marks that have room for their labels. Zero has one in any case.
    pub(in super::super) fn marks(self) -> Vec<ScaleMark> {
        let mut chosen: Vec<f64> = vec![0.0];
        let mut candidates = LABELLED.to_vec();
        // Far ones first: they show how far the scale reaches.
        candidates.sort_by(|one, other| other.ln_1p().abs().total_cmp(&one.ln_1p().abs()));
        for change in candidates.into_iter().filter(|one| self.contains(*one)) {
            let is_free =
                |other: &f64| (self.place(*other) - self.place(change)).abs() >= LEAST_DISTANCE;
            if chosen.iter().all(is_free) {
                chosen.push(change);
            }
        }
        chosen.sort_by(f64::total_cmp);
        let mark = |change: f64| ScaleMark {
            x: coordinate(self.place(change)),
            label: label(change),
        };
        chosen.into_iter().map(mark).collect()
    }

    /// Places a change with its interval and the band of its margin.
    pub(in super::super) fn mark(self, change: &RelativeChange, margin: f64) -> ChangeMark {
        let inside = |end: Option<f64>| end.filter(|end| self.contains(*end));
        let (low, high) = (inside(change.low), inside(change.high));
        let at = |change: f64| coordinate(self.place(change));
        ChangeMark {
            x: at(change.estimate),
            low: low.map_or_else(|| coordinate(0.0), at),
            high: high.map_or_else(|| coordinate(WIDTH), at),
            margin_low: at(1.0 / (1.0 + margin) - 1.0),
            margin_high: at(margin),
            zero: at(0.0),
            is_open_low: low.is_none(),
            is_open_high: high.is_none(),
        }
    }
}

fn label(change: f64) -> String {
    if change > LARGE {
        format!("x{:.0}", 1.0 + change)
    } else if change < 1.0 / (1.0 + LARGE) - 1.0 {
        format!("1/{:.0}", 1.0 / (1.0 + change))
    } else if change == 0.0 {
        "0".to_owned()
    } else {
        format!("{:+.0} %", change * 100.0)
    }
}

/// Describes the scale in a sentence.
pub(in super::super) fn describe_scale(margin: f64) -> String {
    let size = change::size(ChangedQuantity::Time, margin);
    format!(
        "The scale is about linear up to {size} and logarithmic beyond; the band around zero is \
         the margin of each workload."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(estimate: f64, low: Option<f64>, high: Option<f64>) -> RelativeChange {
        RelativeChange {
            estimate,
            low,
            high,
        }
    }

    #[test]
    fn scale_is_symmetric_in_ratios() {
        let all = [change(1.0, Some(0.5), Some(3.0))];
        let scale = RatioScale::covering(all.iter(), 0.01);
        let middle = WIDTH / 2.0;
        let [twice, half] = [1.0, -0.5].map(|change| scale.place(change) - middle);
        assert!((twice + half).abs() < 1e-9, "{twice} {half}");
        assert!((scale.place(0.0) - middle).abs() < 1e-9);
        assert!((scale.place(3.0) - (WIDTH - PADDING)).abs() < 1e-9);
        assert!(scale.place(0.005) - middle > 3.0, "half a margin is seen");
    }

    #[test]
    fn margin_beyond_every_scale_is_drawn_at_its_ends() {
        let all = [change(1.0, Some(0.5), Some(3.0))];
        for margin in [20.0, 1e19, f64::MAX, f64::INFINITY, f64::NAN, -1.0] {
            let scale = RatioScale::covering(all.iter(), margin);
            assert!(scale.limit >= 2.0 * scale.linear, "{margin}: {scale:?}");
            assert!(scale.place(1.0).is_finite(), "{margin}: {scale:?}");
        }
    }

    #[test]
    fn unknown_ends_are_open() {
        let all = [change(0.5, Some(0.4), None), change(-0.2, None, Some(0.1))];
        let scale = RatioScale::covering(all.iter(), 0.01);
        let [first, second] = all.map(|one| scale.mark(&one, 0.01));
        assert_eq!((first.is_open_low, first.is_open_high), (false, true));
        assert_eq!((second.is_open_low, second.is_open_high), (true, false));
        assert_eq!(first.high, "200");
        assert_eq!(second.low, "0");
    }

    #[test]
    fn marks_have_room() {
        for estimate in [0.0, 0.02, 0.5, 40.0, 1e9, -0.999, f64::NAN] {
            let all = [change(estimate, None, None)];
            let scale = RatioScale::covering(all.iter(), 0.01);
            let marks = scale.marks();
            assert!(marks.iter().any(|mark| mark.label == "0"), "{estimate}");
            let places: Vec<f64> = marks.iter().map(|mark| mark.x.parse().unwrap()).collect();
            for pair in places.windows(2) {
                assert!(pair[1] - pair[0] > LEAST_DISTANCE - 0.2, "{marks:?}");
            }
        }
    }
}
