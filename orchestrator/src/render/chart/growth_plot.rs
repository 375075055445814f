//! The times of a workload against its size, on two logarithmic axes: a straight line is a power.

use super::coordinate;
use serde::Serialize;

/// Size of the plot and its room for labels, in units of its coordinates.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 180.0;
const PADDING: f64 = 16.0;

/// A plot.
#[derive(Debug, Serialize)]
pub(in super::super) struct GrowthPlot {
    points: Vec<PlotPoint>,
    /// Data of the path through the points.
    path: String,
    /// Ends of the fitted line.
    fit: [PlotPoint; 2],
}

/// A place in the plot.
#[derive(Debug, Serialize)]
struct PlotPoint {
    x: String,
    y: String,
    /// Size and time of a point; empty for the ends of a line.
    label: String,
}

/// Draws points of size and time, with their labels, and the fitted power `factor` · size ^
/// `exponent`. All sizes and times are positive and the sizes are not all equal.
pub(in super::super) fn draw(
    points: &[(f64, f64, String)],
    factor: f64,
    exponent: f64,
) -> GrowthPlot {
    let fitted = |size: f64| factor * size.powf(exponent);
    let sizes = Axis::covering(points.iter().map(|(size, ..)| *size));
    let ends = [sizes.low.exp(), sizes.high.exp()];
    let times = points.iter().map(|(_, time, _)| *time);
    let times = Axis::covering(times.chain(ends.map(fitted)));
    let place = |size: f64, time: f64, label: String| PlotPoint {
        x: coordinate(PADDING + sizes.share(size) * (WIDTH - 2.0 * PADDING)),
        y: coordinate(HEIGHT - PADDING - times.share(time) * (HEIGHT - 2.0 * PADDING)),
        label,
    };
    let points: Vec<PlotPoint> = points
        .iter()
        .map(|(size, time, label)| place(*size, *time, label.clone()))
        .collect();
    let path: Vec<String> = points
        .iter()
        .map(|point| format!("{} {}", point.x, point.y))
        .collect();
    GrowthPlot {
        path: format!("M{}", path.join("L")),
        points,
        fit: ends.map(|size| place(size, fitted(size), String::new())),
    }
}

/// Ends of an axis, as logarithms.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn covering(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .map(f64::ln)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| {
                (low.min(log), high.max(log))
            });
        Self { low, high }
    }

    fn share(&self, value: f64) -> f64 {
        if self.high > self.low {
            (value.ln() - self.low) / (self.high - self.low)
        } else {
            0.5
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_is_a_straight_line() {
        let points: Vec<(f64, f64, String)> = [64.0, 128.0, 256.0_f64]
            .map(|size| (size, 3.0 * size.powi(3), size.to_string()))
            .to_vec();
        let plot = draw(&points, 3.0, 3.0);
        assert_eq!(plot.path, "M16 164L160 90L304 16");
        assert_eq!(
            (plot.fit[0].x.as_str(), plot.fit[1].y.as_str()),
            ("16", "16")
        );
    }

    #[test]
    fn equal_times_stay_inside() {
        let points = [(1.0, 5.0, String::new()), (10.0, 5.0, String::new())];
        let plot = draw(&points, 5.0, 0.0);
        assert_eq!(plot.path, "M16 90L304 90");
    }
}
