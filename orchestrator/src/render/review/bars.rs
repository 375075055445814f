//! Changes of time as bars of characters, with the interval, for plain text.

use crate::comparison::FILE;
use crate::render::comparison::WorkloadRow;
use crate::render::shown::{MOST_ROWS, ShownList};
use serde::Serialize;

/// Columns on each side of the axis.
const HALF: usize = 20;

/// A change as a bar.
#[derive(Debug, Serialize)]
pub(super) struct ChangeBar {
    id: String,
    /// Columns left and right of the axis, `·` where the interval reaches beyond the bar: the left
    /// side is faster.
    bar: String,
    change: String,
    word: String,
}

/// Draws the changes of all workloads with an estimate, on one scale of ratios.
pub(super) fn draw(rows: &[WorkloadRow]) -> ShownList<ChangeBar> {
    let logs = |row: &WorkloadRow| -> Option<[f64; 3]> {
        let change = row.time?.change?;
        let log = |change: f64| change.ln_1p();
        let estimate = log(change.estimate);
        let [low, high] = [
            change.low.map_or(f64::NEG_INFINITY, log),
            change.high.map_or(f64::INFINITY, log),
        ];
        estimate.is_finite().then_some([low, estimate, high])
    };
    let drawn: Vec<(&WorkloadRow, [f64; 3])> = rows
        .iter()
        .filter_map(|row| Some((row, logs(row)?)))
        .collect();
    let most = drawn
        .iter()
        .map(|(_, [_, estimate, _])| estimate.abs())
        .fold(0.01, f64::max);
    ShownList::first(MOST_ROWS, drawn)
        .map(|(row, [low, estimate, high])| {
            let columns = |log: f64| (log / most * HALF as f64).clamp(-(HALF as f64), HALF as f64);
            ChangeBar {
                id: row.id.to_owned(),
                bar: draw_bar(columns(low), columns(estimate), columns(high)),
                change: row.text.change.clone(),
                word: row.word.clone(),
            }
        })
        .counting("workload", FILE)
}

fn draw_bar(low: f64, estimate: f64, high: f64) -> String {
    let side = |from: f64, to: f64, columns: &mut dyn Iterator<Item = usize>| -> String {
        columns
            .map(|column| {
                // The middle of the column, from the axis on.
                let place = column as f64 + 0.5;
                if place <= from {
                    '█'
                } else if place <= to {
                    '·'
                } else {
                    ' '
                }
            })
            .collect()
    };
    let left = side(-estimate, -low, &mut (0..HALF).rev());
    let right = side(estimate, high, &mut (0..HALF));
    format!("{left}│{right}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_from_the_axis_and_show_the_interval() {
        let bar = draw_bar(2.0, 4.0, 6.0);
        assert_eq!(bar, format!("{}│████··{}", " ".repeat(20), " ".repeat(14)));
        let bar = draw_bar(-20.0, -3.0, -1.0);
        assert_eq!(bar, format!("{}███│{}", "·".repeat(17), " ".repeat(20)));
        let bar = draw_bar(-1.0, 0.2, 1.0);
        assert_eq!(bar, format!("{}·│·{}", " ".repeat(19), " ".repeat(19)));
    }
}
