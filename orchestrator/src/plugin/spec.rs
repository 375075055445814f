//! Where a plugin comes from, as a scenario says.

use std::path::PathBuf;

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginSpec {
    pub(crate) source: PluginSource,
    pub(crate) env: Vec<(String, String)>,
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

impl PluginSource {
    /// The folder whose repository the plugin belongs to.
    pub(crate) fn folder(&self) -> PathBuf {
        match self {
            Self::Crate { folder, .. } | Self::Command { folder, .. } => folder.clone(),
            Self::File(path) => path.parent().map_or_else(|| PathBuf::from("."), PathBuf::from),
        }
    }
}
