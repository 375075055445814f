//! The result of a calibration as a table of at most 80 columns, unless ids are too long.

use crate::calibrate::noise::{NoiseResult, WorkloadNoise};
use crate::calibration::{ArithmeticSpeed, PairNoise};
use orch_core::format;

const HEADERS: [&str; 6] = ["workload", "noise", "seen at 16", "at 64", "tau", "false"];

/// Formats the table and its explanation.
pub(crate) fn describe_noise(table: &NoiseResult) -> String {
    let mut cells: Vec<[String; 6]> = vec![HEADERS.map(str::to_owned)];
    cells.extend(table.rows.iter().map(line));
    let width = |column: usize| {
        cells
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for [id, rest @ ..] in &cells {
        text.push_str(&format!("{id:0$}", widths[0]));
        for (cell, width) in rest.iter().zip(&widths[1..]) {
            text.push_str(&format!("  {cell:>width$}"));
        }
        text.push('\n');
    }
    text.push('\n');
    for sentence in sentences(table) {
        text.push_str(&format::wrap(&sentence, 80, 2));
        text.push('\n');
    }
    text
}

fn line(row: &WorkloadNoise) -> [String; 6] {
    // Noise below a hundredth of a percent is printed with digits too.
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "-".to_owned(), |share| format!("{:.3} %", 100.0 * share))
    };
    let of = |part: fn(&PairNoise) -> Option<f64>| percent(row.noise.as_ref().and_then(part));
    let found = |noise: &PairNoise| format!("{} of {}", noise.false_findings, noise.comparisons);
    [
        row.id.clone(),
        of(|noise| Some(noise.spread)),
        of(|noise| noise.detectable_at_16),
        of(|noise| noise.detectable_at_64),
        percent(row.tau),
        row.noise.as_ref().map_or_else(|| "-".to_owned(), found),
    ]
}

fn sentences(table: &NoiseResult) -> Vec<String> {
    let sum = |part: fn(&PairNoise) -> usize| {
        table
            .rows
            .iter()
            .filter_map(|row| row.noise.as_ref())
            .map(part)
            .sum::<usize>()
    };
    let all = sum(|noise| noise.comparisons);
    let mut found: Vec<String> = table
        .rows
        .iter()
        .filter_map(|row| {
            Some(format!(
                "{}: {}",
                row.id,
                row.lost.as_ref()?.lines().next().unwrap_or_default()
            ))
        })
        .collect();
    found.push(format!(
        "noise: spread of pair differences (1.4826 MAD) of one build with itself; seen: smallest \
         change that this number of pairs detects; false: comparisons of {} pairs that reported a \
         change of identical code",
        table.pairs
    ));
    found.push(format!(
        "false alarms here: {} of {all}; if every difference counted: {}",
        sum(|noise| noise.false_findings),
        sum(|noise| noise.false_without_margin)
    ));
    found.push(format!(
        "memory: one thread copies at least {:.1} GB/s, reads and writes together (buffer of {})",
        table.memory.bytes_per_second / 1e9,
        format::bytes(table.memory.buffer_bytes as f64)
    ));
    found.push(match &table.arithmetic {
        Some(ArithmeticSpeed {
            flop_per_second,
            job,
            ..
        }) => format!(
            "arithmetic: at least {:.1} GFLOP/s on one thread, from the best sample of {job}; the \
             peak is at least this",
            flop_per_second / 1e9
        ),
        None => "arithmetic: not measured; the scenario needs a matmul of size 256 or more on one \
            thread"
            .to_owned(),
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::MemorySpeed;

    fn noise() -> PairNoise {
        PairNoise {
            spread: 0.00123,
            detectable_at_16: Some(0.0456),
            detectable_at_64: None,
            comparisons: 30,
            pairs: 16,
            false_findings: 0,
            false_without_margin: 1,
            margin: 0.01,
            seed: 1,
            measured: "2026-02-03T04:05:06Z".to_owned(),
        }
    }

    #[test]
    fn columns_are_aligned_and_unknown_values_are_dashes() {
        let row = |id: &str, noise: Option<PairNoise>, lost: Option<&str>| WorkloadNoise {
            id: id.to_owned(),
            noise,
            tau: None,
            lost: lost.map(str::to_owned),
        };
        let memory = MemorySpeed {
            bytes_per_second: 12.34e9,
            buffer_bytes: 256 << 20,
            measured: String::new(),
        };
        let reached = ArithmeticSpeed {
            flop_per_second: 98.7e9,
            job: "matmul-512".to_owned(),
            measured: String::new(),
        };
        let rows = vec![
            row("matmul-512", Some(noise()), None),
            row("b", None, Some("failed in run: SIGSEGV")),
        ];
        let text = describe_noise(&NoiseResult {
            rows,
            memory,
            arithmetic: Some(reached),
            pairs: 16,
            file: "calibration.json".into(),
            seed: 1,
            is_interrupted: false,
        });
        assert_eq!(
            text,
            "workload      noise  seen at 16  at 64  tau    false\n\
             matmul-512  0.123 %     4.560 %      -    -  0 of 30\n\
             b                 -           -      -    -        -\n\
             \n\
             b: failed in run: SIGSEGV\n\
             noise: spread of pair differences (1.4826 MAD) of one build with itself; seen:\n\
             \x20 smallest change that this number of pairs detects; false: comparisons of 16\n\
             \x20 pairs that reported a change of identical code\n\
             false alarms here: 0 of 30; if every difference counted: 1\n\
             memory: one thread copies at least 12.3 GB/s, reads and writes together (buffer\n\
             \x20 of 256 MiB)\n\
             arithmetic: at least 98.7 GFLOP/s on one thread, from the best sample of\n\
             \x20 matmul-512; the peak is at least this\n"
        );
    }
}
