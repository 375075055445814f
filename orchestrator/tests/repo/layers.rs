//! The direction of imports: a module uses only the modules below it. A new edge is a decision,
//! made here.

use std::path::{Path, PathBuf};

/// The modules from the bottom up. A module may use those above it in this list, and never those
/// below.
const LAYERS: &[&str] = &[
    // The crate `orch-core`.
    "random",
    "format",
    "judge",
    "search",
    "measure",
    "counting",
    "protocol",
    "worker",
    // The crate `orch`.
    "file",
    "hash",
    "starter",
    "journal",
    "json_schema",
    "model",
    "pass",
    "sentinel",
    "cache",
    "git",
    "machine",
    "calibration",
    "plugin",
    "scenario",
    "error",
    "plan",
    "runner",
    "record",
    "vetting",
    "contradiction",
    "comparison",
    "gate",
    "versus",
    "context",
    "project",
    "compare",
    "run",
    "check",
    "import",
    "calibrate",
    "plugin_check",
    "plugin_new",
    "init",
    "bisect",
    "doctor",
    "list",
    "time",
    "render",
    "export",
    "report",
    "verify",
    "cli",
    "scale",
    "verb_tests",
    "mutation_tests",
    "lib",
];

/// External libraries, each with the crate and the module that may name it.
const HOMES: [(&str, &str); 15] = [
    ("git2", "git"),
    ("libloading", "worker"),
    ("minijinja", "render"),
    ("serde_yaml", "scenario"),
    ("indicatif", "cli"),
    ("clap", "cli"),
    ("csv", "import"),
    ("shlex", "time"),
    ("object", "plugin"),
    ("toml", "plugin"),
    ("iced_x86", "plugin"),
    ("addr2line", "plugin"),
    ("landlock", "worker"),
    ("rand_pcg", "random"),
    ("seccompiler", "worker"),
];

fn sources() -> Vec<(String, PathBuf, String)> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let roots = [package.join("src"), package.join("core/src")];
    let mut found = Vec::new();
    let mut folders = roots.to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && !path.ends_with("main.rs")
            {
                let inside = roots
                    .iter()
                    .find_map(|root| path.strip_prefix(root).ok())
                    .unwrap();
                let module = Path::new(inside.iter().next().unwrap())
                    .file_stem()
                    .unwrap();
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((module.to_str().unwrap().to_owned(), path, text));
            }
        }
    }
    assert!(found.len() > 30, "the sources were found");
    found
}

/// Returns the modules that a text names as `crate::NAME` or `orch_core::NAME`.
fn used(text: &str) -> Vec<String> {
    let word = |rest: &str| {
        rest.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    ["crate::", "orch_core::"]
        .iter()
        .flat_map(|crate_name| text.split(crate_name).skip(1))
        .map(word)
        .filter(|name| LAYERS.contains(&name.as_str()))
        .collect()
}

#[test]
fn modules_use_only_modules_below_them() {
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let own =
            rank(&module).unwrap_or_else(|| panic!("{} has no layer: give it one", path.display()));
        for name in used(&text) {
            if rank(&name).unwrap() > own {
                wrong.push(format!(
                    "{} uses {name}, which lies above {module}",
                    path.display()
                ));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn external_libraries_have_one_home() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        for (name, home) in HOMES {
            // One module reads tables, and another one writes them.
            let is_home = module == home || (name, module.as_str()) == ("csv", "export");
            if !is_home
                && (text.contains(&format!("{name}::")) || text.contains(&format!("use {name}")))
            {
                wrong.push(format!(
                    "{} names {name}, which belongs to {home}",
                    path.display()
                ));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn printing_belongs_to_the_command_line() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let prints = ["println!", "eprintln!", "print!(", "stdout()"]
            .iter()
            .any(|word| text.contains(word));
        if prints
            && module != "cli"
            && !path.ends_with("worker/mod.rs")
            && !path.ends_with("judge/simulation.rs")
        {
            wrong.push(path.display().to_string());
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn files_have_a_purpose_and_stay_short() {
    for (_, path, text) in sources() {
        assert!(
            text.starts_with("//! "),
            "{} does not say what it owns",
            path.display()
        );
        // The tests of a module may list many cases.
        let is_test =
            path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        let most = if is_test { 760 } else { 620 };
        assert!(
            text.lines().count() <= most,
            "{}: {} lines",
            path.display(),
            text.lines().count()
        );
    }
}
