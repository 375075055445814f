//! Where a plugin comes from, as a scenario says.

use super::elf;
use crate::worker::sandbox;
use std::path::{Path, PathBuf};

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginSpec {
    pub(crate) source: PluginSource,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) sandbox: SandboxSpec,
    /// A folder of the repository whose commits the plugin is laid over as it is now; none where
    /// the commits hold the plugin.
    pub(crate) overlay: Option<PathBuf>,
    /// Where its workers run, so that relative paths in parameters begin there: the project's root.
    pub(crate) folder: PathBuf,
}

/// What a plugin's worker processes may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SandboxSpec {
    /// Everything that whoever started orch may do.
    Off,
    /// Read what every program needs and what is named, write what is named.
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
    /// A crate that orch builds for a target-cpu.
    Crate { folder: PathBuf, cpu: String },
    /// A shell command run in a folder.
    Command { folder: PathBuf, command: String },
    /// A library as it is.
    File(PathBuf),
}

impl SandboxSpec {
    /// What a record says of it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Off => "off".to_owned(),
            Self::On { .. } => sandbox::offered().words(),
        }
    }

    /// What it does not keep the plugin from on this machine though it should.
    pub(crate) fn missing_protections(&self) -> Vec<&'static str> {
        match self {
            Self::Off => Vec::new(),
            Self::On { .. } => sandbox::offered().missing(),
        }
    }

    /// The same, with what may be written as it is before any worker could put a link there. A
    /// folder inside of another is left out, for it can be written to as part of that one, and a
    /// worker could put a link in its place.
    pub(super) fn resolved(mut self) -> Self {
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
            // What lies inside of a folder comes right after it.
            real.dedup_by(|path, outer| path.starts_with(outer));
            *write = real;
        }
        self
    }

    /// The same, with the libraries that the plugin's file is linked to by a search path of its
    /// own.
    pub(super) fn with_linked(mut self, library: &Path) -> Self {
        if let Self::On { read, .. } = &mut self {
            read.append(&mut elf::find_linked(library));
        }
        self
    }

    /// The same, with the libraries in the folder of one that is loaded where it lies: it may look
    /// for others there.
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
    /// The folder whose repository the plugin belongs to.
    pub(crate) fn folder(&self) -> PathBuf {
        match self {
            Self::Crate { folder, .. } | Self::Command { folder, .. } => folder.clone(),
            Self::File(path) => path
                .parent()
                .map_or_else(|| PathBuf::from("."), PathBuf::from),
        }
    }
}
