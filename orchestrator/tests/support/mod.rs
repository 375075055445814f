//! A throw-away project for tests of the whole program: scenario files, results, cache and
//! measuring lock of its own.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of it; a test that cannot go on has failed"
)]

pub mod waiting;

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub struct Project {
    folder: tempfile::TempDir,
}

/// Output and exit code of a finished program.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Messages show paths. The path of a folder behind a link would differ from the one that
        // the test expects.
        std::fs::write(folder.path().join("orch.yaml"), "").unwrap();
        // Compiled packages of registries are the same in every test.
        let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        std::fs::create_dir_all(&packages).unwrap();
        std::fs::create_dir_all(folder.path().join("cache/orch")).unwrap();
        std::os::unix::fs::symlink(packages, folder.path().join("cache/orch/packages")).unwrap();
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn command(&self) -> Command {
        let mut command = Command::cargo_bin("orch").unwrap();
        self.isolate(|name, value| {
            command.env(name, value);
        });
        command.current_dir(self.path());
        command
    }

    /// Returns the same as a plain command, for tests that interact with the running program.
    pub fn plain_command(&self) -> std::process::Command {
        self.isolated(&assert_cmd::cargo::cargo_bin("orch"))
    }

    /// Returns the same for another program.
    pub fn isolated(&self, program: &Path) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        self.isolate(|name, value| {
            command.env(name, value);
        });
        command.current_dir(self.path());
        command
    }

    fn isolate(&self, mut set: impl FnMut(&str, PathBuf)) {
        set("XDG_CACHE_HOME", self.path().join("cache"));
        set("ORCH_LOCK_FILE", self.path().join("lock"));
    }

    pub fn orch(&self, arguments: &[&str]) -> Ran {
        let output = self.command().args(arguments).output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a scenario and returns its record with the exit code.
    pub fn record(&self, scenario: &str) -> (Value, Ran) {
        self.write("s.yaml", scenario);
        let ran = self.orch(&["run", "s.yaml", "--json", "--seed", "1"]);
        let record = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}", ran.stderr));
        (record, ran)
    }

    pub fn results(&self) -> Vec<PathBuf> {
        match std::fs::read_dir(self.path().join("results")) {
            Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// Compiles a C plugin from source and returns its path.
    pub fn c_plugin(&self, name: &str, source: &str) -> PathBuf {
        let c = self.write(&format!("{name}.c"), source);
        self.compiled(
            "cc",
            name,
            &c,
            &workspace().join("plugins/sdk/include"),
            &[],
        )
    }

    /// Compiles a plugin from a file, with a compiler and the folder of a header, and returns its
    /// path.
    pub fn compiled(
        &self,
        compiler: &str,
        name: &str,
        source: &Path,
        include: &Path,
        more: &[&str],
    ) -> PathBuf {
        let out = self.path().join(format!("lib{name}.so"));
        let built = std::process::Command::new(compiler)
            .args(["-O1", "-g", "-shared", "-fPIC", "-w", "-pthread"])
            .args(more)
            .arg("-I")
            .arg(include)
            .arg(source)
            .arg("-o")
            .arg(&out)
            .status()
            .unwrap();
        assert!(built.success(), "{name}");
        out
    }
}

/// Runs git for a test's own repository, independently of the user's configuration.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.org",
            "-c",
            "commit.gpgsign=false",
        ])
        .args([
            "-c",
            "init.defaultBranch=main",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Returns the folder of this workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Returns the value of `crate:` for a plugin of this workspace.
pub fn crate_of(plugin: &str) -> String {
    workspace()
        .join("plugins")
        .join(plugin)
        .display()
        .to_string()
}

/// Returns the job with an id.
pub fn job<'a>(record: &'a Value, id: &str) -> &'a Value {
    let jobs = record["jobs"].as_array().unwrap();
    jobs.iter()
        .find(|job| job["id"] == id)
        .unwrap_or_else(|| panic!("no job {id}"))
}

/// Returns a file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    workspace().join("orchestrator/tests/fixtures").join(name)
}

/// Parts of a message that differ from build to build: the position in a plugin where something
/// happened.
pub const PLACES: (&str, &str) = (
    r"(?:[\w./-]+:\d+(?::\d+)?, )?plugin\+0x[0-9a-f]+",
    "plugin+OFFSET",
);

/// Kinds of warnings that measured times cause, so that a busy machine can cause them for any
/// plugin.
const KINDS_ABOUT_TIMES: [&str; 7] = [
    "scattered",
    "scattered_threads",
    "few_samples",
    "slow_samples",
    "growing",
    "slow_start",
    "unsteady",
];

/// Returns the messages about each job that has any, without those about a busy machine.
pub fn told(record: &Value) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for job in record["jobs"].as_array().unwrap() {
        let part = |name: &str| job[name].as_str().unwrap_or("-").to_owned();
        if job["outcome"] != "measured" {
            lines.push((
                part("id"),
                format!(
                    "{} in {}: {}",
                    part("outcome"),
                    part("phase"),
                    part("message")
                ),
            ));
        }
        for (kind, warning) in lasting_warnings(job) {
            if kind != "uneven_iterations" {
                lines.push((part("id"), format!("warning: {warning}")));
            }
        }
    }
    lines
}

/// Returns a job's warnings without those that a busy machine can cause for any plugin.
pub fn faults(job: &Value) -> Vec<&str> {
    lasting_warnings(job).map(|(_, warning)| warning).collect()
}

/// Returns the kinds and texts of a job's warnings without those about times.
fn lasting_warnings(job: &Value) -> impl Iterator<Item = (&str, &str)> {
    let texts = |name: &str| job[name].as_array().into_iter().flatten();
    let (kinds, warnings) = (texts("warning_kinds"), texts("warnings"));
    assert_eq!(kinds.clone().count(), warnings.clone().count());
    kinds
        .zip(warnings)
        .map(|(kind, warning)| (kind.as_str().unwrap(), warning.as_str().unwrap()))
        .filter(|(kind, _)| !KINDS_ABOUT_TIMES.contains(kind))
}

/// Reports that a test could not be carried out here, also in the file that `ORCH_TESTS_SKIPPED`
/// names, because cargo shows no output of a test that passes.
pub fn skipped(why: &str) {
    use std::io::Write;
    eprintln!("skipped: {why}");
    if let Some(path) = std::env::var_os("ORCH_TESTS_SKIPPED") {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{why}").unwrap();
    }
}

/// Returns whether jobs of two threads can be measured here, and reports it if not.
pub fn has_two_cpus(what: &str) -> bool {
    let enough = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() >= 2);
    if !enough {
        skipped(&format!("{what}: orch may use only one CPU here"));
    }
    enough
}

pub fn has_landlock() -> bool {
    landlock_version() > 0
}

/// Returns the version of landlock's interface. It is not positive if landlock is missing.
pub fn landlock_version() -> i64 {
    let nothing = std::ptr::null::<u8>();
    // SAFETY: with flag 1, the kernel reads no structure and only returns a number.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0usize, 1u32) }
}

/// Returns the processes that have a worker's mark and descend from `pid`, or were left behind by
/// it.
pub fn marked_processes(mark: &str) -> Vec<i32> {
    find_processes("environ", mark)
}

/// Returns the processes whose file in `/proc` contains a text between zero bytes.
pub fn find_processes(file: &str, text: &str) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let holds = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|all| {
            all.split(|byte| *byte == 0)
                .any(|part| part == text.as_bytes())
        })
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(holds)
        .collect()
}

/// Creates a new plugin with `orch plugin new`, in a folder that all tests use one after the other,
/// so that the builds of other crates are reused. The guard keeps other tests out.
pub fn new_plugin(project: &Project, name: &str, arguments: &[&str]) -> (PathBuf, std::fs::File) {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    std::fs::create_dir_all(&shared).unwrap();
    let guard = std::fs::File::create(shared.join("lock")).unwrap();
    guard.lock().unwrap();
    let (folder, aside) = (shared.join(name), shared.join(format!("{name}.target")));
    if folder.join("target").exists() {
        std::fs::rename(folder.join("target"), &aside).unwrap();
    }
    let _ = std::fs::remove_dir_all(&folder);
    let shown = folder.display().to_string();
    let ran = project.orch(&[&["plugin", "new", name, "--dir", &shown], arguments].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    if aside.exists() {
        std::fs::rename(&aside, folder.join("target")).unwrap();
    }
    (folder, guard)
}
