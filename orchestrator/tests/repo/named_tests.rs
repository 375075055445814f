//! Tests that documents name: each exists in the file that the document names.

use crate::sources::{read_files, root};

/// Returns the parts of a cell such as `` `file.rs`: `first_test`, `second_test` ``.
fn read_named_tests(document: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let rows = document.lines().filter(|line| line.starts_with("|"));
    for cell in rows.flat_map(|row| row.split([';', '|'])) {
        let Some((file, tests)) = cell.split_once(".rs`: ") else {
            continue;
        };
        let file = file.rsplit('`').next().unwrap();
        // Every second part is a quoted text.
        for test in tests.split('`').skip(1).step_by(2) {
            found.push((format!("{file}.rs"), test.to_owned()));
        }
    }
    found
}

#[test]
fn tests_that_documents_name_exist() {
    let mut sources = read_files("orchestrator", &[".rs"]);
    sources.extend(read_files("plugins", &[".rs"]));
    for document in ["docs/design/invariants.md", "SECURITY.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        let named = read_named_tests(&text);
        assert!(named.len() > 20, "{document} names {}", named.len());
        for (file, test) in named {
            let has_test = sources.iter().any(|(path, source)| {
                path.ends_with(&file) && source.contains(&format!("fn {test}("))
            });
            assert!(has_test, "{document}: `{file}` has no test `{test}`");
        }
    }
}
