//! Evidence about causes: scopes that carry the change of several workloads, time against
//! allocations, and changed functions. Nothing is guessed: without evidence, the report has none.

use super::is_time;
use crate::comparison::scopes::ScopeChange;
use crate::comparison::{CodeRelation, MetricEntry, Verdict};
use crate::render::comparison::WorkloadRow;
use crate::render::shown;
use indexmap::IndexSet;
use orch_core::format;
use std::collections::HashSet;

/// Share of a workload's change that a scope must carry.
const LARGE_SHARE: f64 = 0.5;
/// Most functions that a sentence names.
const MOST_FUNCTIONS: usize = 8;

/// Lists the sentences, those about the most workloads first.
pub(super) fn gather(rows: &[WorkloadRow]) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(common_scopes(rows));
    found.extend(allocating_scopes(rows));
    found.extend(common_functions(rows));
    found.extend(opposite_directions(rows));
    found.extend(layout_only(rows));
    found
}

fn is_worse(entry: Option<&MetricEntry>) -> bool {
    entry.is_some_and(|entry| entry.verdict == Verdict::Regressed)
}

fn ids(rows: &[&WorkloadRow]) -> String {
    format::listed(&rows.iter().map(|row| row.id).collect::<Vec<&str>>())
}

/// Names each innermost scope that carries most of the change of a workload. Workloads whose
/// profiles show a change of another size are left out.
fn common_scopes(rows: &[WorkloadRow]) -> Vec<String> {
    let carrying = rows
        .iter()
        .filter(|row| row.changed.iter().any(|entry| is_time(entry)) && row.profiles.is_none())
        .flat_map(|row| {
            let is_large =
                |place: &&ScopeChange| place.share.is_some_and(|share| share >= LARGE_SHARE);
            let places = row.workload.scopes.iter().filter(is_large);
            places.filter_map(move |place| Some((place.path.last()?.as_str(), row)))
        });
    let mut groups: Vec<(&str, Vec<&WorkloadRow>)> = shown::grouped(carrying).into_iter().collect();
    groups.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    groups
        .into_iter()
        .map(|(scope, rows)| {
            format!(
                "According to the profiles, the scope {scope} carries most of the change of {}.",
                ids(&rows)
            )
        })
        .collect()
}

/// Names the innermost scopes of each workload in which the number of allocations changed.
fn allocating_scopes(rows: &[WorkloadRow]) -> Vec<String> {
    let is_changed =
        |entry: &MetricEntry| matches!(entry.verdict, Verdict::Regressed | Verdict::Improved);
    let changed = rows
        .iter()
        .filter(|row| row.allocations.is_some_and(is_changed));
    let sentence = |row: &WorkloadRow| {
        let differs = |place: &&ScopeChange| place.a_self_allocations != place.b_self_allocations;
        let places = row.workload.scopes.iter().filter(differs);
        let scopes: IndexSet<&str> = places
            .filter_map(|place| place.path.last().map(String::as_str))
            .collect();
        let scopes: Vec<&str> = scopes.into_iter().collect();
        let in_scopes = match scopes.len() {
            0 => return None,
            1 => format!("the scope {}", scopes[0]),
            _ => format!("the scopes {}", format::listed(&scopes)),
        };
        Some(format!(
            "The number of allocations of {} differs in {in_scopes}.",
            row.id
        ))
    };
    changed.filter_map(sentence).collect()
}

/// Names the functions whose code changed in every slower workload with changed code.
fn common_functions(rows: &[WorkloadRow]) -> Option<String> {
    let worse: Vec<&WorkloadRow> = rows.iter().filter(|row| is_worse(row.time)).collect();
    let changed: Vec<HashSet<&str>> = worse
        .iter()
        .filter_map(|row| match &row.workload.code {
            CodeRelation::Changed(changes) => Some(
                changes
                    .iter()
                    .map(|change| change.function.as_str())
                    .collect(),
            ),
            _ => None,
        })
        .collect();
    let first = changed.first()?;
    let mut common: Vec<&str> = first
        .iter()
        .copied()
        .filter(|function| changed.iter().all(|functions| functions.contains(function)))
        .collect();
    common.sort_unstable();
    if common.is_empty() {
        return None;
    }
    let named = common[..common.len().min(MOST_FUNCTIONS)].join(", ");
    let more = match common.len().saturating_sub(MOST_FUNCTIONS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "Changed code that {} of {} share: {named}{more}.",
        changed.len(),
        format::counted(worse.len(), "slower workload")
    ))
}

/// Names the workloads whose time and allocations went in opposite directions.
fn opposite_directions(rows: &[WorkloadRow]) -> Vec<String> {
    let is = |entry: Option<&MetricEntry>, verdict| entry.is_some_and(|one| one.verdict == verdict);
    let counts =
        |row: &WorkloadRow, verdict| is(row.allocations, verdict) || is(row.bytes, verdict);
    let select = |time, memory| -> Vec<&WorkloadRow> {
        rows.iter()
            .filter(|row| is(row.time, time) && counts(row, memory))
            .collect()
    };
    let slower = select(Verdict::Regressed, Verdict::Improved);
    let faster = select(Verdict::Improved, Verdict::Regressed);
    [
        (slower, "longer time, fewer allocations or bytes"),
        (faster, "less time, more allocations or bytes"),
    ]
    .into_iter()
    .filter(|(rows, _)| !rows.is_empty())
    .map(|(rows, what)| {
        format!(
            "{} with {what}: {}.",
            format::counted(rows.len(), "workload"),
            ids(&rows)
        )
    })
    .collect()
}

/// Names the changed workloads whose machine code is the same on both sides.
fn layout_only(rows: &[WorkloadRow]) -> Option<String> {
    let same: Vec<&WorkloadRow> = rows
        .iter()
        .filter(|row| row.workload.code == CodeRelation::OnlyLayout && !row.changed.is_empty())
        .collect();
    (!same.is_empty()).then(|| {
        format!(
            "The machine code of {} is the same on both sides, so only its layout or its data can \
             be the cause: {}.",
            format::counted(same.len(), "changed workload"),
            ids(&same)
        )
    })
}
