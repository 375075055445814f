//! The measuring lock while another process holds it: the commands that wait, the commands that do
//! not, and the messages.

use crate::support::{Project, Ran};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

const SOURCE: &str = include_str!("../fixtures/sides.c");

/// Creates a project with a library, a C plugin that needs a build, and a lock that this test
/// holds.
fn locked(exclusive: bool) -> (Project, File) {
    let project = Project::new();
    project.c_plugin("sides", SOURCE);
    project.write("s.yaml", scenario("work"));
    let lock = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(project.path().join("lock"));
    let lock = lock.unwrap();
    if exclusive {
        lock.lock().unwrap()
    } else {
        lock.lock_shared().unwrap()
    }
    (project, lock)
}

fn scenario(workload: &str) -> String {
    let build = "cc -O1 $ORCH_CFLAGS -shared -fPIC -w -I\"$ORCH_INCLUDE\" sides.c -o \"$ORCH_OUT\"";
    format!(
        "defaults: {{ time: 20ms, rounds: 1 }}\nplugins:\n  sides: {{ path: libsides.so }}\n  \
         built: {{ dir: ., build: '{build}' }}\nworkloads: [{{ workload: sides/{workload} }}, \
         {{ id: built, workload: built/work }}]\n"
    )
}

/// Runs a command that has to end although the lock is taken. The time limit only ends a test that
/// hangs.
fn ended(project: &Project, arguments: &[&str]) -> Ran {
    let output = project
        .command()
        .args(arguments)
        .timeout(Duration::from_secs(300))
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Starts a command and returns the lines of its standard error as they come.
fn start(project: &Project, arguments: &[&str]) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = project
        .plain_command()
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    (child, stderr.lines().map(|line| line.unwrap()))
}

#[test]
fn readers_do_not_wait_for_a_measurement() {
    let (project, _lock) = locked(true);
    for arguments in [
        &["list", "--scenario", "s.yaml"][..],
        &["list", "built/work", "--scenario", "s.yaml"],
        &["run", "s.yaml", "--dry-run"],
        &["plugin", "check", "libsides.so"],
        &["doctor"],
    ] {
        let ran = ended(&project, arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        assert!(
            !ran.stderr.contains("waiting"),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn mistakes_are_reported_while_another_process_measures() {
    let (project, _lock) = locked(true);
    let typo = scenario("wrok").replace(", { id: built, workload: built/work }", "");
    project.write("s.yaml", typo);
    let ran = ended(&project, &["run", "s.yaml"]);
    assert!(
        ran.code == 200 && ran.stderr.contains("did you mean `sides/work`"),
        "{}{}",
        ran.code,
        ran.stderr
    );
}

#[test]
fn lock_holder_is_named_where_a_command_gives_up() {
    let own = std::process::id().to_string();
    for (exclusive, what) in [
        (true, "has been measuring on this machine since "),
        (false, "is building"),
    ] {
        let (project, _lock) = locked(exclusive);
        for arguments in [
            &["run", "s.yaml", "--no-wait"][..],
            &["run", "s.yaml", "--wait", "150ms"],
            &[
                "compare",
                "libsides.so",
                "libsides.so",
                "--scenario",
                "s.yaml",
                "--plugin",
                "sides",
                "--control",
                "--no-wait",
            ],
        ] {
            let ran = ended(&project, arguments);
            assert_eq!(ran.code, 202, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
            let holder = format!("(process {own}) {what}");
            assert!(
                ran.stderr.contains("gave up after ") && ran.stderr.contains(&holder),
                "{arguments:?}: {}",
                ran.stderr
            );
        }
        assert_eq!(
            project.results(),
            Vec::<std::path::PathBuf>::new(),
            "nothing was measured"
        );
    }
}

#[test]
fn lock_that_is_no_regular_file_is_named_with_its_variable() {
    let project = Project::new();
    project.c_plugin("sides", SOURCE);
    project.write("s.yaml", scenario("work"));
    let lock = project.path().join("lock");
    let place: [(&str, &dyn Fn()); 3] = [
        ("is a named pipe", &|| {
            let made = std::process::Command::new("mkfifo").arg(&lock).status();
            assert!(made.unwrap().success());
        }),
        ("is a link", &|| {
            std::os::unix::fs::symlink("elsewhere", &lock).unwrap();
        }),
        ("is a link", &|| {
            std::os::unix::fs::symlink(project.path().join("s.yaml"), &lock).unwrap();
        }),
    ];
    for (words, put) in place {
        put();
        let ran = ended(&project, &["run", "s.yaml"]);
        assert_eq!(ran.code, 202, "{words}: {}{}", ran.stdout, ran.stderr);
        let named = format!("measuring lock {}: {words}", lock.display());
        assert!(
            ran.stderr.contains(&named) && ran.stderr.contains("set ORCH_LOCK_FILE to another"),
            "{words}: {}",
            ran.stderr
        );
        std::fs::remove_file(&lock).unwrap();
    }
    assert!(!project.path().join("elsewhere").exists());
}

#[test]
fn builds_share_the_lock_and_measuring_goes_on_when_it_is_free() {
    let (project, lock) = locked(false);
    let (mut child, mut lines) = start(&project, &["run", "s.yaml"]);
    let waiting = lines.find(|line| line.starts_with("waiting: ")).unwrap();
    assert!(
        waiting.contains("is building"),
        "it has built beside the other build: {waiting}"
    );
    drop(lock);
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let folder = project.results().pop().unwrap();
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("record.json")).unwrap()).unwrap();
    assert!(
        record["wall"]["lock_ns"].as_u64().unwrap() > 0
            && record["wall"]["prepare_ns"].as_u64().unwrap() > 0
    );
    let summary = std::fs::read_to_string(folder.join("summary.txt")).unwrap();
    let summary = summary.replace('\n', " ");
    assert!(
        summary.contains("before that, ") && summary.contains(" building"),
        "{summary}"
    );
}

#[test]
fn build_waits_for_another_build_in_the_same_folder() {
    let (project, lock) = locked(false);
    drop(lock);
    assert_eq!(ended(&project, &["list", "--scenario", "s.yaml"]).code, 0);
    let commands = project.path().join("cache/orch/commands");
    let files = std::fs::read_dir(commands).unwrap();
    let mut files = files.map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|ending| ending == "lock"));
    let other = File::open(file.unwrap()).unwrap();
    other.lock().unwrap();
    let (mut child, mut lines) = start(&project, &["list", "--scenario", "s.yaml"]);
    let waiting = lines.find(|line| line.starts_with("waiting: ")).unwrap();
    assert!(
        waiting.starts_with("waiting: another orch builds in "),
        "{waiting}"
    );
    assert_eq!(child.try_wait().unwrap(), None);
    drop(other);
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
