//! The scopes of a job as a tree: a line per scope, each below the scope around it.

use super::rows::{ProfileRow, ShownScope};
use crate::record::{JobRecord, ScopeRecord};
use crate::render::shown::{MOST_TEXTS, ShownList};
use orch_core::format;
use serde::Serialize;

/// A job whose scopes are shown as a tree.
#[derive(Debug, Serialize)]
pub(super) struct JobTree<'a> {
    job: &'a JobRecord,
    branches: Vec<ScopeBranch<'a>>,
    /// Scopes that are called inside other scopes.
    called: ShownList<ShownScope>,
}

/// A scope in its place, with the cells of one iteration.
#[derive(Debug, Serialize)]
struct ScopeBranch<'a> {
    depth: usize,
    /// Two spaces for each scope around this one.
    indent: String,
    name: &'a str,
    /// ` on other threads` for an outer pool scope; otherwise empty.
    thread_note: &'static str,
    calls: String,
    total: String,
    #[serde(rename = "self")]
    own: String,
}

/// Returns the tree of a job with the rows of its scopes.
pub(super) fn tree<'a>(job: &'a JobRecord, rows: &[&ProfileRow]) -> JobTree<'a> {
    let iterations = job.profile.as_ref().map_or(0, |profile| profile.iterations);
    let mut branches = Vec::new();
    for scope in &job.scopes {
        grow(scope, iterations as f64, 0, &mut branches);
    }
    let called = rows.iter().copied().filter(|row| !row.callers.is_empty());
    JobTree {
        job,
        branches,
        called: ShownList::first(MOST_TEXTS, called).map(ShownScope::of),
    }
}

fn grow<'a>(
    scope: &'a ScopeRecord,
    iterations: f64,
    depth: usize,
    branches: &mut Vec<ScopeBranch<'a>>,
) {
    branches.push(ScopeBranch {
        depth,
        indent: "  ".repeat(depth),
        name: &scope.name,
        thread_note: if depth == 0 && !scope.is_on_driver() {
            " on other threads"
        } else {
            ""
        },
        calls: format::counted_number(scope.calls as f64 / iterations, "call"),
        total: format::time(scope.total_ns as f64 / iterations),
        own: format::time(scope.self_ns as f64 / iterations),
    });
    for child in &scope.children {
        grow(child, iterations, depth + 1, branches);
    }
}
