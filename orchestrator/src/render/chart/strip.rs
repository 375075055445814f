//! The samples of a job as one small histogram per process or side, all on one scale, so that a
//! second state of the machine or of the code is seen at a glance.

use super::coordinate;
use crate::record::TimeSummary;
use crate::render::chart;
use crate::runner::pair_series::PairRecord;
use orch_core::format;
use serde::Serialize;

/// Columns of a histogram, and the width of one.
const COLUMNS: usize = 48;
const COLUMN_WIDTH: usize = 5;
/// Height of a row, and of its highest bar.
const ROW_HEIGHT: usize = 12;
const BAR_HEIGHT: usize = 10;
/// Most rows that are drawn.
const MOST_ROWS: usize = 12;
/// Share of the samples that the scale may leave out at its right end.
const MOST_BEYOND: f64 = 0.02;

/// The samples of one job or workload.
#[derive(Debug, Serialize)]
pub(in super::super) struct SampleStrip {
    width: usize,
    height: usize,
    /// One path per process from the first round on, or one for each side.
    rows: Vec<String>,
    /// Place of the job's median, or of that of side A.
    median: String,
    /// Times at both ends.
    low: String,
    high: String,
    /// Number of samples to the right of the end, and of rows that are not drawn.
    beyond: usize,
    more: usize,
    /// Description for a screen reader.
    about: String,
}

/// Draws the samples of a job, a row per process; `None` without samples.
pub(in super::super) fn draw_processes(time: &TimeSummary) -> Option<SampleStrip> {
    let processes: Vec<Vec<f64>> = time
        .processes
        .iter()
        .map(|process| per_iteration(&process.samples_ns, process.iterations))
        .collect();
    draw(&processes, time.median_ns, "process", "processes")
}

/// Draws the samples of all pairs, a row per side; `None` without samples.
pub(in super::super) fn draw_sides(pairs: &[PairRecord]) -> Option<SampleStrip> {
    let of_side = |samples: fn(&PairRecord) -> &[u64]| -> Vec<f64> {
        let samples = pairs
            .iter()
            .map(|pair| per_iteration(samples(pair), pair.iterations));
        samples.flatten().collect()
    };
    let sides = [of_side(|pair| &pair.a_ns), of_side(|pair| &pair.b_ns)];
    let mut first = sides[0].clone();
    first.sort_by(f64::total_cmp);
    let median = *first.get(first.len() / 2)?;
    draw(&sides, median, "side", "sides")
}

/// Returns the time of one iteration of each sample, in nanoseconds.
pub(in super::super) fn per_iteration(samples_ns: &[u64], iterations: u64) -> Vec<f64> {
    let iterations = iterations.max(1) as f64;
    samples_ns
        .iter()
        .map(|ns| *ns as f64 / iterations)
        .collect()
}

fn draw(rows: &[Vec<f64>], median: f64, row: &str, row_plural: &str) -> Option<SampleStrip> {
    let mut all: Vec<f64> = rows.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let (first, last) = (*all.first()?, *all.last()?);
    // A few slow samples would squeeze all others into one column.
    let most = ((all.len() - 1) as f64 * (1.0 - MOST_BEYOND)).floor() as usize;
    let typical = all[most].max(median);
    let end = if last > first + 2.0 * (typical - first) {
        typical
    } else {
        last
    };
    let span = (end - first).max(f64::MIN_POSITIVE);
    let column = |ns: f64| ((ns - first) / span * (COLUMNS - 1) as f64).round();
    let shown = rows.len().min(MOST_ROWS);
    let beyond = all.iter().filter(|ns| **ns > end).count();
    let draw_row = |(row, samples): (usize, &Vec<f64>)| {
        let inside = samples.iter().filter(|ns| **ns <= end);
        draw_histogram(row, inside.map(|ns| column(*ns) as usize))
    };
    let counted_rows = match rows.len() {
        1 => format!("1 {row}"),
        count => format!("{count} {row_plural}"),
    };
    Some(SampleStrip {
        width: COLUMNS * COLUMN_WIDTH,
        height: shown * ROW_HEIGHT,
        rows: rows.iter().take(shown).enumerate().map(draw_row).collect(),
        median: coordinate((column(median.max(first).min(end)) + 0.5) * COLUMN_WIDTH as f64),
        low: format::time(first),
        high: format::time(end),
        beyond,
        more: rows.len() - shown,
        about: format!(
            "{} of {counted_rows} from {} to {}",
            format::counted(all.len(), "sample"),
            format::time(first),
            format::time(last)
        ),
    })
}

fn draw_histogram(row: usize, columns: impl Iterator<Item = usize>) -> String {
    let mut counts = [0_usize; COLUMNS];
    for column in columns {
        counts[column.min(COLUMNS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    // A single sample stays visible beside thousands.
    let height = |count: usize| (count * BAR_HEIGHT).div_ceil(most);
    chart::draw_steps(
        (row + 1) * ROW_HEIGHT - 1,
        COLUMN_WIDTH,
        &counts.map(height),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ProcessTimes;
    use orch_core::protocol::{ResourceUsage, WarmUp, WarmUpEnd};

    fn process(samples_ns: Vec<u64>) -> ProcessTimes {
        ProcessTimes {
            round: 1,
            seed: 1,
            cpu: 0,
            cpus: vec![0],
            iterations: 10,
            samples_ns,
            resolution_ns: 1,
            warm_up: WarmUp {
                ns: 1,
                iterations: 1,
                ended: WarmUpEnd::Steady,
            },
            usage: ResourceUsage::default(),
            wall_ns: 1,
        }
    }

    fn draw_samples(processes: Vec<Vec<u64>>) -> SampleStrip {
        let time = TimeSummary {
            median_ns: 100.0,
            low_ns: 100.0,
            high_ns: 100.0,
            confidence: 0.95,
            processes: processes.into_iter().map(process).collect(),
        };
        draw_processes(&time).expect("samples")
    }

    #[test]
    fn two_states_are_two_heaps() {
        let strip = draw_samples(vec![
            vec![1000; 50],
            [vec![1000; 25], vec![2000; 25]].concat(),
        ]);
        let heaps: Vec<usize> = strip
            .rows
            .iter()
            .map(|path| path.matches("v-10").count())
            .collect();
        assert_eq!(heaps, [1, 2]);
        assert_eq!((strip.beyond, strip.more), (0, 0));
        assert_eq!(
            strip.about,
            "100 samples of 2 processes from 100 ns to 200 ns"
        );
    }

    #[test]
    fn slow_samples_do_not_squeeze_the_others() {
        let mut samples: Vec<u64> = (0..199).map(|place| 1000 + place % 50).collect();
        samples.push(1_000_000);
        let strip = draw_samples(vec![samples]);
        assert!((1..=4).contains(&strip.beyond), "{}", strip.beyond);
        assert_eq!(strip.rows[0], "M0 11v-5h120v-5h5v5h115V11z");
    }

    #[test]
    fn equal_samples_and_many_processes_are_drawn() {
        let strip = draw_samples(vec![vec![1000]; 20]);
        assert_eq!((strip.rows.len(), strip.more), (12, 8));
        let path = &strip.rows[0];
        assert!(!path.contains("NaN") && !path.contains("inf"), "{path}");
    }
}
