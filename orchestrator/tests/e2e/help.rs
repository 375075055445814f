//! Help: every command has two examples that it accepts, and the topics exist.

use crate::support::Project;
use std::path::Path;
use std::process::Command;

/// Lists the commands that do something, from the lists of commands in help texts.
fn list_commands(project: &Project, path: &[&str]) -> Vec<Vec<String>> {
    let ran = project.orch(&[path, &["--help"]].concat());
    assert_eq!(ran.code, 0, "{path:?}: {}", ran.stderr);
    let listed = ran.stdout.split_once("\nCommands:\n");
    let Some((_, listed)) = listed else {
        return vec![path.iter().map(ToString::to_string).collect()];
    };
    let lines = listed.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| {
        let name = line.strip_prefix("  ")?;
        (!name.starts_with(' ')).then(|| name.split(' ').next().unwrap_or(name))
    });
    names
        .filter(|name| *name != "help")
        .flat_map(|name| list_commands(project, &[path, &[name]].concat()))
        .collect()
}

#[test]
fn every_command_has_two_examples_that_it_accepts() {
    let project = Project::new();
    let commands = list_commands(&project, &[]);
    assert!(commands.len() >= 15, "{commands:?}");
    let program = Path::new(env!("CARGO_BIN_EXE_orch"));
    let folders = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let help = project.orch(&[&words[..], &["--help"]].concat()).stdout;
        let (_, end) = help
            .split_once("\nExamples:\n")
            .unwrap_or_else(|| panic!("{help}"));
        let (examples, codes) = end
            .split_once("\nExit code: ")
            .unwrap_or_else(|| panic!("{help}"));
        let codes: Vec<&str> = codes.split_whitespace().collect();
        let codes = codes.join(" ");
        assert!(
            codes.contains("`orch help exit-codes` lists the others"),
            "{help}"
        );
        let examples: Vec<&str> = examples.lines().map(str::trim).collect();
        assert_eq!(
            examples.iter().filter(|line| !line.is_empty()).count(),
            2,
            "{help}"
        );
        for example in examples.iter().filter(|line| !line.is_empty()) {
            assert!(
                example.starts_with(&format!("orch {}", words.join(" "))),
                "{example}"
            );
            // What follows is the shell's business. With --help at its end, nothing is done.
            let line = example.split(['>', '|']).next().unwrap();
            let ran = Command::new("sh")
                .args(["-c", &format!("{line} --help")])
                .env("PATH", &folders)
                .current_dir(project.path())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert_eq!(ran.status.code(), Some(0), "{example}: {said}");
        }
    }
}

#[test]
fn topics_of_help_are_printed() {
    let project = Project::new();
    let text = |topic: &str| {
        let ran = project.orch(&["help", topic]);
        assert_eq!(ran.code, 0, "{topic}: {}", ran.stderr);
        ran.stdout
    };
    for topic in ["environment", "exit-codes", "verdicts"] {
        let text = text(topic);
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(
            longest.is_some_and(|longest| longest <= 100),
            "{topic}: {text}"
        );
    }
    insta::assert_snapshot!("help_scenario", text("scenario"));
    let wrong = project.orch(&["help", "nonsense"]);
    assert_eq!(wrong.code, 200);
}
