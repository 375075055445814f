//! Tests of each format of other tools: the values that are read, the matching of two sides, and
//! the refused texts.

mod formats;
mod refusals;

use super::*;
use crate::comparison::imported::ImportedRow;
use crate::contradiction::rules::RULES;
use crate::model::reason::ReasonKind;
use crate::record::Verdict;
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.join("tests/fixtures/imports").join(name)
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

/// Imports texts under the names `a.json` and `b.json`.
fn of(first: &str, second: Option<&str>) -> Comparison {
    let second = second.map(|text| ("b.json", text));
    of_texts(("a.json", first), second).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the error for a text, on one line.
fn refused(text: &str) -> String {
    match of_texts(("a.json", text), None) {
        Ok(_) => panic!("{text} is accepted"),
        Err(error) => error.to_string(),
    }
}

fn rows(comparison: &Comparison) -> &[ImportedRow] {
    &comparison.imported.as_ref().unwrap().rows
}

fn names(comparison: &Comparison) -> Vec<&str> {
    rows(comparison)
        .iter()
        .map(|row| row.name.as_str())
        .collect()
}

/// Returns the violated rules, each once.
fn broken_rules(comparison: &Comparison) -> Vec<&str> {
    let found = &comparison.contradictions;
    let mut ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
    ids.dedup();
    assert!(ids.iter().all(|id| RULES.iter().any(|rule| rule.id == *id)));
    ids
}

/// Returns the message of a rule.
fn message<'a>(comparison: &'a Comparison, rule: &str) -> &'a str {
    let mut found = comparison.contradictions.iter();
    let found = found.find(|one| one.id == rule);
    &found
        .unwrap_or_else(|| panic!("{rule} in {:?}", broken_rules(comparison)))
        .message
}

/// Checks that nothing is judged.
fn check_unjudged(comparison: &Comparison) {
    assert_eq!(comparison.verdict, Verdict::Inconclusive);
    for entry in &comparison.jobs {
        assert_eq!(entry.verdict, Verdict::Inconclusive, "{}", entry.id);
        let kind = entry.reason_kind.unwrap();
        assert!(
            [ReasonKind::OneSession, ReasonKind::SeparateSessions].contains(&kind),
            "{}",
            entry.reason
        );
    }
}
