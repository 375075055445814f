//! The verb `compare`: finds both sides, builds and measures them or reads their records, and
//! judges.

pub(crate) mod next_commands;
pub(crate) mod paired_comparison;
pub(crate) mod sides;
pub(crate) mod target;
mod workload_pairs;

pub(crate) use workload_pairs::build_effect;

use self::paired_comparison::PairedComparison;
use self::sides::ParameterVariation;
use self::target::CompareTarget;
use crate::comparison::Comparison;
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::project::report_names::{self, ReportFinder};
use crate::project::{self, quoted};
use crate::record::{Record, store};
use crate::runner::event::ProgressObserver;
use crate::runner::paired_workloads::PairLimits;
use crate::scenario::quantity;
use orch_core::judge::verdict;
use std::path::PathBuf;
use std::time::Duration;

/// Longest time for which an open workload is measured, unless the user asks for another.
pub(crate) const DEFAULT_TIME: &str = "60s";
/// Request for a comparison.
#[derive(Debug, Clone)]
pub(crate) struct CompareRequest {
    /// Revisions, libraries, records or the project's folder.
    pub(crate) names: [String; 2],
    pub(crate) scenario: Option<PathBuf>,
    pub(crate) filter: Option<String>,
    /// `PARAM=A,B`: a parameter with another value on each side.
    pub(crate) set: Option<String>,
    /// Key of the plugin that a library replaces.
    pub(crate) plugin: Option<String>,
    /// Repository of the code under test, where it is not the scenario's.
    pub(crate) repo: Option<PathBuf>,
    /// Folder of the results, where it is not the project's.
    pub(crate) results: Option<PathBuf>,
    /// Largest number of pairs of an open workload.
    pub(crate) pairs: usize,
    /// Longest time of an open workload, as a scenario writes it.
    pub(crate) time: String,
    /// Whether identical code is measured too.
    pub(crate) control: bool,
    pub(crate) seed: Option<u64>,
}

/// A comparison, and where it belongs.
pub(crate) struct CompareResult {
    pub(crate) comparison: Comparison,
    /// Names of the reports that the scenario lists; none without a scenario.
    pub(crate) reports: Vec<String>,
    /// Root of the project.
    pub(crate) root: PathBuf,
    /// Folder of the results.
    pub(crate) results: PathBuf,
}

/// Compares two targets. `find_report` looks up the reports that the scenario lists.
pub(crate) fn compare(
    request: &CompareRequest,
    find_report: &ReportFinder,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<CompareResult, CommandError> {
    let limits = PairLimits {
        pairs: request.pairs,
        time: parse_time(request)?,
        total: None,
    };
    let named = match (&request.scenario, &request.repo) {
        (None, Some(_)) => Some(project::named_or_default(
            None,
            "name a scenario: `--scenario FILE`",
        )?),
        (named, _) => named.clone(),
    };
    let asked = named
        .map(|file| project::load_over(&file, request.repo.as_deref()))
        .transpose()?;
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("cannot find the current folder", &error))?;
    let root = asked.as_ref().map_or_else(
        || project::root_of(&here.join("x")),
        |loaded| loaded.root.clone(),
    );
    let repository = asked
        .as_ref()
        .map_or_else(|| root.clone(), |loaded| loaded.repository.clone());
    let results = project::results_folder(request.results.as_deref(), &root);
    let find = |name: &str| target::find_target(name, &repository, &results);
    let [a, b] = &request.names;
    let targets = [find(a)?, find(b)?];
    // The folder is tested first, because hours may pass until it is needed.
    store::check_folder(&results).map_err(|error| {
        CommandError::system_while(&format!("cannot write to {}", results.display()), &error)
    })?;
    let variation = request.set.as_deref().map(ParameterVariation::parse);
    let mut engine = PairedComparison {
        context,
        names: request.names.clone(),
        repository,
        limits,
        more: "a longer --time",
        seed: request.seed.unwrap_or_else(orch_core::random::draw_seed),
        variation: variation.transpose()?,
        plugin: request.plugin.clone(),
        filter: request.filter.clone(),
        only: None,
        control: request.control,
        timed: Vec::new(),
        rules: None,
        output_accepted: Vec::new(),
        building: Duration::ZERO,
        waiting: Duration::ZERO,
    };
    let mut reports = Vec::new();
    let mut comparison = match &targets {
        [CompareTarget::Record(a), CompareTarget::Record(b)] => engine.compare_records(a, b)?,
        [CompareTarget::Record(record), _] | [_, CompareTarget::Record(record)] => {
            return Err(refuse_record_beside_build(record));
        }
        _ => {
            let loaded = match asked {
                Some(loaded) => loaded,
                None => project::load(&project::named_or_default(
                    None,
                    "name a scenario: `--scenario FILE`",
                )?)?,
            };
            report_names::check_reports(&loaded, find_report)?;
            reports.clone_from(&loaded.scenario.reports);
            engine.measure_builds(&loaded, &targets, observer)?
        }
    };
    comparison.command = repeating_command(request, &comparison, engine.seed);
    Ok(CompareResult {
        comparison,
        reports,
        root,
        results,
    })
}

fn parse_time(request: &CompareRequest) -> Result<Duration, CommandError> {
    let time = quantity::parse_duration(&request.time).map_err(|message| {
        CommandError::input(format!("--time {}: {message}", request.time))
            .with_hint("write for example `--time 60s`")
    })?;
    if request.pairs == 0 || time.is_zero() {
        return Err(CommandError::input(
            "--pairs and --time must be greater than 0",
        ));
    }
    Ok(time)
}

/// Refuses to compare a record with a build: a record holds no process that could take turns with
/// one.
fn refuse_record_beside_build(record: &Record) -> CommandError {
    let hint = match &record.git.commit {
        Some(commit) if !record.git.dirty => {
            format!(
                "compare the commit of the record: {}",
                &commit[..commit.len().min(10)]
            )
        }
        _ => "compare two records, or two builds".to_owned(),
    };
    CommandError::input(format!(
        "record {} and a build cannot be measured in pairs",
        record.id
    ))
    .with_hint(hint)
}

/// Builds the command that repeats the comparison with the same random choices.
fn repeating_command(request: &CompareRequest, comparison: &Comparison, seed: u64) -> String {
    let [a, b] = &request.names;
    let [a, b] = [(&comparison.a, a), (&comparison.b, b)]
        .map(|(side, name)| next_commands::name_commit(side).unwrap_or_else(|| quoted(name)));
    let mut command = format!("orch compare {a} {b}");
    for (name, path) in [("--scenario", &request.scenario), ("--repo", &request.repo)] {
        if let Some(path) = path {
            command.push_str(&format!(" {name} {}", quoted(&path.display().to_string())));
        }
    }
    let texts = [
        ("--filter", &request.filter),
        ("--set", &request.set),
        ("--plugin", &request.plugin),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            command.push_str(&format!(" {name} {}", quoted(value)));
        }
    }
    if request.pairs != verdict::MOST_PAIRS {
        command.push_str(&format!(" --pairs {}", request.pairs));
    }
    if request.time != DEFAULT_TIME {
        command.push_str(&format!(" --time {}", quoted(&request.time)));
    }
    if request.control {
        command.push_str(" --control");
    }
    format!("{command} --seed {seed}")
}
