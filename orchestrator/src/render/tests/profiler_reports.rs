//! Checks that each heading and column of a profiler's reports is in one of our reports, or is
//! omitted with a reason.

use super::*;
use std::collections::HashMap;

const ELEMENTS: &str = include_str!("../../../tests/fixtures/profiler-reports.txt");
const PAGE: &str = include_str!("../../../../templates/README.md");

/// Splits a line at its bars. `\|` is a bar inside a text.
fn split(line: &str) -> Vec<String> {
    line.replace("\\|", "\0")
        .split('|')
        .map(|text| text.replace('\0', "|"))
        .collect()
}

#[test]
fn every_element_of_a_profilers_report_is_here_or_given_up() {
    let record: Record = read("record-night");
    let compared = ["comparison-full", "comparison-models"].map(read::<Comparison>);
    let reason_page: String = PAGE.split_whitespace().collect::<Vec<&str>>().join(" ");
    let mut reports: HashMap<String, String> = HashMap::new();
    let mut missing = Vec::new();
    let lines = ELEMENTS.lines().filter(|line| !line.starts_with('#'));
    for line in lines.clone() {
        let [_, _, template, text] = split(line).try_into().expect(line);
        let is_there = if template == "-" {
            reason_page.contains(&text)
        } else {
            let report = reports.entry(template.clone()).or_insert_with(|| {
                of_run(&record, &template).unwrap_or_else(|_| {
                    let reports = compared.each_ref();
                    reports
                        .map(|one| of_comparison(one, &template).unwrap())
                        .concat()
                })
            });
            report.contains(&text)
        };
        if !is_there {
            missing.push(line);
        }
    }
    assert_eq!(missing, Vec::<&str>::new());
    assert!(lines.count() > 70);
}
