//! Folded stacks, which flame graph programs read: `job;scope;scope NUMBER`.

use crate::record::{Record, ScopeRecord};
use orch_core::format::clean;

/// Writes a line per scope with a number of its own above 0, summed over all iterations of the
/// profile.
pub(super) fn fold(record: &Record, number: impl Fn(&ScopeRecord) -> u64 + Copy) -> String {
    let mut text = String::new();
    for job in &record.jobs {
        let stack = name_frame(&job.id);
        for scope in &job.scopes {
            fold_scope(scope, &stack, number, &mut text);
        }
    }
    text
}

fn fold_scope(
    scope: &ScopeRecord,
    outer: &str,
    number: impl Fn(&ScopeRecord) -> u64 + Copy,
    text: &mut String,
) {
    let stack = format!("{outer};{}", name_frame(&scope.name));
    let own = number(scope);
    if own > 0 {
        text.push_str(&format!("{stack} {own}\n"));
    }
    for child in &scope.children {
        fold_scope(child, &stack, number, text);
    }
}

/// Returns the bytes that a scope allocates itself.
pub(super) fn count_own_bytes(scope: &ScopeRecord) -> u64 {
    let inside = scope.children.iter().map(|child| child.bytes);
    scope
        .bytes
        .saturating_sub(inside.fold(0, u64::saturating_add))
}

/// Returns the name of a frame, which contains no semicolon and no line end.
fn name_frame(name: &str) -> String {
    clean::clean_line(name).replace(';', ":")
}
