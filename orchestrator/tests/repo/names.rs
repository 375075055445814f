//! Names of types: each contains its domain, and no name is used twice.

use crate::sources::read_files;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Maximum share of types whose name is one word.
const ONE_WORD_SHARE: f64 = 0.30;

/// Returns the types of the program by name, with the files that define them. Associated types
/// belong to their traits.
fn find_types() -> BTreeMap<String, Vec<PathBuf>> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let folders = ["orchestrator/src", "orchestrator/core/src"];
    let files = folders
        .iter()
        .flat_map(|folder| read_files(folder, &[".rs"]));
    for (path, text) in files {
        for line in text.lines() {
            let is_inside = line.starts_with(' ');
            let line = line.trim_start();
            let line = match line.strip_prefix("pub") {
                Some(rest) if rest.starts_with('(') => rest.split_once(") ").map_or("", |it| it.1),
                Some(rest) => rest.trim_start(),
                None => line,
            };
            let Some((keyword, rest)) = line.split_once(' ') else {
                continue;
            };
            let is_type = ["struct", "enum", "union", "trait"].contains(&keyword)
                || (keyword == "type" && !is_inside);
            let name: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if is_type && name.starts_with(|c: char| c.is_uppercase()) {
                found.entry(name).or_default().push(path.clone());
            }
        }
    }
    assert!(found.len() > 300, "the types were found: {}", found.len());
    found
}

#[test]
fn type_names_are_used_once() {
    let mut found = find_types();
    found.retain(|_, files| files.len() > 1);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn type_names_contain_their_domain() {
    let all = find_types();
    let is_one_word = |name: &&String| name.chars().skip(1).all(|c| !c.is_uppercase());
    let short: Vec<&String> = all.keys().filter(is_one_word).collect();
    let share = short.len() as f64 / all.len() as f64;
    assert!(
        share < ONE_WORD_SHARE,
        "{} of {}: {short:?}",
        short.len(),
        all.len()
    );
}
