//! Tests that each rule finds its own contradictions and no others. True figures that are printed
//! with rounding are never reported.

mod fixtures;
mod session_cases;
mod truth;

use super::claims::Claims;
use super::rules::RULES;
use super::{figure::Figure, find_contradictions};
use fixtures::{RuleCase, all, figure, row};

#[test]
fn every_rule_has_cases_and_words_them() {
    let mut wrong = Vec::new();
    for rule in &RULES {
        let of: Vec<RuleCase> = all()
            .into_iter()
            .filter(|case| case.rule == rule.id)
            .collect();
        assert!(
            of.iter().any(|case| case.says.is_some()),
            "{} finds nothing",
            rule.id
        );
        assert!(
            of.iter().any(|case| case.says.is_none()),
            "{} is never kept",
            rule.id
        );
        assert!(!rule.sentence.is_empty());
        for RuleCase {
            title,
            claims,
            says,
            ..
        } in of
        {
            let messages: Vec<String> = (rule.find)(&claims)
                .into_iter()
                .map(|found| found.message)
                .collect();
            let holds = match says {
                Some(says) => messages.iter().any(|message| message.contains(says)),
                None => messages.is_empty(),
            };
            if !holds {
                wrong.push(format!("{}, {title}: {says:?} {messages:#?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known = |case: &RuleCase| RULES.iter().any(|rule| rule.id == case.rule);
    assert!(
        all().iter().all(known),
        "a case of a rule that is not there"
    );
}

#[test]
fn rule_ids_are_unique_and_rows_are_named() {
    let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), RULES.len());
    for case in all() {
        for found in find_contradictions(&case.claims) {
            assert!(!found.rows.is_empty(), "{}: {}", found.id, found.message);
        }
    }
}

/// Checks the times and percentages of the imported table, all of which are possible.
#[test]
fn reachable_claims_of_the_reports_are_not_impossible() {
    let table = include_str!("../../../tests/fixtures/comparison-2026-02-04.csv");
    let amount = |text: &str| Some(figure(text).of_amount());
    let rows = table.lines().skip(1).map(|line| {
        let [name, before, after, delta, percent, ..] = line.split(',').collect::<Vec<_>>()[..]
        else {
            panic!("{line}")
        };
        let mut row = row(name, "");
        (row.before, row.after) = (amount(before), amount(after));
        (row.delta, row.percent) = (Some(figure(delta)), Some(figure(percent)));
        row
    });
    let claims = Claims {
        rows: rows.collect(),
        ..Claims::default()
    };
    assert_eq!(claims.rows.len(), 29);
    let check = |id: &str| {
        RULES
            .iter()
            .find(|rule| rule.id == id)
            .map(|rule| (rule.find)(&claims))
            .unwrap()
    };
    assert_eq!(check("change-not-reachable"), []);
}

/// Checks that 25 tokens in the printed time give the printed tokens per second, within the printed
/// precision.
#[test]
fn reachable_rates_of_the_reports_are_not_flagged() {
    for (ms, rate) in [("427.71", "58.45"), ("2186.63", "11.43")] {
        let mut row = row("Tokens", "");
        // The tokens replace operations, because the scale does not matter.
        row.work = Some(25e9);
        row.total = Some(figure(ms));
        row.rate = Some(figure(rate));
        let claims = Claims {
            rows: vec![row],
            ..Claims::default()
        };
        assert_eq!(find_contradictions(&claims), [], "{ms} {rate}");
    }
    assert!(Figure::parse("58.45").is_ok());
}
