//! Tables of samples: one row per sample of a run, or per turn of a comparison.

use super::rows::clean_field;
use crate::comparison::Comparison;
use crate::record::Record;
use crate::time::measured::TimeResult;
use serde::Serialize;

/// A sample of a run.
#[derive(Debug, Serialize)]
pub(super) struct SampleRow {
    job: String,
    round: u32,
    /// Place among the samples of the process, from 0.
    sample: usize,
    /// Iterations in the sample.
    iterations: u64,
    /// Time of all iterations together.
    ns: u64,
}

/// A turn of one side of a pair.
#[derive(Debug, Serialize)]
pub(super) struct TurnRow {
    job: String,
    /// Place among the pairs of the workload, from 0.
    pair: usize,
    side: &'static str,
    /// Place among the turns of the pair, from 0.
    turn: usize,
    /// Iterations in the turn.
    iterations: u64,
    /// Time of all iterations together.
    ns: u64,
}

/// A timed run of a program.
#[derive(Debug, Serialize)]
pub(super) struct ProgramRunRow {
    program: String,
    /// Program with which it took turns; empty for a program that was measured alone.
    against: String,
    /// Place of the worker, or of the pair of both programs, from 0.
    pair: usize,
    /// Place among the samples of the worker, or among the turns of the pair, from 0.
    turn: usize,
    /// Number of runs in the sample.
    runs: u64,
    /// Time of all these runs together.
    ns: u64,
}

pub(super) fn list_of_times(times: &TimeResult) -> Vec<ProgramRunRow> {
    let mut rows = Vec::new();
    for one in &times.programs {
        for (worker, samples) in one.samples_ns.iter().enumerate() {
            for (sample, ns) in samples.iter().enumerate() {
                rows.push(ProgramRunRow {
                    program: clean_field(&one.program.name),
                    against: String::new(),
                    pair: worker,
                    turn: sample,
                    runs: 1,
                    ns: *ns,
                });
            }
        }
    }
    for compared in &times.comparisons {
        for (number, pair) in compared.pairs.iter().enumerate() {
            let sides = [
                (&compared.base, &compared.other, &pair.a_ns),
                (&compared.other, &compared.base, &pair.b_ns),
            ];
            for (program, against, samples) in sides {
                for (turn, ns) in samples.iter().enumerate() {
                    rows.push(ProgramRunRow {
                        program: clean_field(program),
                        against: clean_field(against),
                        pair: number,
                        turn,
                        runs: pair.iterations,
                        ns: *ns,
                    });
                }
            }
        }
    }
    rows
}

pub(super) fn list_of_run(record: &Record) -> Vec<SampleRow> {
    let mut rows = Vec::new();
    for job in &record.jobs {
        for process in job.time.iter().flat_map(|time| &time.processes) {
            for (sample, ns) in process.samples_ns.iter().enumerate() {
                rows.push(SampleRow {
                    job: clean_field(&job.id),
                    round: process.round,
                    sample,
                    iterations: process.iterations,
                    ns: *ns,
                });
            }
        }
    }
    rows
}

pub(super) fn list_of_comparison(comparison: &Comparison) -> Vec<TurnRow> {
    let mut rows = Vec::new();
    for workload in &comparison.workloads {
        for (number, pair) in workload.pairs.iter().enumerate() {
            for (side, samples) in [("A", &pair.a_ns), ("B", &pair.b_ns)] {
                for (turn, ns) in samples.iter().enumerate() {
                    rows.push(TurnRow {
                        job: clean_field(&workload.id),
                        pair: number,
                        side,
                        turn,
                        iterations: pair.iterations,
                        ns: *ns,
                    });
                }
            }
        }
    }
    rows
}
