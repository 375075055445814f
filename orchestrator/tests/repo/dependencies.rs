//! Dependencies: their licences, sources, duplicates and reasons. `deny.toml` has the rules, which
//! `cargo deny` applies together with the database of advisories.

use crate::sources::root;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The only platform that `orch` supports.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Returns the packages that are compiled for the platform, including those of the workspace.
fn list_packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", PLATFORM])
        .current_dir(root())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let used: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| used.contains(package["id"].as_str().unwrap()))
        .cloned()
        .collect()
}

/// Returns the packages that come from a registry.
fn list_dependencies() -> Vec<Value> {
    let mut packages = list_packages();
    packages.retain(|package| package["source"].is_string());
    assert!(packages.len() > 50, "{}", packages.len());
    packages
}

fn read_rules() -> toml::Table {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    text.parse().unwrap()
}

/// Returns the words or the crates of one list of the rules.
fn list_allowed(section: &str, name: &str) -> BTreeSet<String> {
    let rules = read_rules();
    let words = rules[section][name].as_array().unwrap();
    words
        .iter()
        .map(|word| word.get("crate").unwrap_or(word).as_str().unwrap())
        .map(str::to_owned)
        .collect()
}

#[test]
fn licences_are_free() {
    let allowed = list_allowed("licenses", "allow");
    let mut refused = Vec::new();
    let mut needed = BTreeSet::new();
    for package in list_dependencies() {
        let text = package["license"].as_str().unwrap_or("none");
        let is_allowed = |licence: &spdx::LicenseReq| match licence.license.id() {
            Some(id) => allowed.contains(id.name),
            None => false,
        };
        // Some packages write a slash instead of OR.
        let expression = spdx::Expression::parse_mode(text, spdx::ParseMode::LAX);
        match expression {
            Ok(expression) if expression.evaluate(is_allowed) => needed.extend(
                expression
                    .requirements()
                    .filter_map(|part| part.req.license.id().map(|id| id.name.to_owned())),
            ),
            _ => refused.push(format!("{}: {text}", package["name"])),
        }
    }
    assert_eq!(refused, Vec::<String>::new());
    let unused: Vec<&String> = allowed.difference(&needed).collect();
    assert!(
        unused.is_empty(),
        "no package has these licences: {unused:?}"
    );
}

#[test]
fn packages_come_from_one_registry() {
    let sources: BTreeSet<String> = list_dependencies()
        .iter()
        .map(|package| package["source"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        sources.len() == 1 && sources.iter().all(|source| source.starts_with("registry+")),
        "{sources:?}"
    );
}

#[test]
fn packages_are_compiled_in_one_version() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in list_dependencies() {
        let name = package["name"].as_str().unwrap().to_owned();
        let version = package["version"].as_str().unwrap().to_owned();
        versions.entry(name).or_default().insert(version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let twice: BTreeSet<String> = versions.into_keys().collect();
    assert_eq!(twice, list_allowed("bans", "skip"));
}

#[test]
fn each_dependency_has_a_reason() {
    let page = root().join("docs/design/dependencies.md");
    let page = std::fs::read_to_string(page).unwrap();
    let reasons: String = page.lines().filter(|line| line.starts_with('|')).collect();
    let words: BTreeSet<&str> = reasons
        .split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)))
        .collect();
    let mut unexplained = BTreeSet::new();
    for package in list_packages() {
        if package["source"].is_string() {
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            if dependency["source"].is_string() && !words.contains(name) {
                unexplained.insert(name.to_owned());
            }
        }
    }
    assert_eq!(unexplained, BTreeSet::new());
}
