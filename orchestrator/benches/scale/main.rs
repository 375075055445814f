//! Owns the trial of scale: `cargo bench --bench scale [-- --table NAME]`.
//!
//! Times each piece of work over n and 2n jobs or rows, and prints a markdown table. Linear work
//! takes about twice as long for 2n. Bounded outputs keep their size.
//!
//! `-- --record FILE` times all reports on the run in a record instead.

use orch::scale::{PIECES, ScalePiece, prepare_reports};
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs of each piece, of which the shortest counts.
const RUNS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value_of = |option: &str| {
        let at = arguments.iter().position(|own| own == option)?;
        arguments.get(at + 1)
    };
    if let Some(record) = value_of("--record") {
        return time_reports(Path::new(record));
    }
    let only = value_of("--table");
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

/// Prints the time of all reports on one run.
fn time_reports(record: &Path) {
    let (count, work) = match prepare_reports(record) {
        Ok(prepared) => prepared,
        Err(error) => panic!("{}: {error}", record.display()),
    };
    let (time, bytes) = time_shortest(work);
    println!(
        "{count} reports, {} KiB: {:.0} ms",
        bytes / 1024,
        time.as_secs_f64() * 1e3
    );
}

/// Returns the shortest time of a piece over `size` jobs or rows, and its result.
fn shortest(piece: &ScalePiece, size: usize) -> (Duration, usize) {
    time_shortest((piece.prepare)(size))
}

/// Returns the shortest time of some work, and its result.
fn time_shortest(work: impl Fn() -> usize) -> (Duration, usize) {
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
