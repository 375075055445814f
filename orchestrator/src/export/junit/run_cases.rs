//! Test cases of a run: whether each job was measured.

use super::{JunitCase, JunitEnding, JunitReason};
use crate::record::{JobOutcome, JobRecord};
use orch_core::format;

pub(super) fn build_case(job: &JobRecord) -> JunitCase {
    let wall = job.wall;
    JunitCase {
        name: job.id.clone(),
        class: job.workload.clone(),
        wall_ns: wall
            .profile_ns
            .saturating_add(wall.count_ns)
            .saturating_add(wall.time_ns),
        ending: match job.outcome {
            JobOutcome::Measured => JunitEnding::Passed,
            JobOutcome::Failed => JunitEnding::Error(explain_loss(job)),
            JobOutcome::Skipped => JunitEnding::Skipped(explain_loss(job)),
        },
        figures: list_figures(job),
    }
}

/// Returns the reason why a job was not measured.
fn explain_loss(job: &JobRecord) -> JunitReason {
    let phase = job.phase.map(|phase| format!("in {}: ", phase.name()));
    let message = job.message.as_deref().unwrap_or("no message");
    JunitReason {
        kind: job.outcome.word(),
        lines: vec![format!("{}{message}", phase.unwrap_or_default())],
    }
}

fn list_figures(job: &JobRecord) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(time) = &job.time {
        lines.push(format!(
            "time: {} ({} to {})",
            format::time(time.median_ns),
            format::time(time.low_ns),
            format::time(time.high_ns)
        ));
    }
    if let Some(counts) = &job.allocations {
        let mark = if counts.exact { "" } else { "~" };
        lines.push(format!(
            "allocations: {mark}{}",
            format::number(counts.count)
        ));
        lines.push(format!("bytes: {mark}{}", format::bytes(counts.bytes)));
        lines.push(format!(
            "peak_bytes: {mark}{}",
            format::bytes(counts.peak_bytes)
        ));
    }
    for (metric, value) in &job.metrics {
        let unit = job.metrics_info.get(metric).map_or("", |info| &info.unit);
        let line = format!("{metric}: {} {unit}", format::number(*value));
        lines.push(line.trim_end().to_owned());
    }
    lines.extend(job.warnings.iter().map(|text| format!("warning: {text}")));
    lines
}
