//! Owns the trial of scale: `cargo bench --bench scale [-- --table NAME]`.
//!
//! Times each piece of work over n and 2n jobs or rows, and prints a markdown table. Linear work
//! takes about twice as long for 2n. Bounded outputs keep their size.

use orch::scale::{PIECES, ScalePiece};
use std::time::{Duration, Instant};

/// Runs of each piece, of which the shortest counts.
const RUNS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let only = arguments
        .iter()
        .position(|own| own == "--table")
        .and_then(|at| arguments.get(at + 1));
    println!("| work | n | time for n | time for 2n | ratio | output for n | output for 2n |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for piece in PIECES
        .iter()
        .filter(|piece| only.is_none_or(|only| piece.name.contains(only.as_str())))
    {
        let [(one, small), (two, large)] =
            [1, 2].map(|factor| shortest(piece, factor * piece.size));
        println!(
            "| {} | {} {} | {:.0} ms | {:.0} ms | {:.2} | {} | {} |",
            piece.name,
            piece.size,
            piece.unit,
            one.as_secs_f64() * 1e3,
            two.as_secs_f64() * 1e3,
            two.as_secs_f64() / one.as_secs_f64(),
            output(piece, small),
            output(piece, large),
        );
    }
}

/// Returns the shortest time of a piece over `size` jobs or rows, and its result.
fn shortest(piece: &ScalePiece, size: usize) -> (Duration, usize) {
    let work = (piece.prepare)(size);
    let timed = |_| {
        let begun = Instant::now();
        let output = work();
        (begun.elapsed(), output)
    };
    (0..RUNS).map(timed).min().expect("at least one run")
}

/// Returns the size of a report in KiB; for loading, the number of jobs.
fn output(piece: &ScalePiece, size: usize) -> String {
    if piece.name.starts_with("load") {
        format!("{size} jobs")
    } else {
        format!("{} KiB", size / 1024)
    }
}
