//! The recipes of docs/BISECT.md, carried out as printed.

use crate::support::{Project, git, skipped, workspace};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A fenced block: the words after its fence, and its text.
struct Block {
    words: Vec<String>,
    text: String,
}

impl Block {
    fn value(&self, name: &str) -> Option<&str> {
        self.words
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

/// Returns the blocks of one recipe.
fn blocks(recipe: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(workspace().join("docs/BISECT.md")).unwrap();
    let mut found: Vec<Block> = Vec::new();
    for (index, part) in text
        .split("\n```")
        .enumerate()
        .filter(|(index, _)| index % 2 == 1)
    {
        let (info, text) = part
            .split_once('\n')
            .unwrap_or_else(|| panic!("block {index} has no text"));
        let words = info.split_whitespace().map(str::to_owned).collect();
        found.push(Block {
            words,
            text: format!("{text}\n"),
        });
    }
    found.retain(|block| block.value("recipe") == Some(recipe));
    assert!(found.len() >= 4, "the recipe {recipe} was found");
    found
}

/// Runs a text in a shell that finds `orch`, with a git that has an author.
fn shell(project: &Project, text: &str, offline: bool) -> Output {
    let orch = assert_cmd::cargo::cargo_bin("orch");
    let path = format!(
        "{}:{}",
        orch.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let git = [
        ("user.name", "Test"),
        ("user.email", "test@example.org"),
        ("init.defaultBranch", "main"),
    ];
    let mut command = project.isolated(Path::new("sh"));
    command
        .args(["-e", "-c", text])
        .env("PATH", path)
        .env("GIT_CONFIG_COUNT", git.len().to_string());
    for (index, (name, value)) in git.iter().enumerate() {
        command
            .env(format!("GIT_CONFIG_KEY_{index}"), name)
            .env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    if offline {
        command.env("CARGO_NET_OFFLINE", "true");
    }
    command.output().unwrap()
}

/// Carries out a recipe.
fn carry_out(project: &Project, recipe: &str, offline: bool) {
    for block in blocks(recipe) {
        if let Some(file) = block.value("file") {
            project.write(file, &block.text);
            continue;
        }
        let output = shell(project, &block.text, offline);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let wanted = block.value("exit").map_or(0, |code| code.parse().unwrap());
        assert_eq!(output.status.code(), Some(wanted), "{}\n{said}", block.text);
        let part = block.value("says").unwrap_or_default().replace('~', " ");
        let named = said
            .lines()
            .find(|line| line.len() > 12 && line[10..].starts_with(&format!(": {part}")));
        assert!(part.is_empty() || named.is_some(), "{}\n{said}", block.text);
    }
}

/// Creates a repository with a commit for each subject and its files, on the branch `main`. The
/// first commit is tagged v1.
fn repository(project: &Project, name: &str, commits: &[(&str, &[(&str, &str)])]) -> PathBuf {
    let root = project.path().join(name);
    std::fs::create_dir_all(&root).unwrap();
    git(&root, &["init", "-q", "-b", "main"]);
    for (subject, files) in commits {
        for (file, text) in *files {
            project.write(&format!("{name}/{file}"), text);
        }
        git(&root, &["add", "-A"]);
        git(&root, &["commit", "-q", "--allow-empty", "-m", subject]);
    }
    git(
        &root,
        &["tag", "v1", &format!("HEAD~{}", commits.len() - 1)],
    );
    root
}

#[test]
fn recipe_for_a_rust_crate_names_the_commit() {
    let project = Project::new();
    let manifest = |version: &str| {
        format!("[package]\nname = \"words\"\nversion = \"{version}\"\nedition = \"2021\"\n")
    };
    let sized = "pub fn split(text: &str) -> Vec<&str> {\n\
        \x20   let mut words = Vec::with_capacity(text.len() / 2 + 1);\n\
        \x20   words.extend(text.split(' '));\n    words\n}\n";
    let grown = "pub fn split(text: &str) -> Vec<&str> {\n    text.split(' ').collect()\n}\n";
    let (one, two) = (manifest("1.0.0"), manifest("1.1.0"));
    repository(
        &project,
        "words",
        &[
            (
                "a first release",
                &[("Cargo.toml", &one), ("src/lib.rs", sized)],
            ),
            ("a readme", &[("README.md", "words")]),
            ("faster splitting", &[("src/lib.rs", grown)]),
            ("another release", &[("Cargo.toml", &two)]),
        ],
    );
    carry_out(&project, "rust", true);
}

#[test]
fn recipe_for_a_cpp_library_names_the_commit() {
    let project = Project::new();
    let header = "#pragma once\n#include <cstddef>\n#include <vector>\nnamespace smooth \
        {\nstd::vector<double> means(const std::vector<double> &input, std::size_t width);\n}\n";
    let source = |reserve: &str| {
        format!(
            "#include <smooth.hpp>\n\
             std::vector<double> smooth::means(const std::vector<double> &input, \
             std::size_t width) {{\n\
             \x20 std::vector<double> found;\n\
             \x20 if (width == 0 || input.size() < width) return found;\n\
             {reserve}\
             \x20 for (std::size_t i = 0; i + width <= input.size(); i++) {{\n\
             \x20   double sum = 0;\n\
             \x20   for (std::size_t j = 0; j < width; j++) sum += input[i + j];\n\
             \x20   found.push_back(sum / (double)width);\n\
             \x20 }}\n\
             \x20 return found;\n}}\n"
        )
    };
    let (reserved, grown) = (source("  found.reserve(input.size());\n"), source(""));
    repository(
        &project,
        "smooth",
        &[
            (
                "a first release",
                &[
                    ("include/smooth.hpp", header),
                    ("src/smooth.cpp", &reserved),
                ],
            ),
            ("a readme", &[("README.md", "smooth")]),
            ("collect the means", &[("src/smooth.cpp", &grown)]),
            (
                "a comment",
                &[("src/smooth.cpp", &format!("// Means.\n{grown}"))],
            ),
        ],
    );
    carry_out(&project, "cpp", true);
}

#[test]
fn recipe_for_published_versions_names_the_release() {
    let project = Project::new();
    // The available versions come from the registry.
    let reachable = Command::new("cargo")
        .args(["info", "--quiet", "semver@1.0.14"])
        .output()
        .unwrap()
        .status
        .success();
    if !reachable {
        skipped("the recipe for published versions: the package registry cannot be reached");
        return;
    }
    carry_out(&project, "published", false);
}
