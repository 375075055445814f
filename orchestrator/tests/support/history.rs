//! A git repository with a C plugin whose commits differ in one file of macros, for tests of `orch
//! bisect`.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of it; a test that cannot go on has failed"
)]

use crate::support::{Project, Ran, git};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const SOURCE: &str = include_str!("../fixtures/sides.c");

/// Folders of the project that do not belong to the user.
const OURS: [&str; 3] = ["cache", "lock", "results"];

/// The end of a scenario that accepts every change of time, for tests whose exit code must not
/// depend on measured times.
pub const TIME_ACCEPTED: &str = "accept:\n  - { job: work, metric: time, up_to: 1000000x, reason: \
    not the subject, until: 2999-12-31 }\n";

pub struct History {
    pub project: Project,
}

impl History {
    /// Creates a repository without a commit.
    pub fn new() -> Self {
        let project = Project::new();
        // The command records a build when it ends, so a killed build is not recorded and starts
        // again.
        let build = r#"while test -e "$HOLD"; do sleep 0.02; done; cc -O1 $ORCH_CFLAGS -shared -fPIC -w $(cat flags) -I"$ORCH_INCLUDE" sides.c -o "$ORCH_OUT" && cat flags >> "$LOG""#;
        let cache = project.path().join("cache");
        std::fs::create_dir_all(&cache).unwrap();
        let build = build
            .replace("$HOLD", &cache.join("hold").display().to_string())
            .replace("$LOG", &cache.join("builds").display().to_string());
        let folder = project.path().display().to_string();
        project.write(
            "scenarios/s.yaml",
            format!(
                "defaults: {{ tolerance: 20%, time: 20ms, timeout: 60s }}\nplugins:\n  sides:\n    \
                 dir: plugin\n    build: '{build}'\n    env: \
                 {{ ORCH_TEST: '{folder}' }}\nworkloads: [{{ workload: sides/work }}]\n"
            ),
        );
        project.write("plugin/sides.c", SOURCE);
        project.write(".gitignore", "cache/\nlock\nresults/\n");
        git(&project.path(), &["init", "-q"]);
        Self { project }
    }

    /// Creates a commit for each text of macros. Subjects and tags are c0, c1 and so on.
    pub fn of(macros: &[&str]) -> Self {
        Self::with("", macros)
    }

    /// Creates the same commits with additional text at the end of the scenario.
    pub fn with(more: &str, macros: &[&str]) -> Self {
        let history = Self::new();
        let path = history.project.path().join("scenarios/s.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}{more}")).unwrap();
        for (number, macros) in macros.iter().enumerate() {
            history.commit(&format!("c{number}"), macros);
        }
        history
    }

    /// Creates a commit with a subject, which is also its tag. A macro at the end of its macros
    /// distinguishes the commit and changes no code.
    pub fn commit(&self, subject: &str, macros: &str) -> String {
        self.project
            .write("plugin/flags", format!("{macros} -DC_{subject}\n"));
        self.git(&["add", "."]);
        self.git(&["commit", "-q", "--allow-empty", "-m", subject]);
        self.git(&["tag", subject]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.project.path(), arguments)
    }

    pub fn bisect(&self, good: &str, bad: &str, more: &[&str]) -> Ran {
        self.project.orch(&[&asked(good, bad)[..], more].concat())
    }

    /// Returns the report of a bisect that ran to its end.
    pub fn report(&self, good: &str, bad: &str, more: &[&str]) -> (Value, Ran) {
        let ran = self.bisect(good, bad, &[&["--json", "--seed", "1"], more].concat());
        let found = report(&ran);
        let table = self
            .project
            .path()
            .join("results")
            .join(found["id"].as_str().unwrap())
            .join("bisect.txt");
        let table = std::fs::read_to_string(table).unwrap();
        // A command is one line, so that it can be copied.
        let fits = |line: &str| line.starts_with("next: ") || line.chars().count() <= 80;
        assert!(table.lines().all(fits), "{table}");
        (found, ran)
    }

    /// Returns the subjects of the commits whose builds succeeded, in order.
    pub fn built(&self) -> Vec<String> {
        let log =
            std::fs::read_to_string(self.project.path().join("cache/builds")).unwrap_or_default();
        log.lines()
            .map(|line| line.rsplit("-DC_").next().unwrap().to_owned())
            .collect()
    }

    /// Makes builds wait while `held` is set.
    pub fn hold(&self, held: bool) {
        let file = self.project.path().join("cache/hold");
        if held {
            std::fs::write(file, "").unwrap()
        } else {
            std::fs::remove_file(file).unwrap()
        }
    }

    /// Returns the journal of the running or stopped bisect; empty if there is none.
    pub fn journal(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for folder in states(&self.project.path().join("cache")) {
            let text = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap_or_default();
            lines.extend(
                text.lines()
                    .filter_map(|line| serde_json::from_str(line).ok()),
            );
        }
        lines
    }

    /// Returns the printed text without the parts that differ between days and folders.
    pub fn shown(&self, ran: &Ran) -> String {
        let timeless = |line: &str| match line.split_once(") in ") {
            Some((before, _)) if line.starts_with("built ") => format!("{before})\n"),
            _ => format!("{line}\n"),
        };
        let said = ran.stdout.lines().chain(ran.stderr.lines());
        let mut text = format!(
            "exit {}\n{}",
            ran.code,
            said.map(timeless).collect::<String>()
        );
        for line in self.git(&["log", "--all", "--format=%H %s"]).lines() {
            let (commit, subject) = line.split_once(' ').unwrap();
            let name = format!("<{}>", subject.split_whitespace().next().unwrap());
            text = text.replace(commit, &name).replace(&commit[..10], &name);
        }
        text.replace(&self.project.path().display().to_string(), "PROJECT")
    }
}

/// Returns the arguments that request a range.
pub fn asked<'a>(good: &'a str, bad: &'a str) -> [&'a str; 8] {
    [
        "bisect",
        "scenarios/s.yaml",
        "--workload",
        "work",
        "--good",
        good,
        "--bad",
        bad,
    ]
}

pub fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", ran.stdout, ran.stderr))
}

/// Returns the subjects of the culprits' commits.
pub fn culprits(report: &Value) -> Vec<Vec<&str>> {
    let all = report["culprits"].as_array().unwrap().iter();
    all.map(|each| {
        each["about"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["subject"].as_str().unwrap())
            .collect()
    })
    .collect()
}

/// Returns one text of every entry of a list.
pub fn texts(list: &Value, name: &str) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|one| one[name].as_str().unwrap().to_owned())
        .collect()
}

/// Returns the folders with the state of bisects.
pub fn states(cache: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache.join("orch/bisect"));
    let paths = entries.into_iter().flatten();
    paths
        .map(|entry| entry.unwrap().path())
        // A folder whose name begins with a dot does not have a complete state yet.
        .filter(|path| !path.file_name().unwrap().as_bytes().starts_with(b"."))
        .collect()
}

/// Mode, time stamp and content.
type Seen = (u32, i64, i64, Vec<u8>);

/// Returns the state of every file of the user, including the files of git.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut found = BTreeMap::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(&next)
            .unwrap()
            .map(|entry| entry.unwrap())
        {
            let path = entry.path();
            let about = std::fs::symlink_metadata(&path).unwrap();
            let content = if about.is_file() {
                std::fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            if next != folder || !OURS.iter().any(|name| entry.file_name() == *name) {
                if about.is_dir() {
                    todo.push(path.clone());
                }
                found.insert(
                    path,
                    (about.mode(), about.mtime(), about.mtime_nsec(), content),
                );
            }
        }
    }
    found
}
