//! What the machine or the shell does not give: a cache, open files, a repository that the git
//! library reads. Each message has the place and the command that helps.

use crate::history::History;
use std::process::Command;

/// Exit code and standard error of a shell's command with orch as `$0`.
fn shell(history: &History, line: &str, variables: &[(&str, &str)]) -> (i32, String) {
    let command = history.project.plain_command();
    let orch = command.get_program().to_owned();
    let mut shell = Command::new("sh");
    for (name, value) in command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)))
    {
        shell.env(name, value);
    }
    shell
        .args(["-c", line])
        .arg(orch)
        .current_dir(history.project.path())
        .envs(variables.iter().copied());
    let ended = shell.output().unwrap();
    (
        ended.status.code().unwrap(),
        String::from_utf8_lossy(&ended.stderr).into_owned(),
    )
}

#[test]
fn limit_of_the_shell_is_named_with_the_command_that_raises_it() {
    let history = History::of(&[""]);
    for command in [
        "run scenarios/s.yaml",
        "list --scenario scenarios/s.yaml",
        "check scenarios/s.yaml",
    ] {
        let (code, said) = shell(
            &history,
            &format!("ulimit -n 32; exec \"$0\" {command}"),
            &[],
        );
        assert_eq!(code, 202, "{command}: {said}");
        assert!(
            said.starts_with("error: this shell allows 32 open files, but orch needs 128; "),
            "{said}"
        );
        assert!(said.ends_with(": ulimit -n 128\n"), "{said}");
    }
    // The limit that the message names is enough.
    let (code, said) = shell(
        &history,
        "ulimit -n 128; exec \"$0\" run scenarios/s.yaml",
        &[],
    );
    assert_eq!(code, 0, "{said}");
}

#[test]
fn cache_that_cannot_be_written_is_named_with_its_variable() {
    let history = History::of(&[""]);
    let file = history
        .project
        .path()
        .join("plugin/sides.c")
        .display()
        .to_string();
    for (cache, place) in [
        ("/proc", "/proc/orch".to_owned()),
        (&file, format!("{file}/orch")),
    ] {
        for command in [
            "run scenarios/s.yaml",
            "list --scenario scenarios/s.yaml",
            "check scenarios/s.yaml --baseline c0",
        ] {
            let (code, said) = shell(
                &history,
                &format!("exec \"$0\" {command}"),
                &[("XDG_CACHE_HOME", cache)],
            );
            assert_eq!(code, 202, "{command}: {said}");
            assert!(
                said.contains(&format!("error: cannot use the cache {place}: ")),
                "{said}"
            );
            assert!(
                said.contains("; set XDG_CACHE_HOME to a folder that allows writing and execution"),
                "{said}"
            );
        }
    }
}

#[test]
fn repository_that_the_git_library_does_not_read_is_named_with_its_remedy() {
    let history = History::of(&["", "-DSTEPS=2001"]);
    std::fs::remove_dir_all(history.project.path().join(".git")).unwrap();
    history.git(&["init", "-q", "--object-format=sha256", "."]);
    for arguments in [
        &["check", "scenarios/s.yaml"][..],
        &["check", "scenarios/s.yaml", "--repo", "."],
    ] {
        let ran = history.project.orch(arguments);
        assert_eq!(ran.code, 200, "{}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stderr
                .contains("its object names are SHA-256 (extensions.objectFormat)"),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr
                .contains("git init --object-format=sha1 COPY && git -C "),
            "{}",
            ran.stderr
        );
    }
}
