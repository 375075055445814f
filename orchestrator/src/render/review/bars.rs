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
    /// Columns left and right of the axis, `·` from the estimate to the end of the interval, and
    /// `<` or `>` where it goes on: the left side is faster.
    bar: String,
    change: String,
    /// The verdict on the time, in words.
    word: &'static str,
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
                bar: cut_ends(
                    &draw_bar(columns(low), columns(estimate), columns(high)),
                    low < -most,
                    high > most,
                ),
                change: row.text.change.clone(),
                word: row.time.map_or("", |time| time.verdict.word()),
            }
        })
        .counting("workload", FILE)
}

/// Marks the ends of an interval that goes on beyond the columns.
fn cut_ends(bar: &str, is_cut_left: bool, is_cut_right: bool) -> String {
    let mut columns: Vec<char> = bar.chars().collect();
    if is_cut_left && let Some(first) = columns.first_mut() {
        *first = '<';
    }
    if is_cut_right && let Some(last) = columns.last_mut() {
        *last = '>';
    }
    columns.into_iter().collect()
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
        assert_eq!(cut_ends("ab│cd", true, false), "<b│cd");
        assert_eq!(cut_ends("ab│cd", false, true), "ab│c>");
        let bar = draw_bar(-1.0, 0.2, 1.0);
        assert_eq!(bar, format!("{}·│·{}", " ".repeat(19), " ".repeat(19)));
    }
}
