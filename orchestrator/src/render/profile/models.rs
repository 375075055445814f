//! Jobs that state the size of their model, and pairs of such jobs.

use super::super::shown;
use super::insights::is_spoilt;
use crate::record::{JobRecord, Record};
use crate::render::job_text::JobText;
use orch_core::format;
use serde::Serialize;
use serde_json::Value;

/// A job that states the size of its model.
#[derive(Debug, Serialize)]
pub(super) struct ModelProfile {
    pub(super) job: String,
    pub(super) parameters: f64,
    pub(super) tensors: Option<f64>,
    pub(super) weight_bytes: Option<f64>,
    pub(super) time_ns: f64,
    pub(super) tokens_per_s: Option<f64>,
    pub(super) ns_per_token: Option<f64>,
    pub(super) bytes_per_token: Option<f64>,
    pub(super) allocations: Option<f64>,
    pub(super) bytes: Option<f64>,
    text: ModelText,
}

/// The cells of a model; empty if a figure is not known.
#[derive(Debug, Serialize)]
struct ModelText {
    parameters: String,
    tensors: String,
    weight_bytes: String,
    time: String,
    tokens_per_s: String,
    per_token: String,
    bytes_per_token: String,
    allocations: String,
    bytes: String,
}

/// Two jobs that differ only in their model.
#[derive(Debug, Serialize)]
pub(super) struct ModelScaling {
    pub(super) small: String,
    pub(super) large: String,
    /// Ratios large / small.
    pub(super) parameters: f64,
    pub(super) time: f64,
    /// Both ratios in a sentence.
    line: String,
}

pub(super) fn model(job: &JobRecord) -> Option<ModelProfile> {
    let metric = |id: &str| job.metrics.get(id).copied();
    let counted = job.allocations.as_ref();
    let [allocations, bytes] = [
        counted.map(|counted| counted.count),
        counted.map(|counted| counted.bytes),
    ];
    let (parameters, time_ns) = (metric("parameters")?, job.time.as_ref()?.median_ns);
    let text = |id: &str, form: fn(f64) -> String| metric(id).map(form).unwrap_or_default();
    // With the marks of counts that are not exact.
    let counts = JobText::of(job);
    Some(ModelProfile {
        job: job.id.clone(),
        parameters,
        tensors: metric("tensors"),
        weight_bytes: metric("weight_bytes"),
        time_ns,
        tokens_per_s: metric("tokens_per_s"),
        ns_per_token: metric("ns_per_token"),
        bytes_per_token: metric("bytes_per_token"),
        allocations,
        bytes,
        text: ModelText {
            parameters: format::number(parameters),
            tensors: text("tensors", format::number),
            weight_bytes: text("weight_bytes", format::bytes),
            time: format::time(time_ns),
            tokens_per_s: text("tokens_per_s", format::number),
            per_token: text("ns_per_token", format::time),
            bytes_per_token: text("bytes_per_token", format::bytes),
            allocations: counts.allocations,
            bytes: counts.bytes,
        },
    })
}

/// Returns pairs of a small and a medium model of one workload.
pub(super) fn scaling(record: &Record) -> Vec<ModelScaling> {
    let key = |job: &JobRecord| {
        format!(
            "{} {} {}",
            job.workload,
            job.settings.threads,
            without_model(job)
        )
    };
    let of = |name: &'static str| {
        record
            .jobs
            .iter()
            .filter(move |job| model_name(job) == Some(name) && !is_spoilt(job))
    };
    let larger = shown::grouped(of("medium").filter_map(|job| Some((key(job), model(job)?))));
    let mut found = Vec::new();
    for one in of("small") {
        let Some(small) = model(one) else { continue };
        // A second job of the same model adds no information.
        let Some(large) = larger.get(&key(one)).and_then(|models| models.first()) else {
            continue;
        };
        let parameters = large.parameters / small.parameters;
        let time = large.time_ns / small.time_ns;
        found.push(ModelScaling {
            line: format!(
                "{} has {} times the parameters of {} and takes {} times as long.",
                large.job,
                format::number(parameters),
                small.job,
                format::number(time)
            ),
            small: small.job.clone(),
            large: large.job.clone(),
            parameters,
            time,
        });
    }
    found
}

fn model_name(job: &JobRecord) -> Option<&str> {
    job.params.get("model").and_then(Value::as_str)
}

fn without_model(job: &JobRecord) -> Value {
    let mut params = job.params.clone();
    params.shift_remove("model");
    Value::Object(params)
}
