//! Preparation of a plugin: from an entry under `plugins:` in a scenario to a library that is
//! built, inspected, cached and hashed.

use super::cargo::{BuildError, BuildWatcher, CrateSource, PathOrigin};
use super::command::{self, BuildCommand, CommandBuilt};
use super::{BuiltinPlugin, PluginSource, PluginSpec, SandboxSpec, cargo, elf, padding};
use crate::cache;
use crate::cache::artefact;
use crate::git::{self, GitState};
use crate::model::warning::BuildNote;
use orch_core::protocol::Phase;
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// A plugin whose library may be loaded.
#[derive(Debug, Clone)]
pub(crate) struct PreparedPlugin {
    /// Path of the library as the user wrote it.
    pub(crate) path: PathBuf,
    /// Library that workers load.
    pub(crate) library: PathBuf,
    pub(crate) hash: String,
    /// Part of orch that the plugin is; `None` for a library.
    pub(crate) builtin: Option<BuiltinPlugin>,
    pub(crate) flags: Vec<String>,
    pub(crate) cpu_features: Option<Vec<String>>,
    /// Allocation function of an allocator inside the library. Blocks of such an allocator are not
    /// counted.
    pub(crate) own_allocator: Option<String>,
    pub(crate) git: GitState,
    /// Commit from which the plugin was built; `None` for the working tree.
    pub(crate) at: Option<String>,
    /// Note for readers of the figures.
    pub(crate) note: Option<BuildNote>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) sandbox: SandboxSpec,
    /// Whether files that parameters name may be read: the parameters come from the user or from
    /// the plugin itself.
    pub(crate) named_are_open: bool,
    /// Schemas of parameters by workload, as far as the plugin has been described.
    pub(crate) params: HashMap<String, Value>,
    /// Working folder of the plugin's workers.
    pub(crate) folder: PathBuf,
}

/// Reason why the jobs of a plugin fail before they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginFailure {
    pub(crate) phase: Phase,
    pub(crate) message: String,
    pub(crate) cause: FailureCause,
}

/// What a plugin's failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureCause {
    /// This plugin; others may work.
    Plugin,
    /// The cache, without which no plugin can be built.
    Cache,
}

impl PluginFailure {
    pub(crate) fn new(phase: Phase, message: impl ToString) -> Self {
        Self {
            phase,
            message: message.to_string(),
            cause: FailureCause::Plugin,
        }
    }

    /// Returns the failure of a step that reads or writes files. `place` is the subject of the
    /// message unless the cache is.
    fn from_io(phase: Phase, place: &Path, error: &io::Error) -> Self {
        match cache::is_refusal(error) {
            true => Self::new(phase, error).with_cause(FailureCause::Cache),
            false => Self::new(phase, format!("{}: {error}", place.display())),
        }
    }

    fn from_build(error: &BuildError) -> Self {
        Self::new(Phase::Build, error).with_cause(FailureCause::of(error))
    }

    pub(super) fn with_cause(mut self, cause: FailureCause) -> Self {
        self.cause = cause;
        self
    }
}

impl FailureCause {
    pub(super) fn of(error: &BuildError) -> Self {
        match error {
            BuildError::Io(error) if cache::is_refusal(error) => Self::Cache,
            _ => Self::Plugin,
        }
    }
}

/// Builds a plugin if necessary, and inspects the library. A library that the user provides is
/// loaded from its place.
pub(crate) fn prepare_plugin(
    key: &str,
    spec: &PluginSpec,
    watch: &mut BuildWatcher,
) -> Result<PreparedPlugin, PluginFailure> {
    prepare_library(key, spec, spec.source.is_built(), None, watch)
}

/// Prepares a plugin like [`prepare_plugin`], but workers load orch's own copy, so that the paths
/// of both sides of a pair have the same length. Only a library that looks for others in its own
/// folder is loaded from its place.
pub(crate) fn prepare_kept_plugin(
    key: &str,
    spec: &PluginSpec,
    watch: &mut BuildWatcher,
) -> Result<PreparedPlugin, PluginFailure> {
    let movable = match &spec.source {
        PluginSource::File(path) => !elf::read_library(path)
            .is_ok_and(|bytes| elf::read_linked_libraries(&bytes).searches_own_folder()),
        _ => true,
    };
    prepare_library(key, spec, movable, None, watch)
}

/// Prepares a plugin like [`prepare_plugin`], with `bytes` of unused code before the crate's own
/// code. Other kinds of sources cannot be padded.
pub(crate) fn prepare_padded_plugin(
    key: &str,
    spec: &PluginSpec,
    bytes: usize,
    watch: &mut BuildWatcher,
) -> Result<PreparedPlugin, PluginFailure> {
    if !matches!(spec.source, PluginSource::Crate { .. }) {
        let message = format!(
            "plugin `{key}` is not a crate: orch does not link it, so it cannot move the plugin's \
             code"
        );
        return Err(PluginFailure::new(Phase::Build, message));
    }
    let linker = padding::write_linker(bytes).map_err(|error| PluginFailure::from_build(&error))?;
    prepare_library(key, spec, true, Some(&linker), watch)
}

/// Returns whether preparing a plugin of the working tree compiles nothing. For a command this is
/// unknown, and the result is false.
pub(crate) fn is_current(spec: &PluginSpec) -> bool {
    match &spec.source {
        PluginSource::Crate { folder, cpu, bench } => cargo::is_current(CrateSource {
            folder,
            bench: bench.as_deref(),
            cpu,
        }),
        PluginSource::Command { .. } => false,
        PluginSource::File(_) | PluginSource::Builtin { .. } => true,
    }
}

fn prepare_library(
    key: &str,
    spec: &PluginSpec,
    kept: bool,
    linker: Option<&Path>,
    watch: &mut BuildWatcher,
) -> Result<PreparedPlugin, PluginFailure> {
    // The state is read before the build, because the build may leave files behind.
    let git = git::read_state(&spec.source.folder());
    let build_failed = |error: BuildError| PluginFailure::from_build(&error);
    let mut note = None;
    let source_root = spec.overlay.as_deref().and_then(git::find_root);
    // The lock is held until the library has been copied.
    let (path, flags, _lock) = match &spec.source {
        PluginSource::Crate { folder, cpu, bench } => {
            let bench = bench.as_deref();
            let origin = match &source_root {
                Some(source) => PathOrigin::Folder {
                    source,
                    plugin: folder,
                },
                None => PathOrigin::Workspace,
            };
            let source = CrateSource { folder, bench, cpu };
            let built = cargo::build_crate(source, origin, linker, watch).map_err(build_failed)?;
            (built.library, built.flags, built.lock)
        }
        PluginSource::Command { folder, command } => {
            let refused = |error| build_failed(BuildError::Io(error));
            let out = locate_output(key, folder, command).map_err(refused)?;
            let include = cache::include_folder().map_err(refused)?;
            let root = source_root
                .or_else(|| git::find_root(folder))
                .unwrap_or_else(|| folder.clone());
            let order = BuildCommand {
                folder,
                source: &root,
                line: command,
                out: &out,
                include: &include,
            };
            let CommandBuilt {
                built, doubtful, ..
            } = command::build_with_command(&order, watch).map_err(build_failed)?;
            note = doubtful.map(|source| BuildNote::StaleObject { source });
            (built.library, built.flags, built.lock)
        }
        PluginSource::File(path) => (path.clone(), Vec::new(), None),
        PluginSource::Builtin { plugin, folder } => {
            return prepare_builtin(*plugin, folder, spec);
        }
    };
    let inspected = elf::inspect_library(&path)
        .map_err(|error| PluginFailure::new(Phase::Load, format!("{}: {error}", path.display())))?;
    let unreadable = |error: io::Error| PluginFailure::from_io(Phase::Load, &path, &error);
    let hash = crate::hash::file(&path).map_err(unreadable)?;
    let library = if kept {
        let kept = artefact::keep(&path, &hash).map_err(unreadable)?;
        if let Some(damaged) = kept.replaced {
            (watch.show)(&format!("{damaged}; it was replaced"));
        }
        kept.path
    } else {
        path.clone()
    };
    let sandbox = spec.sandbox.clone().resolve_paths().with_linked(&library);
    let sandbox = if kept {
        sandbox
    } else {
        sandbox.with_those_beside(&library)
    };
    Ok(PreparedPlugin {
        library: std::path::absolute(library).map_err(unreadable)?,
        path,
        hash,
        builtin: None,
        flags,
        cpu_features: inspected.cpu_features,
        own_allocator: inspected.own_allocator,
        git,
        at: None,
        note,
        env: spec.env.clone(),
        sandbox,
        named_are_open: true,
        params: HashMap::new(),
        folder: spec.folder.clone(),
    })
}

/// Prepares a plugin that is part of orch. Workers, which are processes of orch, take its path for
/// this plugin.
fn prepare_builtin(
    plugin: BuiltinPlugin,
    folder: &Path,
    spec: &PluginSpec,
) -> Result<PreparedPlugin, PluginFailure> {
    let refused = |error: io::Error| PluginFailure::new(Phase::Load, format!("orch: {error}"));
    let program = std::env::current_exe().map_err(refused)?;
    Ok(PreparedPlugin {
        path: PathBuf::from(plugin.name()),
        hash: crate::hash::file(&program).map_err(refused)?,
        library: program,
        builtin: Some(plugin),
        flags: Vec::new(),
        cpu_features: None,
        own_allocator: None,
        git: git::read_state(folder),
        at: None,
        note: None,
        env: spec.env.clone(),
        sandbox: spec.sandbox.clone().resolve_paths(),
        named_are_open: true,
        params: HashMap::new(),
        folder: spec.folder.clone(),
    })
}

/// Returns a separate output file for each build command, so that two scenarios never write the
/// same file.
fn locate_output(key: &str, folder: &Path, command: &str) -> io::Result<PathBuf> {
    let identity = crate::hash::text(&format!("{key}\0{}\0{command}", folder.display()));
    Ok(cache::subfolder("commands")?.join(format!("{}.so", &identity[..32])))
}
