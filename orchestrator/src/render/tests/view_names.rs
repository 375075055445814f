//! Compares `templates/README.md` with the views: each name in its tables exists, and each name of
//! a view is in a table.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = include_str!("../../../../templates/README.md");

/// Returns the names in each table, by the kind of result in the table's heading.
fn read_tables() -> BTreeMap<String, BTreeSet<String>> {
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut kind = None;
    for line in PAGE.lines().filter(|line| !line.starts_with("|--")) {
        let Some(cells) = line.strip_prefix("| ") else {
            kind = None;
            continue;
        };
        let first = cells.split(" |").next().unwrap();
        if let Some(heading) = first.strip_prefix("templates of ") {
            kind = heading.strip_suffix(" see").map(str::to_owned);
        } else if let Some(kind) = &kind {
            let names = tables.entry(kind.clone()).or_default();
            names.extend(list_names(first));
        }
    }
    tables
}

/// Returns the names in a cell. `.b` after `x.a` is short for `x.b`. A cell about parts of a row,
/// such as "`places` of a row", has no names.
fn list_names(cell: &str) -> Vec<String> {
    if cell.contains(" of ") {
        return Vec::new();
    }
    let mut names: Vec<String> = Vec::new();
    for name in cell.split(", ").map(|name| name.trim_matches('`')) {
        let outer = names.last().and_then(|last| last.rsplit_once('.'));
        names.push(match (name.strip_prefix('.'), outer) {
            (Some(inner), Some((outer, _))) => format!("{outer}.{inner}"),
            _ => name.to_owned(),
        });
    }
    names
}

fn exists(view: &Value, name: &str) -> bool {
    name.split('.')
        .try_fold(view, |place, part| place.get(part))
        .is_some()
}

#[test]
fn tables_of_the_page_list_the_names_of_the_views() {
    let record: Record = read("record-full");
    let compared: Comparison = read("comparison-full");
    let report: BisectReport = read("bisect-full");
    let times: TimeResult = read("times-full");
    let gate = GateResult {
        outcome: GateOutcome::Passed,
        findings: Vec::new(),
        open_fails: true,
    };
    let views = [
        ("runs", serde_json::to_value(run::view(&record))),
        (
            "comparisons",
            serde_json::to_value(comparison::view(&compared)),
        ),
        (
            "gates",
            serde_json::to_value(gate::view(&compared, &gate, &[], &[])),
        ),
        ("bisects", serde_json::to_value(bisect::view(&report))),
        ("times", serde_json::to_value(program_times::view(&times))),
    ];
    let tables = read_tables();
    for (kind, view) in views {
        let view = view.unwrap();
        let names = &tables[kind];
        let wrong: Vec<&String> = names.iter().filter(|name| !exists(&view, name)).collect();
        assert_eq!(wrong, Vec::<&String>::new(), "{kind}");
        let first = |name: &str| name.split('.').next().unwrap().to_owned();
        let listed: BTreeSet<String> = names.iter().map(|name| first(name)).collect();
        let fields: BTreeSet<String> = view.as_object().unwrap().keys().cloned().collect();
        let unlisted: Vec<&String> = fields.difference(&listed).collect();
        assert_eq!(unlisted, Vec::<&String>::new(), "{kind}");
    }
}

#[test]
fn templates_of_the_page_work() {
    let folder = tempfile::tempdir().unwrap();
    let mut blocks = PAGE.split("```jinja\n").skip(1).map(|rest| {
        let template = rest.split("```").next().unwrap();
        // The first line is a comment with the name.
        let (_, template) = template.split_once('\n').unwrap();
        template
    });
    let mut write = |name: &str| {
        std::fs::write(folder.path().join(name), blocks.next().unwrap()).unwrap();
        name.to_owned()
    };
    let (chat, table) = (write("chat.txt"), write("times.csv"));
    let compared: Comparison = read("comparison-full");
    let view = ReportView::of_comparison(&compared);
    let message = view.render_in_test(&chat, folder.path()).unwrap();
    assert!(message.lines().count() > 1, "{message}");
    assert!(message.contains("\n- "), "{message}");
    let record: Record = read("record-full");
    let view = ReportView::of_run(&record);
    let rows = view.render_in_test(&table, folder.path()).unwrap();
    assert!(rows.starts_with("job,median_ns,"), "{rows}");
    assert!(rows.contains("\n\"sum\",545.4,539.946,556.308,"), "{rows}");
    assert_eq!(blocks.count(), 0);
}
