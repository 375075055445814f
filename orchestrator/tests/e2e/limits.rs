//! Things that the machine or the shell refuses: a cache, open files, a repository that the git
//! library reads. Each message has the place and a command that helps.

use crate::history::History;
use crate::support::{Project, skipped};
use std::path::Path;
use std::process::Command;

/// Runs a line in a shell with orch as `$0`, and returns the exit code and standard error.
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
        assert!(said.contains(": ulimit -n 128"), "{said}");
    }
    // The limit that the message names is sufficient.
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
fn folder_of_the_cache_that_cannot_be_used_ends_the_command() {
    for (name, command) in [
        ("artefacts", "run scenarios/s.yaml"),
        ("commands", "list --scenario scenarios/s.yaml"),
        ("commands", "plugin check scenarios/s.yaml"),
        ("worktrees", "check scenarios/s.yaml --baseline c0"),
        ("builds", "check scenarios/s.yaml --baseline c0"),
    ] {
        let history = History::of(&["", "-DSTEPS=2001"]);
        // A file in the place of the folder stops every user, including root.
        let place = history.project.write(&format!("cache/orch/{name}"), "");
        let (code, said) = shell(&history, &format!("exec \"$0\" {command}"), &[]);
        assert_eq!(code, 202, "{name}: {said}");
        let shown = format!("error: cannot use the cache {}: ", place.display());
        assert!(said.contains(&shown), "{name}: {said}");
        assert!(said.contains("; set XDG_CACHE_HOME to "), "{name}: {said}");
        assert_eq!(said.matches("cannot use the cache").count(), 1, "{said}");
    }
}

/// Returns whether this process may mount file systems in a namespace of its own, and reports it if
/// not.
fn can_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    let can = tried.is_ok_and(|tried| tried.status.success());
    if !can {
        skipped("caches on other file systems: mounting is not allowed");
    }
    can
}

#[test]
fn file_system_that_no_cache_can_use_is_named_with_the_variable() {
    if !can_mount() {
        return;
    }
    for (options, command) in [
        // The disk is full from the start, and becomes full in the middle of a build.
        ("size=4k,nr_inodes=2", "run scenarios/s.yaml"),
        ("size=64k", "check scenarios/s.yaml --baseline c0"),
        ("ro", "run scenarios/s.yaml"),
        ("noexec", "run scenarios/s.yaml"),
        ("noexec", "check scenarios/s.yaml --baseline c0"),
    ] {
        let history = History::of(&["", "-DSTEPS=2001"]);
        let cache = history.project.path().join("own-cache");
        std::fs::create_dir(&cache).unwrap();
        let cache = cache.display().to_string();
        let inner = format!("mount -t tmpfs -o {options} tmpfs {cache}; exec \"$0\" {command}");
        let line = format!("exec unshare -m sh -c '{inner}' \"$0\"");
        let (code, said) = shell(&history, &line, &[("XDG_CACHE_HOME", &cache)]);
        assert_eq!(code, 202, "{options}, {command}: {said}");
        let shown = format!("error: cannot use the cache {cache}/orch");
        assert!(said.contains(&shown), "{options}, {command}: {said}");
        assert!(
            said.contains("; set XDG_CACHE_HOME to a folder that allows writing and execution"),
            "{options}, {command}: {said}"
        );
    }
}

#[test]
fn cache_of_another_user_is_refused_with_the_variable() {
    let history = History::of(&["", "-DSTEPS=2001"]);
    let cache = history.project.path().join("own-cache");
    std::fs::create_dir_all(cache.join("orch")).unwrap();
    // The owner of the folder could replace the libraries in it.
    if std::os::unix::fs::chown(cache.join("orch"), Some(12_345), None).is_err() {
        skipped("caches of other users: giving folders away is not allowed");
        return;
    }
    let cache = cache.display().to_string();
    for command in [
        "run scenarios/s.yaml",
        "check scenarios/s.yaml --baseline c0",
        "list --scenario scenarios/s.yaml",
    ] {
        let line = format!("exec \"$0\" {command}");
        let (code, said) = shell(&history, &line, &[("XDG_CACHE_HOME", &cache)]);
        let expected = format!(
            "error: cannot use the cache {cache}/orch: it belongs to another user; set \
             XDG_CACHE_HOME to a folder that allows writing and execution"
        );
        assert!(said.contains(&expected), "{command}: {said}");
        assert_eq!(code, 202, "{command}: {said}");
    }
    let left = std::fs::read_dir(Path::new(&cache).join("orch")).unwrap();
    assert_eq!(left.count(), 0, "nothing was written there");
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

#[test]
fn template_that_never_ends_loses_only_its_own_report() {
    let project = Project::new();
    let plugin = project.c_plugin("sides", include_str!("../fixtures/sides.c"));
    let loops = |inside: &str| {
        format!(
            "{{% for a in range(9999) %}}{{% for b in range(9999) %}}{inside}{{% endfor %}}{{% \
             endfor %}}"
        )
    };
    let doubles = "{% set all = namespace(text='ab') %}{% for i in range(60) %}{% set all.text = \
                   all.text ~ all.text %}{% endfor %}{{ all.text }}";
    let templates = [
        ("loops.md", loops(""), "`loops.md` took more than 5 s"),
        (
            "writes.md",
            loops(&"x".repeat(5000)),
            "`writes.md` wrote more than 64 MiB",
        ),
        (
            "doubles.md",
            doubles.to_owned(),
            "`doubles.md` needed more than 1 GiB of memory",
        ),
        (
            "wraps.md",
            "{{ 'a b' | wrap(3, 100000000000) }}".to_owned(),
            "`wraps.md` needed more than 1 GiB of memory",
        ),
    ];
    for (name, text, said) in templates {
        project.write(&format!("templates/{name}"), text);
        project.write("templates/fine.md", "{{ record.jobs | length }} job");
        project.write(
            "s.yaml",
            format!(
                "defaults: {{ time: 10ms, rounds: 1 }}\nplugins: {{ p: {{ path: {} }} }}\n\
                 workloads: [{{ workload: p/work }}]\nreports: [{name}, fine.md]\n",
                plugin.display()
            ),
        );
        let ran = project.orch(&["run", "s.yaml"]);
        assert_eq!(ran.code, 202, "{}", ran.stderr);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert!(
            ran.stdout.contains("1 of 1 jobs measured"),
            "{}",
            ran.stdout
        );
        let folder = project.results().into_iter().max().unwrap();
        assert!(!folder.join(name).exists());
        assert_eq!(
            std::fs::read_to_string(folder.join("fine.md")).unwrap(),
            "1 job"
        );
        std::fs::remove_dir_all(project.path().join("results")).unwrap();
    }
}
