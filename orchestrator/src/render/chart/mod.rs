//! Geometry of the charts in HTML pages: where marks, bars and boxes are. Texts and colours belong
//! to the templates.

pub(super) mod growth_plot;
pub(super) mod icicle;
pub(super) mod ratio_scale;
pub(super) mod strip;

use std::fmt::Write;

/// Formats a coordinate with one digit after the point, without a trailing zero.
pub(super) fn coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// Draws bars that stand on one line, as the data of an SVG path: `x` and height of each, from left
/// to right.
fn draw_bars(baseline: f64, bars: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (x, height) in bars {
        let [x, y, height] = [x, baseline, height].map(coordinate);
        let _ = write!(path, "M{x} {y}v-{height}");
    }
    path
}

/// Draws short horizontal marks around places, as the data of an SVG path.
pub(super) fn draw_marks(width: f64, places: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (x, y) in places {
        let [x, y, width] = [x - width / 2.0, y, width].map(coordinate);
        let _ = write!(path, "M{x} {y}h{width}");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        let texts = [0.0, -0.04, 12.0, 12.34, -7.96, 100.06].map(coordinate);
        assert_eq!(texts, ["0", "0", "12", "12.3", "-8", "100.1"]);
    }

    #[test]
    fn bars_stand_on_the_baseline_and_marks_around_places() {
        let path = draw_bars(8.0, [(0.0, 8.0), (2.5, 1.0)].into_iter());
        assert_eq!(path, "M0 8v-8M2.5 8v-1");
        let path = draw_marks(4.0, [(10.0, 5.0)].into_iter());
        assert_eq!(path, "M8 5h4");
    }
}
