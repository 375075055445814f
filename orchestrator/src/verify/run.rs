//! The times of a run, from their samples, and its changes against anchors, from their pairs.

use super::{FigureCheck, pairs};
use crate::model::run_outcome::RunOutcome;
use crate::record::anchored::{AnchoredChange, AnchoredJob};
use crate::record::{JobOutcome, JobRecord, Record, assemble};
use orch_core::judge::student_t;

/// Verifies a record.
pub(super) fn verify_run(record: &Record, check: &mut FigureCheck) {
    for job in &record.jobs {
        verify_time(job, check);
        for anchored in &job.anchored {
            verify_anchored(&job.id, anchored, check);
        }
    }
    if record.outcome != RunOutcome::Interrupted {
        let is_complete = record
            .jobs
            .iter()
            .all(|job| job.outcome == JobOutcome::Measured);
        let word = |is_complete| {
            if is_complete {
                "complete"
            } else {
                "incomplete"
            }
        };
        let stored = word(record.outcome == RunOutcome::Complete);
        check.compare_verdicts("the run", "outcome", stored, word(is_complete));
    }
}

fn verify_time(job: &JobRecord, check: &mut FigureCheck) {
    let Some(time) = &job.time else {
        return;
    };
    check.samples += time
        .processes
        .iter()
        .map(|process| process.samples_ns.len())
        .sum::<usize>();
    let place = format!("{}, time", job.id);
    let computed = assemble::summarise_processes(&time.processes);
    let computed = computed.as_ref();
    for (field, stored, computed) in [
        (
            "median_ns",
            time.median_ns,
            computed.map(|time| time.median),
        ),
        ("low_ns", time.low_ns, computed.map(|time| time.low)),
        ("high_ns", time.high_ns, computed.map(|time| time.high)),
        (
            "confidence",
            time.confidence,
            computed.map(|time| time.confidence),
        ),
    ] {
        check.compare_figures(&place, field, Some(stored), computed);
    }
}

fn verify_anchored(id: &str, anchored: &AnchoredJob, check: &mut FigureCheck) {
    pairs::verify_pairs(id, &anchored.pairs, check);
    let place = format!("{id}, time against the anchor");
    let differences: Vec<f64> = anchored.pairs.iter().map(|pair| pair.difference).collect();
    let computed = student_t::estimate_shift(&differences).map(AnchoredChange::from);
    type Part = fn(AnchoredChange) -> f64;
    let parts: [(&'static str, Part); 3] = [
        ("change.estimate", |change| change.estimate),
        ("change.low", |change| change.low),
        ("change.high", |change| change.high),
    ];
    for (field, part) in parts {
        let [stored, computed] = [anchored.change, computed].map(|change| change.map(part));
        check.compare_figures(&place, field, stored, computed);
    }
}
