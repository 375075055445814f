//! Building plugins: cargo and `build:` commands with `orch`'s own flags, in a cleaned environment.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Lines of a failing build's output that the record keeps.
const KEPT_LINES: usize = 60;

/// A build that did not give a library.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("`{command}` could not be started: {source}")]
    Start { command: String, source: std::io::Error },
    #[error("`{command}` failed ({status})\n{output}")]
    Failed { command: String, status: std::process::ExitStatus, output: String },
    #[error("{0}")]
    Nothing(String),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A library that was built, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) library: PathBuf,
    /// Flags as the compiler got them, for the record.
    pub(crate) flags: Vec<String>,
}

/// Builds a plugin crate in release mode; each line of cargo's output goes to `show` as it comes.
pub(crate) fn build_crate(folder: &Path, cpu: &str, show: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    let manifest = folder.join("Cargo.toml");
    let workspace = workspace_of(&manifest)?;
    let flags = flags(&workspace.root, cpu);
    let mut command = clean("cargo");
    command
        .args(["build", "--release", "--lib", "--message-format=json-render-diagnostics", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(target_folder(&workspace.root, cpu))
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .current_dir(folder);
    if workspace.lock_is_tracked {
        command.arg("--locked");
    }
    let messages = run(command, &format!("cargo build --release in {}", folder.display()), show)?;
    let library = cdylib(&messages, &manifest).ok_or_else(|| {
        BuildError::Nothing(format!(
            "{}: the crate builds but gives no shared library; add `[lib] crate-type = [\"cdylib\"]`",
            manifest.display()
        ))
    })?;
    Ok(Built { library, flags })
}

/// A target folder of our own: our flags differ from the user's builds, and each CPU's from the others'.
fn target_folder(root: &Path, cpu: &str) -> PathBuf {
    let folder = root.join("target").join("orch");
    if cpu == "native" { folder } else { folder.join(format!("cpu-{cpu}")) }
}

/// Runs a `build:` command through the shell; it writes the library to `$ORCH_OUT`.
pub(crate) fn build_command(
    folder: &Path,
    command_line: &str,
    out: &Path,
    include: &Path,
    show: &mut dyn FnMut(&str),
) -> Result<Built, BuildError> {
    // What an earlier build left must not pass for this one's.
    match std::fs::remove_file(out) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut command = clean("sh");
    command.args(["-c", command_line]).env("ORCH_OUT", out).env("ORCH_INCLUDE", include).current_dir(folder);
    run(command, &format!("build command in {}", folder.display()), show)?;
    if !out.is_file() {
        return Err(BuildError::Nothing(format!(
            "the build command succeeded but wrote no file to \"$ORCH_OUT\": {command_line}"
        )));
    }
    Ok(Built { library: out.to_owned(), flags: vec![command_line.to_owned()] })
}

/// The compiler flags of every plugin crate. The reasons are in docs/ARCHITECTURE.md, "Building plugins".
fn flags(root: &Path, cpu: &str) -> Vec<String> {
    vec![
        format!("-Ctarget-cpu={cpu}"),
        "-Cllvm-args=-align-all-functions=6".to_owned(),
        "-Cllvm-args=-align-loops=64".to_owned(),
        format!("--remap-path-prefix={}=.", root.display()),
    ]
}

/// `rustc -vV`, or nothing where there is no compiler.
pub(crate) fn rustc_version() -> Option<String> {
    let mut command = clean("rustc");
    command.arg("-vV");
    run(command, "rustc -vV", &mut |_| {}).ok().map(|text| text.trim().to_owned())
}

struct Workspace {
    root: PathBuf,
    lock_is_tracked: bool,
}

fn workspace_of(manifest: &Path) -> Result<Workspace, BuildError> {
    let mut command = clean("cargo");
    command.args(["locate-project", "--workspace", "--message-format=plain", "--manifest-path"]).arg(manifest);
    let text = run(command, &format!("cargo locate-project for {}", manifest.display()), &mut |_| {})?;
    let root = Path::new(text.trim())
        .parent()
        .ok_or_else(|| BuildError::Nothing(format!("cargo named no workspace for {}", manifest.display())))?
        .to_owned();
    let lock_is_tracked = crate::git::is_tracked(&root.join("Cargo.lock"));
    Ok(Workspace { root, lock_is_tracked })
}

/// A command whose environment is the user's without what `cargo run` or an outer build leaks into it.
pub(crate) fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if leaks(&name) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn leaks(name: &OsString) -> bool {
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
    const BEGINNINGS: [&str; 6] =
        ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_"];
    let Some(name) = name.to_str() else { return false };
    EXACT.contains(&name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// Runs to the end, showing standard error line by line; returns standard output.
fn run(mut command: Command, name: &str, show: &mut dyn FnMut(&str)) -> Result<String, BuildError> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| BuildError::Start { command: name.to_owned(), source })?;
    let mut stdout = child.stdout.take();
    // Standard output is read beside, or a full pipe would stop the build.
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        stdout.as_mut().map_or(Ok(0), |stdout| stdout.read_to_end(&mut text)).map(|_| text)
    });
    let mut kept = std::collections::VecDeque::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            show(&line);
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }
    let status = child.wait()?;
    let text = reader.join().map_err(|_| BuildError::Nothing("the output's reader panicked".to_owned()))??;
    if !status.success() {
        let output: Vec<String> = kept.into();
        return Err(BuildError::Failed { command: name.to_owned(), status, output: output.join("\n") });
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The shared library that cargo's messages name for the crate of `manifest`.
fn cdylib(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let manifest = manifest.canonicalize().unwrap_or_else(|_| manifest.to_owned());
    let is_ours = |message: &serde_json::Value| {
        message["reason"] == "compiler-artifact"
            && message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest)
            && message["target"]["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
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
    fn an_outer_cargo_leaves_no_trace_but_the_users_network_settings_stay() {
        for name in ["CARGO", "CARGO_PKG_NAME", "RUSTFLAGS", "CARGO_BUILD_JOBS", "CARGO_TARGET_X_RUNNER", "OUT_DIR"] {
            assert!(leaks(&name.into()), "{name}");
        }
        for name in ["CARGO_HOME", "RUSTUP_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY", "CARGO_REGISTRIES_X", "PATH"]
        {
            assert!(!leaks(&name.into()), "{name}");
        }
    }

    #[test]
    fn the_library_is_found_among_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/x/Cargo.toml","target":{"kind":["cdylib"]},"filenames":["/t/libx.so"]}"#;
        let other = line.replace("/x/", "/y/");
        let text = format!("not json\n{other}\n{line}\n");
        assert_eq!(cdylib(&text, Path::new("/x/Cargo.toml")), Some("/t/libx.so".into()));
        assert_eq!(cdylib(&other, Path::new("/x/Cargo.toml")), None);
    }
}
