//! The source and the permissions of a plugin, as the scenario states them.

use super::elf;
use orch_core::worker::sandbox;
use std::path::{Path, PathBuf};

/// Source, environment and permissions of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginSpec {
    pub(crate) source: PluginSource,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) sandbox: SandboxSpec,
    /// Folder of the repository over whose commits the plugin is laid in its present state; `None`
    /// if the commits contain the plugin.
    pub(crate) overlay: Option<PathBuf>,
    /// Working folder of the plugin's workers, where relative paths in parameters begin: the
    /// project's root, or for a bench file its package, as with `cargo bench`.
    pub(crate) folder: PathBuf,
}

impl PluginSpec {
    /// Gives the workers of a bench file what `cargo bench` gives them: they begin in the package's
    /// folder, know its place, and may read it.
    pub(crate) fn with_package(mut self) -> Self {
        let PluginSource::Crate {
            folder,
            bench: Some(_),
            ..
        } = &self.source
        else {
            return self;
        };
        self.folder.clone_from(folder);
        let variable = "CARGO_MANIFEST_DIR";
        if self.env.iter().all(|(name, _)| name != variable) {
            self.env
                .push((variable.to_owned(), folder.display().to_string()));
        }
        if let SandboxSpec::On { read, .. } = &mut self.sandbox {
            read.push(folder.clone());
        }
        self
    }
}

/// Permissions of a plugin's worker processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SandboxSpec {
    /// All permissions of the user who started orch.
    Off,
    /// Permission to read what every program needs and the paths in `read`, and to write the paths
    /// in `write`.
    On {
        read: Vec<PathBuf>,
        write: Vec<PathBuf>,
    },
}

impl Default for SandboxSpec {
    fn default() -> Self {
        Self::On {
            read: Vec::new(),
            write: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PluginSource {
    /// A crate, built by orch for a target-cpu; or with `bench`, a file relative to the folder, a
    /// bench file for criterion, around which orch writes a crate.
    Crate {
        folder: PathBuf,
        cpu: String,
        bench: Option<PathBuf>,
    },
    /// A shell command run in a folder.
    Command { folder: PathBuf, command: String },
    /// A finished library.
    File(PathBuf),
    /// A plugin that is part of orch; its workers begin in this folder.
    Builtin {
        plugin: BuiltinPlugin,
        folder: PathBuf,
    },
}

/// Plugins that are part of orch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuiltinPlugin {
    /// Runs whole programs.
    Command,
}

impl BuiltinPlugin {
    /// Returns the name in scenarios.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
        }
    }
}

impl SandboxSpec {
    /// Returns the text for the record.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Off => "off".to_owned(),
            Self::On { .. } => sandbox::read_support().describe(),
        }
    }

    /// Lists the protections that the sandbox should provide but cannot provide on this machine.
    pub(crate) fn missing_protections(&self) -> Vec<&'static str> {
        match self {
            Self::Off => Vec::new(),
            Self::On { .. } => sandbox::read_support().missing_protections(),
        }
    }

    /// Resolves the writable paths before any worker can put a link there. A folder inside another
    /// one is left out: it is writable as part of the outer folder, and a worker could replace it
    /// by a link.
    pub(super) fn resolve_paths(mut self) -> Self {
        if let Self::On { write, .. } = &mut self {
            let all = std::mem::take(write);
            let inside = |path: &PathBuf| {
                all.iter()
                    .any(|other| other != path && path.starts_with(other))
            };
            let mut real: Vec<PathBuf> = all
                .iter()
                .filter(|path| !inside(path))
                .filter_map(|path| path.canonicalize().ok())
                .collect();
            real.sort();
            // In sorted order, the contents of a folder come right after it.
            real.dedup_by(|path, outer| path.starts_with(outer));
            *write = real;
        }
        self
    }

    /// Adds the libraries that the plugin's file is linked to through its own search path.
    pub(super) fn with_linked(mut self, library: &Path) -> Self {
        if let Self::On { read, .. } = &mut self {
            read.append(&mut elf::find_linked(library));
        }
        self
    }

    /// Adds the libraries in the folder of a library that is loaded from its place, because it may
    /// search for others there.
    pub(super) fn with_those_beside(mut self, library: &Path) -> Self {
        if let Self::On { read, .. } = &mut self {
            let beside = library
                .parent()
                .and_then(|folder| std::fs::read_dir(folder).ok());
            let is_library = |path: &PathBuf| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.ends_with(".so") || name.contains(".so."))
                    && path.is_file()
            };
            let mut found: Vec<PathBuf> = beside
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(is_library)
                .collect();
            found.sort();
            read.append(&mut found);
        }
        self
    }
}

impl PluginSource {
    /// Returns whether orch builds the plugin.
    pub(crate) fn is_built(&self) -> bool {
        matches!(self, Self::Crate { .. } | Self::Command { .. })
    }

    /// Returns the folder whose repository the plugin belongs to.
    pub(crate) fn folder(&self) -> PathBuf {
        match self {
            Self::Crate { folder, .. }
            | Self::Command { folder, .. }
            | Self::Builtin { folder, .. } => folder.clone(),
            Self::File(path) => path
                .parent()
                .map_or_else(|| PathBuf::from("."), PathBuf::from),
        }
    }
}
