//! Actions that the sandbox denies a plugin, actions that it allows, and proof that nothing is
//! left.

use crate::support::{Project, Ran, job, landlock_version};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const ESCAPE: &str = include_str!("../fixtures/zoo/escape.c");

/// A project with the plugin, its own folder for scratch folders, and a folder that no scenario
/// names.
struct Place {
    project: Project,
    /// Folder in which scratch folders are created.
    scratch: PathBuf,
    jobs: String,
}

impl Place {
    /// Returns `None`, after reporting the reason, on a kernel without a complete sandbox.
    fn new() -> Option<Self> {
        let version: i64 = landlock_version();
        if version < 6 {
            crate::support::skipped(&format!("the sandbox: landlock {version} is no whole one"));
            return None;
        }
        Some(Self::on_any_kernel())
    }

    fn on_any_kernel() -> Self {
        let project = Project::new();
        project.c_plugin("escape", ESCAPE);
        project.write("secret/file", "secret\n");
        let scratch = project.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        Self {
            project,
            scratch,
            jobs: String::new(),
        }
    }

    /// Adds a job. A path that begins with `!` is passed to the plugin without being named in the
    /// scenario.
    fn tries(&mut self, id: &str, plugin: &str, act: &str, path: &str) {
        self.jobs.push_str(&format!(
            "  - {{ id: {id}, workload: {plugin}/try, params: {{ do: {act}, path: '{path}' }} }}\n"
        ));
    }

    fn scenario(&self, plugins: &str) -> String {
        format!(
            "defaults: {{ time: 2ms, rounds: 1, timeout: 60s, memory: 64MiB }}\n\
             plugins:\n{plugins}workloads:\n{}",
            self.jobs
        )
    }

    fn run(&self, plugins: &str) -> (Value, Ran) {
        self.run_prepared(plugins, |_| ())
    }

    /// Runs the jobs after `prepare` has changed the command.
    fn run_prepared(&self, plugins: &str, prepare: impl FnOnce(&mut Command)) -> (Value, Ran) {
        self.project.write("s.yaml", self.scenario(plugins));
        let mut command = self.project.plain_command();
        prepare(&mut command);
        let output = command
            .env("TMPDIR", &self.scratch)
            .args(["run", "s.yaml", "--json", "--seed", "1"])
            .output();
        let output = output.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let record = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{stderr}"));
        (
            record,
            Ran {
                code: output.status.code().unwrap_or(-1),
                stdout: String::new(),
                stderr,
            },
        )
    }

    fn scratch_folders(&self) -> Vec<PathBuf> {
        let root = std::fs::read_dir(&self.scratch).unwrap();
        root.flat_map(|root| std::fs::read_dir(root.unwrap().path()).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect()
    }

    fn path(&self, inside: &str) -> String {
        self.project.path().join(inside).display().to_string()
    }
}

fn message(record: &Value, id: &str) -> String {
    job(record, id)["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn assert_measured(record: &Value, ids: &[&str]) {
    for id in ids {
        assert_eq!(
            job(record, id)["outcome"],
            "measured",
            "{id}: {}",
            message(record, id)
        );
    }
}

const BOXED: &str = "  boxed: { path: libescape.so }\n";

#[test]
fn sandbox_denies_what_reaches_beyond_the_worker() {
    let Some(mut place) = Place::new() else {
        return;
    };
    let mut canary = Canary::start(&place);
    let denied = [
        ("inet", ""),
        ("unix", ""),
        ("kill_parent", ""),
        ("stop_parent", ""),
        ("slow_parent", ""),
        ("attach", ""),
        ("environ", ""),
        ("namespace", ""),
        ("lift_limit", ""),
        ("shared_memory", ""),
        ("read", "!PLACE/secret/file"),
        ("child_reads", "!PLACE/secret/file"),
        ("loads", "!PLACE/secret/libother.so"),
        ("write", "!PLACE/secret/new"),
        ("write", "!PLACE/results/new"),
        ("write", "!HOME/orch-was-here"),
        ("write", "!/dev/shm/orch-was-here"),
        ("mkdir", "!PLACE/secret/folder"),
        ("unlink", "!PLACE/secret/file"),
        ("truncate", "!PLACE/secret/file"),
        // A named file may be read, and nothing else.
        ("truncate", "PLACE/libescape.so"),
        ("unlink", "PLACE/libescape.so"),
    ];
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    let library = place.project.c_plugin("other", "int other;");
    std::fs::rename(library, place.path("secret/libother.so")).unwrap();
    place.tries("first", "boxed", "nothing", "");
    for (index, (act, path)) in denied.iter().enumerate() {
        let path = path
            .replace("PLACE", &place.path(""))
            .replace("HOME", &home)
            .replace("//", "/");
        place.tries(&format!("denied-{index}"), "boxed", act, &path);
    }
    for (id, act) in [
        ("kill-all", "kill_all"),
        ("bomb", "memory_file"),
        ("killed", "scratch_killed"),
    ] {
        place.tries(id, "boxed", act, "");
    }
    place.tries(
        "chmod",
        "boxed",
        "chmod",
        &format!("!{}", place.path("secret/file")),
    );
    place.tries("last", "boxed", "nothing", "");
    let (record, ran) = place.run(BOXED);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    for (index, (act, path)) in denied.iter().enumerate() {
        let told = message(&record, &format!("denied-{index}"));
        let refused = told.contains("ermission denied") || told.contains("not permitted");
        assert!(
            refused && told.contains("`sandbox: off`"),
            "{act} {path}: {told}"
        );
    }
    assert!(
        message(&record, "bomb").contains("SIGXFSZ"),
        "{}",
        message(&record, "bomb")
    );
    assert!(
        message(&record, "killed").contains("SIGKILL"),
        "{}",
        message(&record, "killed")
    );
    // These calls report success and have no effect.
    assert_measured(&record, &["first", "kill-all", "chmod", "last"]);
    assert!(
        !canary.heard(),
        "a signal to everybody reached a process outside"
    );
    assert_eq!(
        std::fs::read_to_string(place.path("secret/file")).unwrap(),
        "secret\n"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(place.path("secret/file"))
            .unwrap()
            .permissions(),
    );
    assert_ne!(mode & 0o777, 0, "the file's mode is what it was");
    assert_eq!(
        std::fs::read_dir(place.path("secret")).unwrap().count(),
        2,
        "the file and the library"
    );
    for made in [
        place.path("results/new"),
        format!("{home}/orch-was-here"),
        "/dev/shm/orch-was-here".to_owned(),
    ] {
        assert!(!PathBuf::from(&made).exists(), "{made}");
    }
    assert_eq!(place.scratch_folders(), Vec::<PathBuf>::new());
    let sandbox = job(&record, "first")["plugin"]["sandbox"].as_str().unwrap();
    assert!(
        sandbox.starts_with("landlock ") && sandbox.ends_with(" and seccomp"),
        "{sandbox}"
    );
}

/// Id of the user and group `nobody`.
const NOBODY: u32 = 65_534;

#[test]
fn sandbox_is_the_same_for_root_and_for_others() {
    // SAFETY: the call has no arguments and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        // The other tests of this file already cover this user.
        return;
    }
    // This creates the folder that all tests share, because the other user may not create it.
    drop(Project::new());
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["sandbox::", "--skip", "for_root_and_for_others"])
        .env("TMPDIR", folder.path())
        .env("HOME", folder.path())
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            crate::support::skipped("the sandbox for other users: they cannot read this folder");
            return;
        }
        output => output.unwrap(),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let passed = text.matches(" ... ok\n").count();
    assert!(passed >= 7, "{passed}: {text}");
}

/// Makes the kernel appear not to have these system calls.
fn hide_calls(command: &mut Command, calls: &[libc::c_long]) {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let errno = u32::try_from(libc::ENOSYS).unwrap();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno),
        TargetArch::x86_64,
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    // SAFETY: between fork and exec, the closure makes two system calls, and allocates only if they
    // fail.
    unsafe {
        command
            .pre_exec(move || seccompiler::apply_filter(&program).map_err(std::io::Error::other));
    }
}

#[test]
fn sandbox_without_landlock_is_reported_and_still_denies_calls() {
    let mut place = Place::on_any_kernel();
    let denied = [
        "inet",
        "unix",
        "kill_parent",
        "stop_parent",
        "attach",
        "namespace",
    ];
    for act in denied {
        place.tries(act, "boxed", act, "");
    }
    let secret = format!("!{}", place.path("secret/file"));
    place.tries("reads", "boxed", "read", &secret);
    let (record, ran) = place.run_prepared(BOXED, |command| {
        hide_calls(
            command,
            &[
                libc::SYS_landlock_create_ruleset,
                libc::SYS_landlock_add_rule,
                libc::SYS_landlock_restrict_self,
            ],
        );
    });
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let notes = ran
        .stderr
        .matches("the sandbox of plugins is incomplete")
        .count();
    assert_eq!(notes, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("this kernel has no landlock"),
        "{}",
        ran.stderr
    );
    for act in denied {
        let refused = message(&record, act);
        assert!(refused.contains("not permitted"), "{act}: {refused}");
    }
    assert_measured(&record, &["reads"]);
    assert_eq!(
        job(&record, "reads")["plugin"]["sandbox"],
        "seccomp; no landlock"
    );
    assert_eq!(place.scratch_folders(), Vec::<PathBuf>::new());
}

#[test]
fn sandbox_grants_what_the_scenario_names() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.project.write("data/weights.bin", "weights");
    place.project.write("tools/hello", "#!/bin/sh\nexit 0\n");
    let program = place.path("tools/hello");
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    std::fs::create_dir(place.path("out")).unwrap();
    let hidden = |inside: &str| format!("!{}", place.path(inside));
    place.project.c_plugin("beside", "int beside;");
    let beside = hidden("libbeside.so");
    let (weights, secret, tool, out) = (
        place.path("data/weights.bin"),
        hidden("secret/file"),
        hidden("tools/hello"),
        hidden("out/file"),
    );
    for (id, plugin, act, path) in [
        ("absolute", "boxed", "read", weights.as_str()),
        // These paths are relative to the project's root.
        ("relative", "boxed", "read", "data/weights.bin"),
        ("by-child", "boxed", "child_reads", &weights),
        ("listed", "named", "read", &secret),
        ("program", "named", "runs", &tool),
        ("written", "named", "write", &out),
        ("beside", "boxed", "loads", &beside),
        ("system", "boxed", "runs", "/usr/bin/true"),
        ("scratch", "boxed", "scratch", ""),
        ("threads", "boxed", "threads", ""),
        (
            "own-folder",
            "boxed",
            "environment",
            &format!("!{}", place.scratch.display()),
        ),
        ("open-inet", "open", "inet", ""),
        ("open-write", "open", "write", &hidden("secret/written")),
        ("open-read", "open", "read", &secret),
    ] {
        place.tries(id, plugin, act, path);
    }
    let plugins = format!(
        "{BOXED}  named: {{ path: libescape.so, read: [secret, tools/hello], write: [out] }}\n  \
         open: {{ path: libescape.so, sandbox: off }}\n"
    );
    let (record, ran) = place.run(&plugins);
    assert_eq!(ran.code, 0, "{record:#}\n{}", ran.stderr);
    assert!(
        PathBuf::from(place.path("out/file")).exists()
            && PathBuf::from(place.path("secret/written")).exists()
    );
    assert_eq!(place.scratch_folders(), Vec::<PathBuf>::new());
    assert_eq!(job(&record, "open-read")["plugin"]["sandbox"], "off");
    let all = record["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|job| job["warnings"].as_array().unwrap());
    assert!(
        !all.into_iter()
            .any(|warning| warning.as_str().unwrap().contains("sandbox")),
        "a whole sandbox warns of nothing"
    );
}

#[test]
fn folder_that_a_worker_replaces_by_a_link_leads_nowhere() {
    let Some(mut place) = Place::new() else {
        return;
    };
    for folder in ["out/sub", "out/other"] {
        std::fs::create_dir_all(place.path(folder)).unwrap();
    }
    let hidden = |inside: &str| format!("!{}", place.path(inside));
    let tries = [
        ("planted", "boxed", "plants", hidden("out/sub")),
        (
            "planted-for-another",
            "boxed",
            "plants",
            hidden("out/other"),
        ),
        ("follows", "boxed", "write", hidden("out/sub/new")),
        ("another-follows", "other", "write", hidden("out/other/new")),
        ("writes", "boxed", "write", hidden("out/new")),
    ];
    for (id, plugin, act, path) in &tries {
        place.tries(id, plugin, act, path);
    }
    let plugins = "  boxed: { path: libescape.so, write: [out, out/sub] }\n  other: \
        { path: libescape.so, write: [out/other] }\n";
    // The order of the jobs does not matter, because all timing passes come after all profiles.
    let (record, _) = place.run(plugins);
    for id in ["follows", "another-follows"] {
        assert!(
            message(&record, id).contains("ermission denied"),
            "{id}: {}",
            message(&record, id)
        );
    }
    assert_measured(&record, &["planted", "planted-for-another", "writes"]);
    assert_eq!(
        std::fs::read_dir(place.path("secret")).unwrap().count(),
        1,
        "nothing came to where the links lead"
    );
}

#[test]
fn input_files_are_hashed_before_the_run_and_may_not_change_in_it() {
    let Some(mut place) = Place::new() else {
        return;
    };
    for name in ["data/same.bin", "data/changed.bin", "out/file"] {
        place.project.write(name, "weights");
    }
    place.tries("same", "boxed", "read", "data/same.bin");
    place.tries("writes", "open", "write", "data/changed.bin");
    place.tries("reads", "boxed", "read", "data/changed.bin");
    place.tries("own", "named", "write", "out/file");
    let plugins = format!(
        "{BOXED}  named: {{ path: libescape.so, write: [out] }}\n  open: \
         {{ path: libescape.so, sandbox: off }}\n"
    );
    let (record, ran) = place.run(&plugins);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    // Hash of the text "weights".
    let hash = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c";
    // A plugin without a sandbox may be meant to write the file.
    assert_measured(&record, &["same", "own", "writes"]);
    assert_eq!(
        job(&record, "same")["inputs"],
        serde_json::json!({ "data/same.bin": hash })
    );
    assert_eq!(
        job(&record, "own")["inputs"],
        serde_json::json!({}),
        "what a plugin may write is no input"
    );
    assert_eq!(
        std::fs::read_to_string(place.path("data/changed.bin")).unwrap(),
        "xeights"
    );
    for id in ["writes", "reads"] {
        assert_eq!(
            job(&record, id)["inputs"],
            serde_json::json!({ "data/changed.bin": hash }),
            "as it was before"
        );
    }
    let told = message(&record, "reads");
    assert!(
        told.starts_with("the input file data/changed.bin changed during the run, "),
        "{told}"
    );
}

#[test]
fn pairs_are_sandboxed_and_both_sides_get_their_inputs() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.project.write("data/weights.bin", "weights");
    place.tries("good", "boxed", "read", "data/weights.bin");
    place.project.write("s.yaml", place.scenario(BOXED));
    let library = place.path("libescape.so");
    let other = place.project.c_plugin(
        "other",
        &format!(
            "static int different = 1;\n{}",
            ESCAPE.replace("i < 1000", "i < 1001")
        ),
    );
    let other = other.display().to_string();
    let compare = |place: &Place| {
        let mut command = place.project.command();
        command.env("TMPDIR", &place.scratch).args([
            "compare",
            &library,
            &other,
            "--scenario",
            "s.yaml",
            "--json",
        ]);
        let output = command.args(["--pairs", "2"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice::<Value>(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{told}"))
    };
    let good = compare(&place);
    let time = good["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["metric"] == "time")
        .unwrap();
    assert_eq!(time["pairs"], 2, "{good:#}");
    assert_eq!(place.scratch_folders(), Vec::<PathBuf>::new());
    place.jobs.clear();
    place.tries(
        "bad",
        "boxed",
        "read",
        &format!("!{}", place.path("secret/file")),
    );
    place.project.write("s.yaml", place.scenario(BOXED));
    let bad = compare(&place).to_string();
    assert!(
        bad.contains("ermission denied") && bad.contains("`sandbox: off`"),
        "{bad}"
    );
}

#[test]
fn plugin_reads_its_linked_libraries_only() {
    let Some(mut place) = Place::new() else {
        return;
    };
    let cc = |arguments: &[&str]| {
        assert!(
            Command::new("cc")
                .args(arguments)
                .current_dir(place.project.path())
                .status()
                .unwrap()
                .success()
        );
    };
    place.project.write(
        "elsewhere/needed.c",
        "void deeper(void); void needed(void) { deeper(); }",
    );
    place
        .project
        .write("elsewhere/deep/deeper.c", "void deeper(void) {}");
    cc(&[
        "-shared",
        "-fPIC",
        "elsewhere/deep/deeper.c",
        "-o",
        "elsewhere/deep/libdeeper.so",
    ]);
    let below = "-Wl,--enable-new-dtags,-rpath,$ORIGIN/deep";
    let needed = [
        "-shared",
        "-fPIC",
        "elsewhere/needed.c",
        "-o",
        "elsewhere/libneeded.so",
        "-Lelsewhere/deep",
        "-ldeeper",
    ];
    cc(&[&needed[..], &[below]].concat());
    let include = crate::support::workspace()
        .join("plugins/sdk/include")
        .display()
        .to_string();
    let rpath = format!("-Wl,-rpath,{}", place.path("elsewhere"));
    let more =
        "void needed(void); __attribute__((constructor)) static void begin(void) { needed(); }\n";
    place.project.write("linked.c", format!("{ESCAPE}{more}"));
    std::fs::create_dir(place.path("own")).unwrap();
    let plugin = [
        "-shared",
        "-fPIC",
        "-w",
        "-I",
        &include,
        "linked.c",
        "-o",
        "own/liblinked.so",
        "-Lelsewhere",
    ];
    cc(&[
        &plugin[..],
        &["-lneeded", &rpath, "-Wl,--allow-shlib-undefined"],
    ]
    .concat());
    place.tries("linked", "boxed", "nothing", "");
    place.tries(
        "not-linked",
        "boxed",
        "read",
        &format!("!{}", place.path("elsewhere/needed.c")),
    );
    let (record, ran) = place.run("  boxed: { path: own/liblinked.so }\n");
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    assert_measured(&record, &["linked"]);
    assert!(
        message(&record, "not-linked").contains("ermission denied"),
        "{}",
        message(&record, "not-linked")
    );
}

#[test]
fn remains_of_a_killed_orch_are_removed_by_the_next() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.tries("waits", "boxed", "scratch_and_wait", "");
    place.project.write("s.yaml", place.scenario(BOXED));
    let mut command = place.project.plain_command();
    command
        .env("TMPDIR", &place.scratch)
        .args(["run", "s.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut orch = command.spawn().unwrap();
    let left = loop {
        let found = place.scratch_folders();
        if found
            .first()
            .is_some_and(|folder| folder.join("a/other").exists())
        {
            break found;
        }
        assert!(
            orch.try_wait().unwrap().is_none(),
            "it ended before its worker wrote anything"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    orch.kill().unwrap();
    orch.wait().unwrap();
    assert!(left[0].exists(), "a killed orch removes nothing");
    place.jobs.clear();
    place.tries("good", "boxed", "nothing", "");
    let (_, ran) = place.run(BOXED);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(place.scratch_folders(), Vec::<PathBuf>::new());
}

/// A process outside of orch that reports the signals that it receives.
struct Canary {
    process: Child,
    heard: PathBuf,
}

impl Canary {
    fn start(place: &Place) -> Self {
        let (heard, ready) = (
            place.project.path().join("heard"),
            place.project.path().join("ready"),
        );
        let script = format!(
            "trap 'touch {}' WINCH; touch {}; while sleep 0.05; do :; done",
            heard.display(),
            ready.display()
        );
        let process = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        while !ready.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Self { process, heard }
    }

    /// Ends the process. Returns whether it received a signal, after checking that it can receive
    /// one.
    fn heard(&mut self) -> bool {
        let heard = self.heard.exists();
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::WINCH).unwrap();
        while !self.heard.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        heard
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
