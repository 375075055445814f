//! The pairs of a workload in the order in which they were measured, so that a drift and a second
//! state are seen.

use crate::render::chart;
use crate::runner::pair_series::PairRecord;
use orch_core::format::change::{self, ChangedQuantity};
use serde::Serialize;

/// Size of the plot, in units of its coordinates.
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 80.0;
/// Room at all edges.
const PADDING: f64 = 6.0;
/// Most pairs that are drawn.
const MOST_PAIRS: usize = 400;

/// The differences of the pairs. Places are coordinates; upwards is longer.
#[derive(Debug, Serialize)]
pub(super) struct PairPlot {
    /// Data of a path with a short bar for each pair.
    path: String,
    zero: String,
    /// Edges of the margin's band.
    margin_high: String,
    margin_low: String,
    /// The largest and the smallest change of a pair.
    high: String,
    low: String,
    /// Number of pairs that are not drawn.
    more: usize,
}

/// Draws the pairs; `None` without pairs.
pub(super) fn draw(pairs: &[PairRecord], margin: f64) -> Option<PairPlot> {
    let shown: Vec<f64> = pairs
        .iter()
        .take(MOST_PAIRS)
        .map(|pair| pair.difference)
        .filter(|difference| difference.is_finite())
        .collect();
    if shown.is_empty() {
        return None;
    }
    let margin = margin.ln_1p();
    // No change and the margin are always in the plot.
    let high = shown.iter().copied().fold(margin, f64::max);
    let low = shown.iter().copied().fold(-margin, f64::min);
    let span = (high - low).max(f64::MIN_POSITIVE);
    let y = |log: f64| PADDING + (high - log) / span * (HEIGHT - 2.0 * PADDING);
    let step = (WIDTH - 2.0 * PADDING) / shown.len() as f64;
    let marks = shown.iter().enumerate().map(|(index, log)| {
        let x = PADDING + (index as f64 + 0.5) * step;
        (x, y(*log))
    });
    let largest = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = shown.iter().copied().fold(f64::INFINITY, f64::min);
    let text = |log: f64| change::size(ChangedQuantity::Time, log.exp_m1());
    Some(PairPlot {
        path: chart::draw_marks((step * 0.7).min(6.0), marks),
        zero: chart::coordinate(y(0.0)),
        margin_high: chart::coordinate(y(margin)),
        margin_low: chart::coordinate(y(-margin)),
        high: text(largest),
        low: text(smallest),
        more: pairs.len().saturating_sub(MOST_PAIRS),
    })
}
