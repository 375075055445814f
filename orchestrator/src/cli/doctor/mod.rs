//! `orch doctor`: what is wrong with this machine for measuring, or, with arguments, how well it
//! measures.

mod calibrate;
mod findings;
mod rebuilds;
mod table;

use super::Outcome;
use super::args::DoctorOptions;
use super::exit::Exit;
use crate::error::CommandError;
use crate::plugin::PluginSpec;
use crate::plugin::build::PreparedPlugin;
use crate::project::{LoadedScenario, PluginSet};
use crate::scenario::Job;

/// Looks at the machine, or measures it: build effects first, for the margins hang on them.
pub(super) fn doctor(options: &DoctorOptions) -> Outcome {
    let measures = options.rebuilds.is_some() || options.calibrate;
    if !measures
        && (options.scenario.is_some() || options.filter.is_some() || options.seed.is_some())
    {
        return Err(CommandError::input(
            "--scenario, --filter and --seed say what is measured, and how",
        )
        .with_hint("with --calibrate or --rebuilds N"));
    }
    if !measures {
        return findings::findings(options);
    }
    if options.comparisons == Some(0) {
        return Err(CommandError::input("--comparisons has to be more than 0"));
    }
    let first = match options.rebuilds {
        Some(count) => rebuilds::rebuilds(options, count)?,
        None => Exit::Fine,
    };
    if !options.calibrate {
        return Ok(first);
    }
    let second = calibrate::calibrate(options)?;
    Ok(if second == Exit::Fine { first } else { second })
}

fn spec<'a>(loaded: &'a LoadedScenario, job: &Job) -> Option<&'a PluginSpec> {
    loaded
        .scenario
        .plugins
        .iter()
        .find(|(key, _)| *key == job.plugin)
        .map(|(_, spec)| spec)
}

fn built<'a>(plugins: &'a PluginSet, key: &str) -> Result<&'a PreparedPlugin, CommandError> {
    match plugins.prepared.get(key) {
        Some(Ok(prepared)) => Ok(prepared),
        Some(Err(failure)) => Err(CommandError::input(format!(
            "plugin {key}: {}",
            failure.message
        ))),
        None => Err(CommandError::input(format!("plugin {key} was not built"))),
    }
}
