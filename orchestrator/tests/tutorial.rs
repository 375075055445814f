//! The plugins of README.md and docs/PLUGINS.md work as they are written: crates outside this workspace, built, measured.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use support::{Project, job, workspace};

/// The first code block of a language in a document.
fn block(document: &str, language: &str) -> String {
    let text = std::fs::read_to_string(workspace().join(document)).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_tutorial_plugin_is_built_and_measured() {
    let project = Project::new();
    let sdk = workspace().join("plugins/sdk").display().to_string();
    project
        .write("Cargo.toml", block("docs/PLUGINS.md", "toml").replace("../orch/plugins/sdk", &sdk) + "\n[workspace]\n");
    // The tested versions of everything, whatever came out since.
    project.write("Cargo.lock", std::fs::read(workspace().join("Cargo.lock")).unwrap());
    project.write("src/lib.rs", block("docs/PLUGINS.md", "rust"));
    project.write("spin.yaml", "defaults: { time: 20ms, rounds: 2 }\n".to_owned() + &block("docs/PLUGINS.md", "yaml"));
    let ran = project.orch(&["run", "spin.yaml", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let record: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let spin = job(&record, "spin");
    assert_eq!(spin["allocations"]["count"], 0);
    assert_eq!(spin["scopes"][0]["name"], "chain");
    assert!(spin["metrics"]["ns_per_step"].as_f64().unwrap() > 0.0);
    assert_eq!(job(&record, "long")["params"]["steps"], 100_000);

    let listed = project.orch(&["list", "spin/spin", "--scenario", "spin.yaml"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    insta::assert_snapshot!("tutorial_list", listed.stdout);

    project.write("src/lib.rs", block("README.md", "rust"));
    let ran = project.orch(&["run", "spin.yaml", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let record: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(job(&record, "spin")["scopes"][0]["name"], "chain");
}

#[test]
fn the_schema_is_what_scenarios_are_checked_against() {
    let ran = Project::new().orch(&["schema"]);
    assert_eq!(ran.code, 0);
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(schema["title"], "orch scenario");
    for field in ["name", "plugins", "defaults", "workloads", "reports"] {
        let about = schema["properties"][field]["description"].as_str();
        assert!(about.is_some_and(|about| !about.is_empty()), "{field} says what it is");
    }
}
