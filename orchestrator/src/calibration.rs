//! What was measured of this machine and kept for later verdicts: build effects, by workload.

use crate::cache;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The machine's calibration, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    /// By crate folder, workload, parameters and threads.
    build_effects: BTreeMap<String, BuildEffect>,
}

/// How much builds of the same code differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BuildEffect {
    /// Standard deviation over builds, relative.
    pub(crate) tau: f64,
    /// The largest difference (relative) that a rebuild had.
    pub(crate) largest: f64,
    pub(crate) rebuilds: usize,
    /// When it was measured, UTC.
    pub(crate) measured: String,
}

/// What a build effect belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The plugin's crate: other crates have other layouts.
    pub(crate) folder: &'a Path,
    pub(crate) workload: &'a str,
    /// The parameters as JSON.
    pub(crate) params: &'a str,
    pub(crate) threads: usize,
}

impl Subject<'_> {
    fn key(&self) -> String {
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.to_owned());
        format!("{} {} {} threads {}", folder.display(), self.workload, self.params, self.threads)
    }
}

impl Calibration {
    /// What is kept of a machine of this class; nothing where nothing was measured, or what is there cannot be read.
    pub(crate) fn load(machine: &Machine) -> Self {
        let read = || serde_json::from_slice(&std::fs::read(file(machine).ok()?).ok()?).ok();
        read().unwrap_or_default()
    }

    pub(crate) fn build_effect(&self, subject: Subject) -> Option<&BuildEffect> {
        self.build_effects.get(&subject.key())
    }

    pub(crate) fn set_build_effect(&mut self, subject: Subject, effect: BuildEffect) {
        self.build_effects.insert(subject.key(), effect);
    }

    pub(crate) fn store(&self, machine: &Machine) -> io::Result<PathBuf> {
        let path = file(machine)?;
        // Written beside: a reader finds the old file or the new one.
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&beside, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(&beside, &path)?;
        Ok(path)
    }
}

fn file(machine: &Machine) -> io::Result<PathBuf> {
    Ok(cache::subfolder("calibration")?.join(format!("{}.json", &crate::hash::text(&machine.class)[..16])))
}
