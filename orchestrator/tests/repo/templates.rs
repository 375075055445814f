//! Templates only place what views decide: they are short, and they neither compute nor compare.

use crate::sources::read_files;
use std::path::PathBuf;

/// Maximum number of lines of a template. A longer report is split into sections that it includes.
const TEMPLATE_LINES: usize = 60;
/// Maximum length of a line of a template, in characters.
const TEMPLATE_COLUMNS: usize = 120;

fn templates() -> Vec<(PathBuf, String)> {
    let mut files = read_files("templates", &[".html", ".md", ".txt"]);
    files.retain(|(path, _)| !path.ends_with("README.md"));
    files
}

/// Returns the code of each tag of a template, without quoted texts, and the number of its line.
fn tags(template: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let comment = rest.find("{#").filter(|comment| *comment < start);
        if let Some(comment) = comment {
            let end = rest[comment..].find("#}").expect("the comment ends");
            rest = &rest[comment + end + 2..];
            continue;
        }
        let close = if rest[start..].starts_with("{{") {
            "}}"
        } else {
            "%}"
        };
        let line = template[..template.len() - rest.len() + start]
            .matches('\n')
            .count()
            + 1;
        rest = &rest[start + 2..];
        let end = rest.find(close).expect("the tag ends");
        let code = rest[..end]
            .trim_start_matches(['-', '+'])
            .trim_end_matches(['-', '+']);
        found.push((line, without_quotes(code)));
        rest = &rest[end + 2..];
    }
    found
}

/// Returns the code with its quoted texts emptied.
fn without_quotes(code: &str) -> String {
    code.split('"')
        .step_by(2)
        .collect::<Vec<&str>>()
        .join("\"\"")
}

/// Returns the decision that a piece of code makes; `None` if the code only places values.
fn decision(code: &str) -> Option<&'static str> {
    let has = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    if has(&["==", "!=", "<", ">", " is ", " in [", " in \""]) {
        Some("compares")
    } else if has(&["+", "-", "*", "/", "%"]) {
        Some("computes")
    } else if has(&["~", "[:", ":]", "namespace", "macro "]) {
        Some("assembles")
    } else {
        None
    }
}

#[test]
fn templates_are_short() {
    let mut wrong = Vec::new();
    for (path, text) in templates() {
        if text.lines().count() > TEMPLATE_LINES {
            wrong.push(format!("{}: too many lines", path.display()));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > TEMPLATE_COLUMNS {
                wrong.push(format!("{}:{}: too long", path.display(), number + 1));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn templates_only_place() {
    let mut wrong = Vec::new();
    for (path, text) in templates() {
        for (line, code) in tags(&text) {
            if let Some(what) = decision(&code) {
                wrong.push(format!("{}:{line}: {what}: {code}", path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "let the view decide");
}

#[test]
fn decisions_are_found() {
    let template = "a - b {# 1 + 1 #}\n{%- if x == \"left - out\" -%}{{ a | join(\" - \") }}\n\
        {{ a\n- b }}{{ \"a\" ~ b[:3] }}";
    let found: Vec<(usize, Option<&str>)> = tags(template)
        .iter()
        .map(|(line, code)| (*line, decision(code)))
        .collect();
    let expected = [
        (2, Some("compares")),
        (2, None),
        (3, Some("computes")),
        (4, Some("assembles")),
    ];
    assert_eq!(found, expected);
}
