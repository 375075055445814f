//! Builds of plugin crates with cargo, with `orch`'s own flags and in a cleaned environment.

use super::advice;
use super::bench_crate;
use super::build_group::BuildGroup;
use super::build_lock::BuildLock;
use super::compiled_packages::PackageStore;
use super::freshness::SourceLedger;
use super::lent_lock::LentLock;
use super::rustc_wrapper;
use crate::file;
use orch_core::format::clean;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// Number of lines of a failed build's output that the record keeps.
const KEPT_LINES: usize = 60;
/// Interval at which the end of a build and a request to stop are checked.
const POLL: Duration = Duration::from_millis(20);
/// Maximum wait for output after the end of a build.
const PATIENCE: Duration = Duration::from_millis(500);

/// Failure of a build.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error(
        "`{command}` could not be started: {source}{advice}",
        advice = advice::advise_missing_program(.command, .source)
    )]
    Start {
        command: String,
        source: std::io::Error,
    },
    #[error("`{command}` failed ({status})\n{output}")]
    Failed {
        command: String,
        status: std::process::ExitStatus,
        output: String,
    },
    #[error("{0}")]
    Nothing(String),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Name of the lock in a target folder.
const LOCK: &str = "orch-build.lock";

/// A built library and the flags of its compiler.
#[derive(Debug)]
pub(crate) struct BuiltLibrary {
    pub(crate) library: PathBuf,
    /// Lock of the place where the library lies. Until it is dropped, no other process builds
    /// there. None for a library that orch did not build.
    pub(crate) lock: Option<BuildLock>,
    /// Flags of the compiler, for the record.
    pub(crate) flags: Vec<String>,
}

/// Folders relative to which paths in a library are written, so that the same sources give the same
/// library in every folder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PathOrigin<'a> {
    /// Root of the crate's workspace.
    Workspace,
    /// Folders that stay the same even if the workspace changes: that of the code under test and
    /// that of the plugin, which may lie elsewhere.
    Folder { source: &'a Path, plugin: &'a Path },
}

/// A crate that becomes a plugin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrateSource<'a> {
    /// Folder of the crate, or of the package to which the bench file belongs.
    pub(crate) folder: &'a Path,
    /// Bench file for criterion, relative to the folder; `None` if the crate itself is a plugin.
    pub(crate) bench: Option<&'a Path>,
    pub(crate) cpu: &'a str,
}

/// Builds a plugin crate in release mode. Each line of cargo's output is passed to `show` as it
/// arrives. `linker`, if present, links the crate itself; nothing else is rebuilt for it.
pub(crate) fn build_crate(
    source: CrateSource,
    origin: PathOrigin,
    linker: Option<&Path>,
    watch: &mut BuildWatcher,
) -> Result<BuiltLibrary, BuildError> {
    build_in(source, origin, linker, watch)
        .map_err(|error| advice::add_advice(error, source.folder))
}

fn build_in(
    source: CrateSource,
    origin: PathOrigin,
    linker: Option<&Path>,
    watch: &mut BuildWatcher,
) -> Result<BuiltLibrary, BuildError> {
    let CrateSource { folder, bench, cpu } = source;
    let mut manifest = folder.join("Cargo.toml");
    let user_workspace = find_workspace(&manifest)?;
    let origin = match origin {
        PathOrigin::Workspace => PathOrigin::Folder {
            source: &user_workspace.root,
            plugin: &user_workspace.root,
        },
        folders => folders,
    };
    let root = match bench {
        None => user_workspace.root.clone(),
        Some(bench) => bench_crate::locate_bench_crate(&user_workspace.root, folder, bench).0,
    };
    let target = prepare_target_folder(&root, cpu)?;
    let build_lock = BuildLock::take(&target.join(LOCK), watch)?;
    let _lent = match bench {
        None => LentLock::lend(&root)?,
        Some(bench) => {
            let written =
                bench_crate::write_bench_crate(&user_workspace.root, folder, bench, watch)?;
            manifest = written.folder.join("Cargo.toml");
            LentLock::lend_seeded(&root, written.seed.as_deref())?
        }
    };
    // The lock of the crate around a bench file is completed by cargo.
    let is_locked = user_workspace.lock_is_tracked && bench.is_none();
    let (code_flags, name_flags) = (list_code_flags(cpu), list_name_flags(origin));
    let user_wrapper = std::env::var_os(rustc_wrapper::VARIABLE)
        .filter(|name| !name.is_empty())
        .map(PathBuf::from);
    let wrapper = rustc_wrapper::write_wrapper(&name_flags, user_wrapper.as_deref())?;
    let cargo = |verb: &str| {
        let mut command = create_clean_command("cargo");
        command
            .args([verb, "--release", "--manifest-path"])
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&target);
        command
            .env("CARGO_ENCODED_RUSTFLAGS", code_flags.join("\x1f"))
            .env(rustc_wrapper::VARIABLE, &wrapper);
        command.current_dir(folder);
        if is_locked {
            command.arg("--locked");
        }
        command
    };
    let profile = target.join("release");
    // The store only saves time.
    let store = PackageStore::open(&code_flags).inspect_err(|error| {
        (watch.show)(&format!(
            "packages of registries are compiled anew: {error}"
        ));
    });
    let filled = store.as_ref().ok().filter(|store| !store.is_empty());
    if let Some(store) = filled
        && !profile.join(".fingerprint").exists()
    {
        let lock = root.join("Cargo.lock");
        if !lock.exists() {
            let mut command = create_clean_command("cargo");
            command
                .args(["generate-lockfile", "--manifest-path"])
                .arg(&manifest)
                .current_dir(folder);
            // If this fails, the build itself reports the error.
            let _ = run_build(command, "cargo generate-lockfile", watch);
        }
        let lock = file::read_text(&lock, file::MOST_TEXT_BYTES).unwrap_or_default();
        for damaged in store.lend_packages(&lock, &profile) {
            let damaged = damaged.display();
            (watch.show)(&format!(
                "the compiled packages with {damaged} were damaged; they are compiled again"
            ));
        }
    }
    let forget = |packages: &[String]| {
        for package in packages {
            let mut command = cargo("clean");
            command.args(["-p", package]);
            // A package that is no longer in the workspace is not in any library either.
            let _ = run_build(
                command,
                "cargo clean",
                &mut BuildWatcher::silent(&mut |_| {}),
            );
        }
    };
    let mut ledger = SourceLedger::read(&target);
    forget(&ledger.find_stale(&name_flags));
    let mut build = || -> Result<(String, PathBuf, SystemTime), BuildError> {
        let begun = SystemTime::now();
        let mut command = cargo(if linker.is_some() { "rustc" } else { "build" });
        command.args(["--lib", "--message-format=json-render-diagnostics"]);
        if let Some(linker) = linker {
            command
                .arg("--")
                .arg(format!("-Clinker={}", linker.display()));
        }
        let messages = run_build(
            command,
            &format!("cargo build --release in {}", folder.display()),
            watch,
        )?;
        let library = find_cdylib(&messages, &manifest).ok_or_else(|| {
            BuildError::Nothing(format!(
                "{}: the crate builds but produces no shared library; add `[lib] crate-type = \
                 [\"cdylib\"]`",
                manifest.display()
            ))
        })?;
        Ok((messages, library, begun))
    };
    let (mut messages, mut library, mut begun) = build()?;
    let unproved = ledger.find_unproved(&messages);
    if !unproved.is_empty() {
        forget(&unproved);
        (messages, library, begun) = build()?;
    }
    ledger.record(&messages, &library, begun, name_flags.clone())?;
    // A package that cannot be stored is compiled again elsewhere.
    let _ = store.and_then(|store| store.add_packages(&messages, &profile));
    Ok(BuiltLibrary {
        library,
        lock: Some(build_lock),
        flags: [code_flags, name_flags].concat(),
    })
}

/// Returns whether nothing that was compiled for a crate has changed since, so that cargo has
/// nothing to do.
pub(crate) fn is_current(source: CrateSource) -> bool {
    let Ok(found) = find_workspace(&source.folder.join("Cargo.toml")) else {
        return false;
    };
    let (root, folder) = match source.bench {
        Some(bench) => bench_crate::locate_bench_crate(&found.root, source.folder, bench),
        None => (found.root, source.folder.to_owned()),
    };
    // Without the crate around a bench file, nothing was compiled.
    folder.exists()
        && prepare_target_folder(&root, source.cpu)
            .is_ok_and(|target| SourceLedger::read(&target).is_current(&folder))
}

/// Prepares a separate target folder, because orch's flags differ from those of the user's builds,
/// and the flags for each CPU differ from those for the others.
fn prepare_target_folder(root: &Path, cpu: &str) -> std::io::Result<PathBuf> {
    let folder = root.join("target").join("orch");
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        // Otherwise a project that does not ignore target/ would appear changed after a
        // measurement.
        std::fs::create_dir_all(&folder)?;
        std::fs::write(ignore, "*\n")?;
    }
    if cpu == "native" {
        return Ok(folder);
    }
    let folder = folder.join(format!("cpu-{cpu}"));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Lists all compiler flags of a plugin crate. docs/design/building-plugins.md gives the reasons.
pub(crate) fn list_flags(origin: PathOrigin, cpu: &str) -> Vec<String> {
    [list_code_flags(cpu), list_name_flags(origin)].concat()
}

/// Lists the flags that affect machine code. They are the same in every folder.
fn list_code_flags(cpu: &str) -> Vec<String> {
    vec![
        format!("-Ctarget-cpu={cpu}"),
        "-Cllvm-args=-align-all-functions=6".to_owned(),
        "-Cllvm-args=-align-loops=64".to_owned(),
    ]
}

/// Lists the flags that replace names of folders in libraries.
fn list_name_flags(origin: PathOrigin) -> Vec<String> {
    let mut flags = Vec::new();
    if let PathOrigin::Folder { source, plugin } = origin {
        flags.push(format!("--remap-path-prefix={}=.", source.display()));
        if !plugin.starts_with(source) {
            flags.push(format!("--remap-path-prefix={}=plugin", plugin.display()));
        }
    }
    flags
}

/// Queries the output of `rustc -vV`; `None` without a compiler.
pub(crate) fn query_rustc_version() -> Option<String> {
    let mut command = create_clean_command("rustc");
    command.arg("-vV");
    run_build(command, "rustc -vV", &mut BuildWatcher::silent(&mut |_| {}))
        .ok()
        .map(|text| text.trim().to_owned())
}

/// Queries a compiler for information about itself in a folder, and returns its output.
pub(crate) fn query_compiler(
    program: &str,
    arguments: &[&str],
    folder: &Path,
) -> Result<String, BuildError> {
    let mut command = create_clean_command(program);
    command.args(arguments).current_dir(folder);
    let name = format!("{program} {}", arguments.join(" "));
    run_build(command, &name, &mut BuildWatcher::silent(&mut |_| {}))
}

struct CargoWorkspace {
    root: PathBuf,
    lock_is_tracked: bool,
}

fn find_workspace(manifest: &Path) -> Result<CargoWorkspace, BuildError> {
    let mut command = create_clean_command("cargo");
    command
        .args([
            "locate-project",
            "--workspace",
            "--message-format=plain",
            "--manifest-path",
        ])
        .arg(manifest);
    let text = run_build(
        command,
        &format!("cargo locate-project for {}", manifest.display()),
        &mut BuildWatcher::silent(&mut |_| {}),
    )?;
    let root = Path::new(text.trim())
        .parent()
        .ok_or_else(|| {
            BuildError::Nothing(format!(
                "cargo named no workspace for {}",
                manifest.display()
            ))
        })?
        .to_owned();
    let lock_is_tracked = crate::git::is_tracked(&root.join("Cargo.lock"));
    Ok(CargoWorkspace {
        root,
        lock_is_tracked,
    })
}

/// Creates a command with the user's environment, except for the variables that `cargo run` or an
/// outer build adds.
pub(crate) fn create_clean_command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if is_added_by_cargo(&name) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn is_added_by_cargo(name: &OsString) -> bool {
    const EXACT: [&str; 13] = [
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MAKEFLAGS",
        "CARGO_INCREMENTAL",
        "MAKEFLAGS",
        "MFLAGS",
        "OUT_DIR",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "LD_LIBRARY_PATH",
    ];
    const BEGINNINGS: [&str; 6] = [
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_BIN_",
        "CARGO_BUILD_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
    ];
    let Some(name) = name.to_str() else {
        return false;
    };
    EXACT.contains(&name)
        || BEGINNINGS
            .iter()
            .any(|beginning| name.starts_with(beginning))
}

/// Observer of a build: receives its lines and may stop it.
pub(crate) struct BuildWatcher<'a> {
    pub(crate) show: &'a mut dyn FnMut(&str),
    pub(crate) stop: &'a dyn Fn() -> bool,
    /// File that holds the build's process group while it runs. The next orch reads it if this one
    /// is killed.
    pub(crate) note: Option<&'a Path>,
}

impl<'a> BuildWatcher<'a> {
    pub(super) fn silent(show: &'a mut dyn FnMut(&str)) -> Self {
        Self {
            show,
            stop: &|| false,
            note: None,
        }
    }
}

/// Output of a build.
enum OutputSource {
    Line(String),
    Text(Vec<u8>),
}

/// Runs a command to its end, passes its standard error on line by line, and returns its standard
/// output. Processes that the command leaves in the background keep its pipes open. The function
/// does not wait for them.
pub(super) fn run_build(
    mut command: Command,
    name: &str,
    watch: &mut BuildWatcher,
) -> Result<String, BuildError> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|source| BuildError::Start {
            command: name.to_owned(),
            source,
        })?;
    let _noted = watch
        .note
        .map(|place| BuildGroup::create(place, child.id()))
        .transpose()?;
    let (sender, output) = mpsc::channel();
    let stdout = child
        .stdout
        .take()
        .map(|pipe| read_text(pipe, sender.clone()));
    let stderr = child.stderr.take().map(|pipe| read_lines(pipe, sender));
    let mut gathered = GatheredOutput::default();
    let status = loop {
        gathered.take_output(output.recv_timeout(POLL).ok(), watch);
        if (watch.stop)() {
            // The whole group is killed, because it includes the compilers that cargo started.
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
    };
    // The readers end as soon as no other process holds the pipes.
    let patience = Instant::now() + PATIENCE;
    let all_read = || {
        [&stdout, &stderr]
            .into_iter()
            .flatten()
            .all(std::thread::JoinHandle::is_finished)
    };
    while !all_read() && Instant::now() < patience {
        gathered.take_output(output.recv_timeout(POLL).ok(), watch);
    }
    while let Ok(more) = output.try_recv() {
        gathered.take_output(Some(more), watch);
    }
    if !status.success() {
        let kept: Vec<String> = gathered.lines.into();
        return Err(BuildError::Failed {
            command: name.to_owned(),
            status,
            output: kept.join("\n"),
        });
    }
    Ok(String::from_utf8_lossy(&gathered.text).into_owned())
}

#[derive(Default)]
struct GatheredOutput {
    lines: VecDeque<String>,
    text: Vec<u8>,
}

impl GatheredOutput {
    fn take_output(&mut self, output: Option<OutputSource>, watch: &mut BuildWatcher) {
        match output {
            None => {}
            Some(OutputSource::Text(text)) => self.text.extend(text),
            Some(OutputSource::Line(line)) => {
                (watch.show)(&line);
                // Another cargo held the lock first. This line has nothing to do with a failure.
                if line
                    .trim_start()
                    .starts_with("Blocking waiting for file lock")
                {
                    return;
                }
                if self.lines.len() == KEPT_LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(line);
            }
        }
    }
}

fn read_lines(pipe: ChildStderr, to: mpsc::Sender<OutputSource>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let line = clean::remove_styles(&line).trim_end().to_owned();
            if to.send(OutputSource::Line(line)).is_err() {
                return;
            }
        }
    })
}

fn read_text(mut pipe: ChildStdout, to: mpsc::Sender<OutputSource>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if to
                .send(OutputSource::Text(buffer[..count].to_vec()))
                .is_err()
            {
                return;
            }
        }
    })
}

/// Finds the shared library of the crate of `manifest` in cargo's messages.
fn find_cdylib(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let manifest = manifest
        .canonicalize()
        .unwrap_or_else(|_| manifest.to_owned());
    let is_ours = |message: &serde_json::Value| {
        message["reason"] == "compiler-artifact"
            && message["manifest_path"]
                .as_str()
                .is_some_and(|path| Path::new(path) == manifest)
            && message["target"]["kind"]
                .as_array()
                .is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
    };
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(is_ours)
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|name| name.extension().is_some_and(|extension| extension == "so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_loses_cargo_variables_and_keeps_network_settings() {
        for name in [
            "CARGO",
            "CARGO_PKG_NAME",
            "RUSTFLAGS",
            "CARGO_BUILD_JOBS",
            "CARGO_TARGET_X_RUNNER",
            "OUT_DIR",
        ] {
            assert!(is_added_by_cargo(&name.into()), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "RUSTUP_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_HTTP_PROXY",
            "CARGO_REGISTRIES_X",
            "PATH",
        ] {
            assert!(!is_added_by_cargo(&name.into()), "{name}");
        }
    }

    #[test]
    fn library_is_found_in_cargo_messages() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/x/Cargo.toml","target":{"kind":["cdylib"]},"filenames":["/t/libx.so"]}"#;
        let other = line.replace("/x/", "/y/");
        let text = format!("not json\n{other}\n{line}\n");
        assert_eq!(
            find_cdylib(&text, Path::new("/x/Cargo.toml")),
            Some("/t/libx.so".into())
        );
        assert_eq!(find_cdylib(&other, Path::new("/x/Cargo.toml")), None);
    }
}
