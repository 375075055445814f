//! The file format of speedscope: a profile per job, with a stack for each scope.

use super::stacks;
use crate::record::{JobRecord, Record, ScopeRecord};
use indexmap::IndexSet;
use orch_core::format::clean;
use serde::Serialize;

/// Address of the format's JSON Schema, which marks files of this format.
const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

/// A file of speedscope.
#[derive(Debug, Serialize)]
pub(super) struct SpeedscopeFile {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: String,
    exporter: String,
    shared: SharedFrames,
    profiles: Vec<SampledProfile>,
}

#[derive(Debug, Serialize)]
struct SharedFrames {
    frames: Vec<SpeedscopeFrame>,
}

#[derive(Debug, Serialize)]
struct SpeedscopeFrame {
    name: String,
}

/// Stacks with their weights.
#[derive(Debug, Serialize)]
struct SampledProfile {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    unit: &'static str,
    #[serde(rename = "startValue")]
    start: u64,
    /// Sum of the weights.
    #[serde(rename = "endValue")]
    end: u64,
    /// Places among the shared frames, from the outermost scope inwards.
    samples: Vec<Vec<usize>>,
    weights: Vec<u64>,
}

/// What a profile measures.
#[derive(Clone, Copy)]
struct ScopeWeight {
    unit: &'static str,
    of: fn(&ScopeRecord) -> u64,
}

/// Exports the time inside each scope itself, summed over all iterations of the profile.
pub(super) fn export_time(record: &Record) -> SpeedscopeFile {
    export(
        record,
        ScopeWeight {
            unit: "nanoseconds",
            of: |scope| scope.self_ns,
        },
    )
}

/// Exports the bytes that each scope itself allocates, summed over all iterations of the profile.
pub(super) fn export_bytes(record: &Record) -> SpeedscopeFile {
    export(
        record,
        ScopeWeight {
            unit: "bytes",
            of: stacks::count_own_bytes,
        },
    )
}

fn export(record: &Record, weight: ScopeWeight) -> SpeedscopeFile {
    let mut names = IndexSet::new();
    let profiles = record
        .jobs
        .iter()
        .flat_map(|job| list_profiles(job, weight, &mut names))
        .collect();
    let scenario = clean::clean_line(&record.scenario.name);
    SpeedscopeFile {
        schema: SCHEMA,
        name: format!("{scenario} at {}", clean::clean_line(&record.git.short())),
        exporter: format!("orch@{}", clean::clean_line(&record.orch)),
        shared: SharedFrames {
            frames: names
                .into_iter()
                .map(|name| SpeedscopeFrame { name })
                .collect(),
        },
        profiles,
    }
}

/// Lists the profiles of a job with scopes: that of its own thread, and that of its pool. The
/// scopes of a pool run beside the others, so they are part of no total.
fn list_profiles(
    job: &JobRecord,
    weight: ScopeWeight,
    names: &mut IndexSet<String>,
) -> Vec<SampledProfile> {
    let id = clean::clean_line(&job.id);
    let (own, pool): (Vec<&ScopeRecord>, Vec<&ScopeRecord>) =
        job.scopes.iter().partition(|scope| scope.is_on_driver());
    [(own, id.to_string()), (pool, format!("{id}, pool threads"))]
        .into_iter()
        .filter(|(scopes, _)| !scopes.is_empty())
        .map(|(scopes, name)| {
            let mut profile = SampledProfile {
                kind: "sampled",
                name,
                unit: weight.unit,
                start: 0,
                end: 0,
                samples: Vec::new(),
                weights: Vec::new(),
            };
            for scope in scopes {
                profile.add(scope, &[], weight, names);
            }
            let weights = profile.weights.iter().copied();
            profile.end = weights.fold(0, u64::saturating_add);
            profile
        })
        .collect()
}

impl SampledProfile {
    /// Adds the stacks of a scope and of the scopes inside it.
    fn add(
        &mut self,
        scope: &ScopeRecord,
        outer: &[usize],
        weight: ScopeWeight,
        names: &mut IndexSet<String>,
    ) {
        let (frame, _) = names.insert_full(clean::clean_line(&scope.name).into_owned());
        let stack = [outer, &[frame]].concat();
        let own = (weight.of)(scope);
        if own > 0 {
            self.samples.push(stack.clone());
            self.weights.push(own);
        }
        for child in &scope.children {
            self.add(child, &stack, weight, names);
        }
    }
}
