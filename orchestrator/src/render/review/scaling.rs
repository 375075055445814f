//! Pairs of workloads that differ only in their model: how the time of the larger one relates to
//! that of the smaller one on both sides.

use crate::comparison::{Comparison, Verdict};
use crate::render::comparison::WorkloadRow;
use crate::render::shown::{self, MOST_TEXTS, ShownList};
use orch_core::format;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;

/// A small and a larger workload.
#[derive(Debug, Serialize)]
pub(super) struct PairScaling {
    small: String,
    large: String,
    /// Ratios large / small of the times of A and B.
    time_a: f64,
    time_b: f64,
    /// The same ratio of the parameters; null if the workloads do not state them.
    parameters: Option<f64>,
    text: ScalingText,
}

/// The cells of a pair.
#[derive(Debug, Serialize)]
struct ScalingText {
    time_a: String,
    time_b: String,
    parameters: String,
}

/// Returns the pairs of a small and a medium model.
pub(super) fn all_pairs(comparison: &Comparison, rows: &[WorkloadRow]) -> ShownList<PairScaling> {
    let by_id: HashMap<&str, &WorkloadRow> = rows.iter().map(|row| (row.id, row)).collect();
    let models = comparison.workloads.iter().filter_map(|workload| {
        let model = workload.params.get("model")?.as_str()?;
        let mut others = workload.params.clone();
        others.shift_remove("model");
        let key = format!(
            "{} {:?} {}",
            workload.workload,
            workload.threads,
            Value::Object(others)
        );
        Some((key, (model, *by_id.get(workload.id.as_str())?)))
    });
    let pairs = shown::grouped(models).into_values().filter_map(|group| {
        let find = |name: &str| group.iter().find(|(model, _)| *model == name);
        pair(find("small")?.1, find("medium")?.1)
    });
    ShownList::first(MOST_TEXTS, pairs.collect::<Vec<PairScaling>>())
}

fn pair(small: &WorkloadRow, large: &WorkloadRow) -> Option<PairScaling> {
    // Times that belong to no interval are too uncertain for a ratio.
    let times = |row: &WorkloadRow| -> Option<[f64; 2]> {
        let time = row
            .time
            .filter(|time| time.verdict != Verdict::Inconclusive)?;
        time.fitted
            .or_else(|| Some([time.a.as_f64()?, time.b.as_f64()?]))
    };
    let (large_ns, small_ns) = (times(large)?, times(small)?);
    let [time_a, time_b] = [0, 1].map(|side| large_ns[side] / small_ns[side]);
    if !(time_a.is_finite() && time_b.is_finite()) {
        return None;
    }
    let parameters = |row: &WorkloadRow| {
        let entry = row
            .metrics
            .iter()
            .find(|entry| entry.metric.name() == "parameters");
        entry.and_then(|entry| entry.b.as_f64())
    };
    let parameters = parameters(large)
        .zip(parameters(small))
        .map(|(large, small)| large / small);
    Some(PairScaling {
        small: small.id.to_owned(),
        large: large.id.to_owned(),
        text: ScalingText {
            time_a: format::number(time_a),
            time_b: format::number(time_b),
            parameters: parameters.map(format::number).unwrap_or_default(),
        },
        time_a,
        time_b,
        parameters,
    })
}
