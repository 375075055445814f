//! The verb behind `orch doctor --calibrate` and `--rebuilds`: measures how reliable verdicts are
//! on this machine, and stores the result.

pub(crate) mod noise;
pub(crate) mod rebuilds;

use crate::error::CommandError;
use crate::plugin::PluginSpec;
use crate::plugin::build::PreparedPlugin;
use crate::project::{LoadedScenario, PluginSet};
use crate::scenario::Job;
use std::path::PathBuf;

/// Request for a calibration of either kind.
#[derive(Debug, Clone)]
pub(crate) struct CalibrateRequest {
    pub(crate) scenario: Option<PathBuf>,
    pub(crate) filter: Option<String>,
    pub(crate) seed: Option<u64>,
}

fn find_spec<'a>(loaded: &'a LoadedScenario, job: &Job) -> Option<&'a PluginSpec> {
    loaded
        .scenario
        .plugins
        .iter()
        .find(|(key, _)| *key == job.plugin)
        .map(|(_, spec)| spec)
}

fn find_built<'a>(plugins: &'a PluginSet, key: &str) -> Result<&'a PreparedPlugin, CommandError> {
    match plugins.prepared.get(key) {
        Some(Ok(prepared)) => Ok(prepared),
        Some(Err(failure)) => Err(CommandError::input(format!(
            "plugin {key}: {}",
            failure.message
        ))),
        None => Err(CommandError::input(format!("plugin {key} was not built"))),
    }
}
