//! `orch doctor`: problems of this machine, or, with arguments, measurements of its reliability.

mod findings;

use super::args::DoctorOptions;
use super::exit::Exit;
use super::progress::Progress;
use super::{CommandResult, output};
use crate::calibrate::CalibrateRequest;
use crate::calibrate::noise::{self, NoiseResult};
use crate::calibrate::rebuilds::{self, RebuildResult};
use crate::calibration::BuildEffect;
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::render::machine_noise;
use orch_core::format::change::{self, ChangedQuantity};

/// Examines the machine, or measures it: build effects first, because margins depend on them.
pub(super) fn run_doctor(options: &DoctorOptions) -> CommandResult {
    let measures = options.rebuilds.is_some() || options.calibrate;
    if !measures
        && (options.scenario.is_some() || options.filter.is_some() || options.seed.is_some())
    {
        return Err(CommandError::input(
            "--scenario, --filter and --seed only apply to measurements",
        )
        .with_hint("add --calibrate or --rebuilds N"));
    }
    if !measures {
        return findings::print_findings(options);
    }
    if options.comparisons == Some(0) {
        return Err(CommandError::input("--comparisons must be greater than 0"));
    }
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let request = CalibrateRequest {
        scenario: options.scenario.clone(),
        filter: options.filter.clone(),
        seed: options.seed,
    };
    let mut exit = Exit::Fine;
    if let Some(count) = options.rebuilds {
        let mut progress = Progress::new();
        let found = rebuilds::measure_rebuilds(&request, count, &context, &mut progress)?;
        exit = print_rebuilds(&found)?;
    }
    if options.calibrate {
        let mut progress = Progress::new();
        let found = noise::measure_noise(&request, options.comparisons, &context, &mut progress)?;
        let second = print_noise(&found)?;
        exit = if second == Exit::Fine { exit } else { second };
    }
    Ok(exit)
}

fn print_rebuilds(found: &RebuildResult) -> CommandResult {
    let mut text =
        String::from("Build effect: the same code at different addresses of the library\n\n");
    for (id, effect) in &found.effects {
        match effect {
            Ok(effect) => text.push_str(&line(id, effect)),
            Err(reason) => text.push_str(&format!("{id}: {reason}\n")),
        }
    }
    output::print(&format!(
        "{text}\n{} rebuilds, {} pairs each; stored in {}\n",
        found.rebuilds,
        found.pairs,
        found.file.display()
    ))?;
    let is_lost = found.effects.iter().any(|(_, effect)| effect.is_err());
    Ok(if is_lost {
        Exit::Incomplete
    } else {
        Exit::Fine
    })
}

fn line(id: &str, effect: &BuildEffect) -> String {
    let largest = change::size(ChangedQuantity::Time, effect.largest);
    format!(
        "{id}: tau {:.2} %, largest {largest}; margin at least {:.2} %\n",
        100.0 * effect.tau,
        400.0 * effect.tau
    )
}

fn print_noise(found: &NoiseResult) -> CommandResult {
    let end = if found.is_interrupted {
        "interrupted: only complete comparisons were stored\n"
    } else {
        ""
    };
    output::print(&format!(
        "{}{end}stored in {}\nseed {}\n",
        machine_noise::describe_noise(found),
        found.file.display(),
        found.seed
    ))?;
    let is_lost = found.rows.iter().any(|row| row.lost.is_some());
    Ok(match (found.is_interrupted, is_lost) {
        (true, _) => Exit::Interrupted,
        (_, true) => Exit::Incomplete,
        _ => Exit::Fine,
    })
}
