//! The repository's own text files, for tests that read them.

use std::path::{Path, PathBuf};

/// Returns the root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Returns all files below a folder of the repository that have one of these endings, with their
/// texts, ordered by path. Build outputs and results are left out.
pub fn read_files(folder: &str, endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !["target", "results", ".git"].contains(&name) {
                    open.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has files");
    found.sort();
    found
}

/// Returns the part of a Rust source before its tests.
pub fn code_before_tests(source: &str) -> &str {
    let tests = ["#[cfg(test)]\nmod tests", "#[cfg(test)]\n#[allow"];
    let end = tests.iter().filter_map(|start| source.find(start)).min();
    &source[..end.unwrap_or(source.len())]
}

/// Returns the numbers of the lines of a Rust source that are inside raw string literals, which
/// hold other languages and tables.
pub fn raw_lines(source: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut end: Option<String> = None;
    for (number, line) in source.lines().enumerate() {
        let mut rest = line;
        loop {
            match &end {
                Some(quote) => match rest.split_once(quote.as_str()) {
                    Some((_, after)) => {
                        found.push(number);
                        rest = after;
                        end = None;
                    }
                    None => {
                        found.push(number);
                        break;
                    }
                },
                None => {
                    let Some(at) = rest.find("r\"").or_else(|| rest.find("r#")) else {
                        break;
                    };
                    let after = &rest[at + 1..];
                    let hashes = after.chars().take_while(|c| *c == '#').count();
                    let is_word = rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
                    if is_word || !after[hashes..].starts_with('"') {
                        rest = after;
                        continue;
                    }
                    end = Some(format!("\"{}", "#".repeat(hashes)));
                    rest = &after[hashes + 1..];
                }
            }
        }
    }
    found
}

#[test]
fn raw_lines_are_those_of_raw_literals() {
    let source =
        "let a = r#\"one\ntwo\"#;\nlet for_r = \"x\";\nlet b = r\"three\";\nlet r#type = 1;";
    assert_eq!(raw_lines(source), [0, 1, 3].map(|line: usize| line));
}
