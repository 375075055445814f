//! Compares the messages in `docs/FAULTS.md` with the snapshots of all faults.

use std::collections::BTreeMap;
use std::path::Path;

/// Rows of the whole-program tests that measure something good.
const CONTROLS: [&str; 1] = ["good"];

/// Returns the messages that users see, by row, from the lines of a snapshot.
fn seen(snapshot: &str) -> BTreeMap<String, String> {
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    let (_, text) = snapshot.split_once("\n---\n").unwrap();
    for line in text.lines() {
        let (id, said) = line.split_once(": ").unwrap();
        let said = if said == "measured in -: -" {
            "measured"
        } else {
            said
        };
        rows.entry(id.to_owned())
            .and_modify(|all| *all += &format!("<br>{said}"))
            .or_insert_with(|| said.to_owned());
    }
    rows
}

#[test]
fn faults_page_lists_every_fault() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut expected = BTreeMap::new();
    for name in [
        "faults__faults",
        "zoo__zoo",
        "plugins_that_fail__plugins_that_fail",
    ] {
        let text = std::fs::read_to_string(
            root.join(format!("tests/plugins/snapshots/plugins__{name}.snap")),
        )
        .unwrap();
        expected.extend(seen(&text));
    }
    expected.retain(|id, _| !CONTROLS.contains(&id.as_str()));
    let document = std::fs::read_to_string(root.join("../docs/FAULTS.md")).unwrap();
    let tried = include_str!("zoo.rs").to_owned()
        + &std::fs::read_to_string(root.join("../scenarios/faulty.yaml")).unwrap();
    for line in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, about, said] = cells[..] else {
            panic!("three cells: {line}")
        };
        let id = id.trim_matches('`');
        assert!(!about.is_empty(), "{id}");
        match expected.remove(id) {
            Some(expected) => assert_eq!(said, expected, "docs/FAULTS.md, row {id}"),
            // A job without a message has no line in the snapshot.
            None => assert!(
                said == "measured" && tried.contains(&format!("/{id}")),
                "nothing tries {id}"
            ),
        }
    }
    assert_eq!(expected, BTreeMap::new(), "rows that docs/FAULTS.md lacks");
}
