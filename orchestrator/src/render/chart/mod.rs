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

/// Draws adjacent bars of one width that stand on a line, as the data of one closed SVG path. Equal
/// neighbours are one step, which keeps the path short.
pub(super) fn draw_steps(baseline: usize, width: usize, heights: &[usize]) -> String {
    let mut path = format!("M0 {baseline}");
    let mut level = 0;
    for equal in heights.chunk_by(|one, other| one == other) {
        if equal[0] != level {
            let _ = write!(path, "v{}", level as i64 - equal[0] as i64);
            level = equal[0];
        }
        let _ = write!(path, "h{}", width * equal.len());
    }
    let _ = write!(path, "V{baseline}z");
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
    fn bars_start_at_the_baseline_and_marks_surround_places() {
        assert_eq!(draw_steps(8, 5, &[0, 8, 1, 1]), "M0 8h5v-8h5v7h10V8z");
        let path = draw_marks(4.0, [(10.0, 5.0)].into_iter());
        assert_eq!(path, "M8 5h4");
    }
}
