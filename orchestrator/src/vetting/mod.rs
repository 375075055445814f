//! Faults of a plugin, judged from its file, its document and its workers' results. The code is
//! pure.

pub(crate) mod behaviour;
pub(crate) mod document;
pub(crate) mod trials;
mod warning_grade;

use crate::plugin::elf::LibraryFacts;
use orch_sdk::abi;
use serde::Serialize;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FindingLevel {
    /// The plugin, or figures made with it, are wrong.
    Error,
    /// Figures may mislead, or a user's mistake would stay unnoticed.
    Warning,
    /// For information.
    Note,
}

impl FindingLevel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A finding about a plugin for its author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PluginFinding {
    pub(crate) level: FindingLevel,
    /// The part of the plugin, or a workload with its parameters.
    pub(crate) place: String,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl PluginFinding {
    pub(crate) fn new(
        level: FindingLevel,
        place: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            level,
            place: place.into(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// Judges the plugin symbol and the symbols around it.
pub(crate) fn judge_file(inspected: &LibraryFacts) -> Vec<PluginFinding> {
    let mut found = Vec::new();
    let place = "file";
    let known = size_of::<abi::Plugin>() as u32;
    if inspected.struct_size < known {
        found.push(PluginFinding::new(
            FindingLevel::Warning,
            place,
            format!(
                "struct_size is {}, but the struct of version 1.0 has {known} bytes: fields \
                 beyond struct_size do not exist",
                inspected.struct_size
            ),
            "begin the struct with ORCH_PLUGIN_INIT, which fills it in",
        ));
    }
    if inspected.flags != 0 {
        found.push(PluginFinding::new(
            FindingLevel::Warning,
            place,
            format!("flags is {:#x}, but no flags are defined", inspected.flags),
            "set it to 0; a later version may give these bits a meaning",
        ));
    }
    if inspected.abi_minor > abi::ABI_MINOR {
        found.push(PluginFinding::new(
            FindingLevel::Note,
            place,
            format!(
                "built for plugin ABI {}.{}; this version of orch supports {}.{} and ignores \
                 newer parts",
                inspected.abi_major,
                inspected.abi_minor,
                abi::ABI_MAJOR,
                abi::ABI_MINOR
            ),
            "check it with the newer version of orch too",
        ));
    }
    if inspected.cpu_features.is_none() {
        found.push(PluginFinding::new(
            FindingLevel::Warning,
            place,
            "the plugin does not declare the CPU features that it was compiled for: on another \
             machine it may die of SIGILL"
                .to_owned(),
            "write ORCH_DECLARE_CPU_FEATURES once, in a file compiled with the flags of the hot \
             code",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_this_version_has_no_findings() {
        let whole = LibraryFacts {
            abi_major: 1,
            abi_minor: 0,
            struct_size: size_of::<abi::Plugin>() as u32,
            flags: 0,
            cpu_features: Some(Vec::new()),
            own_allocator: None,
        };
        assert_eq!(judge_file(&whole), []);
        let other = LibraryFacts {
            abi_minor: 3,
            struct_size: 64,
            flags: 2,
            cpu_features: None,
            ..whole
        };
        let levels: Vec<FindingLevel> = judge_file(&other)
            .into_iter()
            .map(|finding| finding.level)
            .collect();
        assert_eq!(
            levels,
            [
                FindingLevel::Warning,
                FindingLevel::Warning,
                FindingLevel::Note,
                FindingLevel::Warning
            ]
        );
    }
}
