//! Rules about the circumstances of sessions: what ran, where, and whether both sides are of one
//! kind.

use super::claims::{self, ClaimSide, ClaimedRow, Claims};
use super::rules::FoundContradiction;
use super::session::{ClaimedSource, FigureDefect, RunEnding};
use orch_core::format;
use std::collections::HashMap;

/// Finds figures that are no finite numbers.
pub(super) fn find_not_finite(claims: &Claims) -> Vec<FoundContradiction> {
    list_sessions(claims, "no finite number", |row, side| {
        let defects = row.session(side)?.defects.iter();
        let texts: Vec<String> = defects
            .filter_map(|defect| match defect {
                FigureDefect::NotFinite { field, printed } => Some(format!("{field} {printed}")),
                FigureDefect::UnknownUnit { .. } => None,
            })
            .collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    })
}

/// Finds times whose unit is not known.
pub(super) fn find_unknown_unit(claims: &Claims) -> Vec<FoundContradiction> {
    list_sessions(
        claims,
        "a unit that is not known, so no time",
        |row, side| {
            let mut defects = row.session(side)?.defects.iter();
            defects.find_map(|defect| match defect {
                FigureDefect::UnknownUnit { unit } => Some(format!("`{unit}`")),
                FigureDefect::NotFinite { .. } => None,
            })
        },
    )
}

/// Finds runs that failed.
pub(super) fn find_failed_runs(claims: &Claims) -> Vec<FoundContradiction> {
    let head = "runs that failed, and may have done other work than the others";
    list_sessions(claims, head, |row, side| {
        let failures = &row.session(side)?.failures;
        let ending = match failures.ending.as_ref()? {
            RunEnding::ExitCode(code) => format!("exit code {code}"),
            RunEnding::Signal => "ended by a signal".to_owned(),
            RunEnding::Error(message) => format::brief(message),
        };
        let runs = format::counted(failures.of, "run");
        Some(format!("{} of {runs} ({ending})", failures.failed))
    })
}

/// Finds names that several rows of a file have.
pub(super) fn find_repeated_rows(claims: &Claims) -> Vec<FoundContradiction> {
    let head = "one name for several rows, which are matched in the order of the file";
    list_sessions(claims, head, |row, side| {
        let repeats = row.session(side)?.repeats;
        (repeats > 0).then(|| format!("{} times", repeats + 1))
    })
}

/// Finds rows that only one of two files has.
pub(super) fn find_one_sided_rows(claims: &Claims) -> Vec<FoundContradiction> {
    let sides = [ClaimSide::Before, ClaimSide::After];
    sides
        .into_iter()
        .filter_map(|side| {
            let source = claims.source(side)?;
            let is_alone =
                |row: &&ClaimedRow| matches!(row.sessions[..], [(only, _)] if only == side);
            let names: Vec<String> = claims
                .rows
                .iter()
                .filter(is_alone)
                .map(|row| row.name.clone())
                .collect();
            let message = format!("only in {}: {}", source.file, claims::listed(&names));
            (!names.is_empty()).then(|| FoundContradiction::new(names, message))
        })
        .collect()
}

/// Finds two sides that are one session, such as a file and its copy.
pub(super) fn find_same_session(claims: &Claims) -> Vec<FoundContradiction> {
    match &claims.sources[..] {
        [before, after] if before.hash == after.hash => {
            let message = format!(
                "{} and {} have the same content: they are one session, and every change is 0",
                before.file, after.file
            );
            vec![FoundContradiction::new(first_names(claims), message)]
        }
        _ => Vec::new(),
    }
}

/// Finds rows with the same name and other parameters on both sides.
pub(super) fn find_other_parameters(claims: &Claims) -> Vec<FoundContradiction> {
    let differ = |row: &ClaimedRow| {
        let before = row.session(ClaimSide::Before)?;
        let after = row.session(ClaimSide::After)?;
        let texts = list_differences(&before.parameters, &after.parameters);
        (!texts.is_empty()).then(|| format!("{} ({})", row.name, texts.join(", ")))
    };
    let head = "the sides have different parameters or settings, so they did different work";
    claims::list_rows(claims, differ, head)
}

/// Finds sides that were measured on other machines.
pub(super) fn find_other_machine(claims: &Claims) -> Vec<FoundContradiction> {
    find_difference(claims, "the machines differ", |source| &source.machine)
}

/// Finds sides that were measured with other versions of the tool or its language.
pub(super) fn find_other_version(claims: &Claims) -> Vec<FoundContradiction> {
    find_difference(claims, "the versions differ", |source| &source.versions)
}

fn find_difference(
    claims: &Claims,
    head: &str,
    facts: impl Fn(&ClaimedSource) -> &[(String, String)],
) -> Vec<FoundContradiction> {
    let (Some(before), Some(after)) = (
        claims.source(ClaimSide::Before),
        claims.source(ClaimSide::After),
    ) else {
        return Vec::new();
    };
    let texts = list_differences(facts(before), facts(after));
    if texts.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "{head}: {}: their effect cannot be separated from that of the code",
        texts.join(", ")
    );
    vec![FoundContradiction::new(first_names(claims), message)]
}

/// Lists the facts that both sides have with other values: `host a -> b`.
fn list_differences(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    let after: HashMap<&String, &String> = after.iter().map(|(name, new)| (name, new)).collect();
    let differ = |(name, old): &(String, String)| {
        let new = *after.get(name)?;
        let [shown_old, shown_new] = [old, new].map(|value| format::shortened(value));
        (old != new).then(|| format!("{name} {shown_old} -> {shown_new}"))
    };
    before.iter().filter_map(differ).collect()
}

/// Finds machines whose clock rate may change.
pub(super) fn find_scaling(claims: &Claims) -> Vec<FoundContradiction> {
    find_sources(
        claims,
        |source| source.has_scaling == Some(true),
        "CPU frequency scaling is on, so the clock rate may change between and within samples",
    )
}

/// Finds tools that were built without optimisation.
pub(super) fn find_debug_library(claims: &Claims) -> Vec<FoundContradiction> {
    find_sources(
        claims,
        |source| source.is_debug == Some(true),
        "the benchmark library is a debug build, whose own overhead is part of short times",
    )
}

/// Finds sessions of commits with changed files.
pub(super) fn find_dirty_commit(claims: &Claims) -> Vec<FoundContradiction> {
    find_sources(
        claims,
        |source| source.is_dirty == Some(true),
        "the files of the commit had been changed, so the code that ran is not known",
    )
}

fn find_sources(
    claims: &Claims,
    is_concerned: impl Fn(&ClaimedSource) -> bool,
    fact: &str,
) -> Vec<FoundContradiction> {
    let files: Vec<&str> = claims
        .sources
        .iter()
        .filter(|source| is_concerned(source))
        .map(|source| source.file.as_str())
        .collect();
    if files.is_empty() {
        return Vec::new();
    }
    let message = format!("{}: {fact}", files.join(" and "));
    vec![FoundContradiction::new(first_names(claims), message)]
}

/// Returns the names of the first rows, for facts about all rows.
fn first_names(claims: &Claims) -> Vec<String> {
    let rows = claims.rows.iter().take(format::MOST_NAMES);
    rows.map(|row| row.name.clone()).collect()
}

/// Lists the sessions that have something to report in one contradiction.
fn list_sessions(
    claims: &Claims,
    head: &str,
    report: impl Fn(&ClaimedRow, ClaimSide) -> Option<String>,
) -> Vec<FoundContradiction> {
    let on_row = |row: &ClaimedRow| {
        let texts: Vec<String> = row
            .sessions
            .iter()
            .filter_map(|(side, _)| {
                let text = report(row, *side)?;
                Some(format!("{} {text}{}", row.name, side.label()))
            })
            .collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    };
    claims::list_rows(claims, on_row, head)
}
