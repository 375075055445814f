//! Builds of plugins with a command of the user: `build:` beside `dir:`.

use super::build_lock::BuildLock;
use super::cargo::{BuildError, BuildWatcher, BuiltLibrary, create_clean_command, run_build};
use super::freshness::{SourceState, list_files, read_clock_ns};
use super::manifest::{self, normalise_path};
use crate::file;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A build command and its folders.
pub(super) struct BuildCommand<'a> {
    /// The plugin's folder.
    pub(super) folder: &'a Path,
    /// Root of the code under test: of the plugin's own repository, or of the repository that an
    /// overlay is laid over.
    pub(super) source: &'a Path,
    pub(super) line: &'a str,
    /// The library to write.
    pub(super) out: &'a Path,
    /// Folder of `orch_plugin.h`.
    pub(super) include: &'a Path,
}

/// A library that a command built.
pub(super) struct CommandBuilt {
    pub(super) built: BuiltLibrary,
    /// Known sources of the library outside the code under test, with hashes of their contents.
    pub(super) outside: BTreeMap<PathBuf, String>,
    /// A source because of which the library may not correspond to the present sources; `None`
    /// without such a doubt.
    pub(super) doubtful: Option<PathBuf>,
}

/// Formats the flags for C and C++ compilers: the alignment that keeps unchanged code in place, and
/// paths that are the same in every folder. docs/design/building-plugins.md gives the reasons.
///
/// A command splits the variable at blanks, so a folder with blanks in its path gets no flag.
pub(super) fn format_compiler_flags(source: &Path, folder: &Path) -> String {
    let mut flags = "-falign-functions=64 -falign-loops=64".to_owned();
    let mut map = |path: &Path, to: &str| {
        let path = path.display().to_string();
        if !path.contains(|c: char| c.is_whitespace() || "'\"*?[\\".contains(c)) {
            flags.push_str(&format!(" -ffile-prefix-map={path}={to}"));
        }
    };
    map(source, ".");
    if !folder.starts_with(source) {
        map(folder, "plugin");
    }
    flags
}

/// Runs the command through the shell. The command writes the library to `$ORCH_OUT`.
pub(super) fn build_with_command(
    command: &BuildCommand,
    watch: &mut BuildWatcher,
) -> Result<CommandBuilt, BuildError> {
    let lock = BuildLock::take(&locate_lock(command), watch)?;
    // Files of an earlier build must not be taken for those of this build.
    for file in [
        command.out.to_owned(),
        locate_dependencies_file(command.out),
    ] {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let ledger = FolderLedger::read(command.out);
    let doubt = ledger.find_doubt(command.folder);
    let before = ledger.read_states(command.folder);
    let mut named = find_named_outside(command);
    let mut shell = create_clean_command("sh");
    shell
        .args(["-c", command.line])
        .env("ORCH_OUT", command.out)
        .env("ORCH_INCLUDE", command.include)
        .env("ORCH_SOURCE", command.source)
        .env(
            "ORCH_CFLAGS",
            format_compiler_flags(command.source, command.folder),
        )
        // gcc appends the names of the sources that it reads to this file.
        .env("DEPENDENCIES_OUTPUT", locate_dependencies_file(command.out))
        .current_dir(command.folder);
    if doubt.is_some() {
        // With this flag, make rebuilds everything.
        shell.env("MAKEFLAGS", "B");
    }
    run_build(
        shell,
        &format!("build command in {}", command.folder.display()),
        watch,
    )?;
    if !command.out.is_file() {
        return Err(BuildError::Nothing(format!(
            "the build command succeeded but wrote no file to \"$ORCH_OUT\": {}",
            command.line
        )));
    }
    ledger.record(before)?;
    let built = BuiltLibrary {
        library: command.out.to_owned(),
        lock: Some(lock),
        flags: vec![command.line.to_owned()],
    };
    let doubtful = doubt.and_then(|doubt| match doubt {
        StaleObjectDoubt::Source(path) => Some(path),
        StaleObjectDoubt::FirstBuild => None,
    });
    // Files that the command wrote, such as a log, are no sources.
    named.retain(|path, content| read_content(path) == *content);
    let read = find_read_outside(command)
        .into_iter()
        .map(|path| (path.clone(), read_content(&path)));
    Ok(CommandBuilt {
        built,
        outside: named.into_iter().chain(read).collect(),
        doubtful,
    })
}

/// Returns the path of the lock for builds in the command's folder. Commands for several plugins
/// may write the same files there.
fn locate_lock(command: &BuildCommand) -> PathBuf {
    let identity = crate::hash::text(&command.folder.display().to_string());
    command
        .out
        .with_file_name(format!("{}.lock", &identity[..32]))
}

fn locate_dependencies_file(out: &Path) -> PathBuf {
    out.with_extension("dependencies")
}

/// Finds the sources outside the code under test and the plugin that gcc has read according to its
/// report.
fn find_read_outside(command: &BuildCommand) -> BTreeSet<PathBuf> {
    let listed = locate_dependencies_file(command.out);
    let listed = file::read_text(&listed, file::MOST_RESULT_BYTES).unwrap_or_default();
    let words = listed
        .split_whitespace()
        .filter(|word| !word.ends_with(':') && *word != "\\");
    // make may have run the compiler in a subfolder.
    let mut folders: BTreeSet<PathBuf> = list_files(command.folder)
        .iter()
        .filter_map(|file| file.parent().map(Path::to_owned))
        .collect();
    folders.insert(command.folder.to_owned());
    let mut found = BTreeSet::new();
    for word in words
        .filter(|word| word.contains('/'))
        .collect::<BTreeSet<_>>()
    {
        let below = if Path::new(word).is_absolute() {
            1
        } else {
            folders.len()
        };
        found.extend(
            folders
                .iter()
                .take(below)
                .filter_map(|folder| find_outside_path(command, folder, word)),
        );
    }
    found
}

/// Finds the files outside the code under test and the plugin that the command names, with hashes
/// of their contents.
fn find_named_outside(command: &BuildCommand) -> BTreeMap<PathBuf, String> {
    let words = command
        .line
        .split(|c: char| c.is_whitespace() || "\"'=;&|()<>".contains(c));
    let words = words.map(|word| {
        ["-I", "-L", "@"]
            .iter()
            .find_map(|flag| word.strip_prefix(flag))
            .unwrap_or(word)
    });
    let named = words
        .filter(|word| word.contains('/'))
        .filter_map(|word| find_outside_path(command, command.folder, word));
    named
        .map(|path| (path.clone(), read_content(&path)))
        .collect()
}

/// Finds the path that a word denotes in a folder, if it exists and belongs neither to the code
/// under test, nor to the plugin, nor to the system.
fn find_outside_path(command: &BuildCommand, folder: &Path, word: &str) -> Option<PathBuf> {
    let path = normalise_path(&folder.join(word));
    let own = path.starts_with(command.source)
        || path.starts_with(command.folder)
        || path == command.out
        || path.starts_with(command.include);
    (!own && !is_system_path(&path) && path.exists()).then_some(path)
}

/// Computes a hash of a file or of everything in a folder; empty if it cannot be read.
pub(super) fn read_content(path: &Path) -> String {
    match path.is_dir() {
        true => manifest::hash_content(path).unwrap_or_default(),
        false => crate::hash::file(path).unwrap_or_default(),
    }
}

/// Returns whether a path belongs to the system, whose compilers and headers are identified by
/// their versions.
fn is_system_path(path: &Path) -> bool {
    const FOLDERS: [&str; 11] = [
        "/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt", "/nix", "/gnu", "/etc", "/proc", "/dev",
    ];
    path.parent().is_none() || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// Reason why a build tool that relies on time stamps may have kept an outdated object.
enum StaleObjectDoubt {
    /// No earlier build is recorded, so unknown objects may be present.
    FirstBuild,
    /// This source has new content and an old time.
    Source(PathBuf),
}

/// Files of a plugin's folder at the time of the last build.
#[derive(Debug, Default, Serialize, Deserialize)]
struct FolderFiles {
    finished_ns: i128,
    files: BTreeMap<PathBuf, SourceState>,
}

struct FolderLedger {
    path: PathBuf,
    known: Option<FolderFiles>,
}

impl FolderLedger {
    fn read(out: &Path) -> Self {
        let path = out.with_extension("sources.json");
        let known = file::read_bytes(&path, file::MOST_RESULT_BYTES)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        Self { path, known }
    }

    fn find_doubt(&self, folder: &Path) -> Option<StaleObjectDoubt> {
        let Some(known) = &self.known else {
            return Some(StaleObjectDoubt::FirstBuild);
        };
        let stale = known.files.iter().find(|(path, state)| {
            path.starts_with(folder) && state.is_stale(path, known.finished_ns)
        });
        stale.map(|(path, _)| StaleObjectDoubt::Source(path.clone()))
    }

    /// Reads the state of all files of a folder.
    fn read_states(&self, folder: &Path) -> BTreeMap<PathBuf, SourceState> {
        let known = self.known.as_ref().map(|known| &known.files);
        let states = list_files(folder).into_iter().filter_map(|path| {
            let state = SourceState::reread(&path, known.and_then(|known| known.get(&path)))?;
            Some((path, state))
        });
        states.collect()
    }

    /// Stores the files that were present before a build. Files that the build wrote are no
    /// sources.
    fn record(&self, mut before: BTreeMap<PathBuf, SourceState>) -> std::io::Result<()> {
        before.retain(|path, state| state.is_untouched(path));
        let known = FolderFiles {
            finished_ns: read_clock_ns(),
            files: before,
        };
        file::write_whole(&self.path, &serde_json::to_vec(&known)?)
    }
}
