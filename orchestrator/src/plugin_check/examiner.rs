//! The examination of a plugin: builds it and runs its workloads in throw-away workers, for `orch
//! plugin check`.

use super::PluginUnderTest;
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::machine;
use crate::pass::PassEnd;
use crate::plan;
use crate::plugin::build::{self, FailureCause, PluginFailure, PreparedPlugin};
use crate::plugin::cargo::BuildWatcher;
use crate::plugin::catalog::WorkloadInfo;
use crate::plugin::{PluginSpec, SandboxSpec, elf};
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::interrupt::Interrupt;
use crate::runner::orphans;
use crate::runner::plan_execution::{self, ExecutionContext};
use crate::runner::process::{self, FinishedPass, WorkerLaunch};
use crate::runner::sandbox_grants;
use crate::runner::worker_exit::PassFailure;
use crate::scenario::{Job, JobSettings};
use crate::versus::side;
use crate::vetting::behaviour::{self, PassEnding, TrialBounds};
use crate::vetting::trials::{self, Trial};
use crate::vetting::{self, FindingLevel, PluginFinding, document};
use orch_core::measure::clock::ScopeClock;
use orch_core::protocol::{MemoryShift, Pass, Phase, WorkerReply, WorkerRequest};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;
use wildmatch::WildMatch;

/// Limits with the default parameters: the settings of a scenario that sets none.
const WHOLE: TrialBounds = TrialBounds {
    seconds: 60,
    memory: 2 << 30,
};
/// Limits at the ends of parameters, of which there may be many.
const SHORT: TrialBounds = TrialBounds {
    seconds: 5,
    memory: 2 << 30,
};
/// A timing pass that shows whether many successive iterations work. Its figures are not used.
const TIME: Pass = Pass::Time {
    budget_ns: 5_000_000,
    sample_ns: 200_000,
    warm_up_ns: 5_000_000,
};

/// Findings about one plugin.
pub(crate) struct ExaminedPlugin {
    pub(crate) key: String,
    pub(crate) path: String,
    /// Whether its document could be read.
    pub(crate) described: bool,
    /// Ids of all its workloads.
    pub(crate) offered: Vec<String>,
    pub(crate) workloads: Vec<TriedWorkload>,
    /// Findings, the most severe ones first.
    pub(crate) findings: Vec<PluginFinding>,
}

/// Parameters that a scenario gives, by workload.
type Given = HashMap<String, Map<String, Value>>;

/// A workload that was run.
pub(crate) struct TriedWorkload {
    pub(crate) id: String,
    /// Number of sets of parameters.
    pub(crate) trials: usize,
    pub(crate) setup_ns: Option<u64>,
    pub(crate) iteration_ns: Option<u64>,
}

/// Parts that the examinations of all plugins share.
pub(super) struct PluginExaminer<'a> {
    wanted: Option<WildMatch>,
    interrupt: &'a Interrupt,
    clock: ScopeClock,
    cpus: Vec<usize>,
    mark: String,
}

impl<'a> PluginExaminer<'a> {
    pub(super) fn new(
        wanted: Option<&str>,
        context: &'a CommandContext,
    ) -> Result<Self, CommandError> {
        orphans::become_subreaper().map_err(|error| {
            CommandError::system_while("cannot clean up the plugins' processes", &error)
        })?;
        Ok(Self {
            wanted: wanted.map(WildMatch::new),
            interrupt: context.interrupt,
            clock: context.clock(),
            cpus: machine::usable_cpus(),
            mark: context.mark.clone(),
        })
    }

    /// Builds and examines one plugin.
    pub(super) fn examine(
        &mut self,
        subject: &PluginUnderTest,
        observer: &mut dyn ProgressObserver,
    ) -> Result<ExaminedPlugin, CommandError> {
        let PluginUnderTest { key, spec, given } = subject;
        // The check does not wait for measurements of other processes, like a command that only
        // reads: no figure depends on times, and most of its workers live for milliseconds.
        let mut examined = ExaminedPlugin {
            key: key.clone(),
            path: spec.source.folder().display().to_string(),
            described: false,
            offered: Vec::new(),
            workloads: Vec::new(),
            findings: Vec::new(),
        };
        match self.prepare(key, spec, observer) {
            Ok(mut prepared) => {
                // Paths in parameters that the plugin's own document supplies must not open any
                // file.
                prepared.named_are_open = false;
                let files: Vec<PathBuf> = given
                    .iter()
                    .flat_map(|(workload, params)| {
                        sandbox_grants::find_named_paths(&prepared, workload, params)
                    })
                    .collect();
                if let SandboxSpec::On { read, .. } = &mut prepared.sandbox {
                    read.extend(files);
                }
                examined.path = prepared.path.display().to_string();
                self.look(&prepared, given, &mut examined)?
            }
            Err(failure) if failure.cause == FailureCause::Cache => {
                return Err(CommandError::system(failure.message));
            }
            Err(failure) => {
                let ending = PassEnding {
                    phase: failure.phase,
                    message: &failure.message,
                    skipped: false,
                    limits: process::LimitsMet::default(),
                };
                examined
                    .findings
                    .push(behaviour::judge_failure("file", &ending, WHOLE, false));
            }
        };
        examined.findings.sort_by_key(|finding| finding.level);
        if self.interrupt.is_requested() {
            return Err(CommandError::interrupted());
        }
        Ok(examined)
    }

    fn prepare(
        &self,
        key: &str,
        spec: &PluginSpec,
        observer: &mut dyn ProgressObserver,
    ) -> Result<PreparedPlugin, PluginFailure> {
        observer.see(ProgressEvent::Preparing { plugin: key });
        let mut show = |line: &str| observer.see(ProgressEvent::BuildLine { line });
        let mut watch = BuildWatcher {
            show: &mut show,
            stop: &|| self.interrupt.is_requested(),
            note: None,
        };
        let prepared = build::prepare_plugin(key, spec, &mut watch);
        orphans::spare_children();
        prepared
    }

    /// Examines a plugin that was built.
    fn look(
        &self,
        prepared: &PreparedPlugin,
        given: &Given,
        examined: &mut ExaminedPlugin,
    ) -> Result<(), CommandError> {
        if let Ok(inspected) = elf::inspect_library(&prepared.path) {
            examined.findings.extend(vetting::judge_file(&inspected));
        }
        let mut documents = Vec::new();
        for _ in 0..2 {
            let ended = self.run(prepared, Pass::Describe, "", &Trial::default(), SHORT)?;
            match &ended.result {
                Ok(WorkerReply::Described { document }) => documents.push(document.clone()),
                _ => {
                    examined
                        .findings
                        .extend(failure("describe", &ended, SHORT, false));
                    return Ok(());
                }
            }
        }
        let (description, findings) = document::read_document(&documents[0], &documents[1]);
        examined.findings.extend(findings);
        let Some(description) = description else {
            return Ok(());
        };
        examined.described = true;
        examined.offered = description
            .workloads
            .iter()
            .map(|info| info.id.clone())
            .collect();
        let wanted = |info: &&WorkloadInfo| {
            self.wanted
                .as_ref()
                .is_none_or(|wanted| wanted.matches(&info.id))
        };
        for info in description.workloads.iter().filter(wanted) {
            if self.interrupt.is_requested() {
                return Err(CommandError::interrupted());
            }
            self.workload(prepared, info, given.get(&info.id), examined)?;
        }
        Ok(())
    }

    /// Examines one workload: with its defaults in all passes, then at the ends of its parameters.
    fn workload(
        &self,
        prepared: &PreparedPlugin,
        info: &WorkloadInfo,
        given: Option<&Map<String, Value>>,
        examined: &mut ExaminedPlugin,
    ) -> Result<(), CommandError> {
        let mut tried = TriedWorkload {
            id: info.id.clone(),
            trials: 0,
            setup_ns: None,
            iteration_ns: None,
        };
        let trials = match trials::list_trials(info.params.as_ref(), given) {
            Ok(trials) => trials,
            Err(parameter) => {
                examined.findings.push(PluginFinding::new(
                    FindingLevel::Note,
                    &info.id,
                    format!("not run: cannot choose a value for its parameter `{parameter}`"),
                    "declare a default, or check a scenario that sets the parameter",
                ));
                Vec::new()
            }
        };
        if trials.len() > trials::MOST {
            let what = format!(
                "not checked: {} of {} sets of parameters",
                trials.len() - trials::MOST,
                trials.len()
            );
            examined.findings.push(PluginFinding::new(
                FindingLevel::Note,
                &info.id,
                what,
                "offer fewer options",
            ));
        }
        for (index, trial) in trials.iter().take(trials::MOST).enumerate() {
            let (at_an_end, bounds) = if index == 0 {
                (false, WHOLE)
            } else {
                (true, SHORT)
            };
            let place = if at_an_end {
                format!("{}, {}", info.id, trial.label)
            } else {
                info.id.clone()
            };
            let ended = self.run(
                prepared,
                Pass::Check {
                    thorough: !at_an_end,
                    lives: 1,
                },
                &info.id,
                trial,
                bounds,
            )?;
            tried.trials += 1;
            if let Ok(WorkerReply::Checked(checked)) = &ended.result {
                // Warnings and notes about the times of an iteration and of setup apply to the
                // defaults only. At the ends, the times may be anything.
                let life = behaviour::judge_life(&place, checked);
                let new = life
                    .into_iter()
                    .filter(|finding| !at_an_end || finding.level == FindingLevel::Error);
                examined.findings.extend(new);
                if !at_an_end {
                    (tried.setup_ns, tried.iteration_ns) =
                        (Some(checked.setup_ns), Some(checked.iteration_ns));
                    examined
                        .findings
                        .extend(self.measured(prepared, info, trial, &place)?);
                }
            } else {
                examined
                    .findings
                    .extend(failure(&place, &ended, bounds, at_an_end));
                if !at_an_end {
                    break;
                }
            }
        }
        examined.workloads.push(tried);
        Ok(())
    }

    /// Examines a workload with the passes of a run: scopes, counts, many iterations in a row.
    fn measured(
        &self,
        prepared: &PreparedPlugin,
        info: &WorkloadInfo,
        trial: &Trial,
        place: &str,
    ) -> Result<Vec<PluginFinding>, CommandError> {
        let job = Job {
            id: info.id.clone(),
            plugin: "plugin".to_owned(),
            workload: info.id.clone(),
            params: trial.params.clone(),
            tags: Vec::new(),
            settings: JobSettings {
                rounds: 0,
                ..JobSettings::default()
            },
        };
        let plugins = HashMap::from([(job.plugin.clone(), Ok(prepared.clone()))]);
        let jobs = [job];
        let setting = ExecutionContext {
            jobs: &jobs,
            plugins: &plugins,
            cpus: &self.cpus,
            clock: self.clock,
            mark: &self.mark,
            sentinel: false,
            groups: &[],
            counted: plan::CountedIterations::Group,
        };
        let plan = plan::build_plan(&jobs, 0);
        let ends: Vec<PassEnd> = plan_execution::execute_plan(
            &setting,
            &plan,
            Vec::new(),
            None,
            self.interrupt,
            &mut Silent,
        )
        .map_err(failed_start)?
        .ends;
        let record = side::assemble_record(
            &jobs[0],
            Ok(prepared),
            Some(info),
            ends,
            None,
            self.interrupt.is_requested(),
        );
        let mut found = behaviour::judge_record(place, &record);
        if !behaviour::is_measured(&record) {
            let what = format!(
                "failed in {}: {}",
                record.phase.map_or("start", |phase| phase.name()),
                record.message.unwrap_or_default()
            );
            let remedy = behaviour::remedy(record.phase.unwrap_or(Phase::Start));
            found.push(PluginFinding::new(FindingLevel::Error, place, what, remedy));
            return Ok(found);
        }
        // Plugins that support one instance only are measured nevertheless.
        let second = self.run(
            prepared,
            Pass::Check {
                thorough: false,
                lives: 2,
            },
            &info.id,
            trial,
            WHOLE,
        )?;
        if let Ok(WorkerReply::Checked(checked)) = &second.result {
            found.extend(behaviour::judge_second_life(place, checked));
        }
        let timed = self.run(prepared, TIME, &info.id, trial, WHOLE)?;
        found.extend(failure(place, &timed, WHOLE, false));
        Ok(found)
    }

    fn run(
        &self,
        prepared: &PreparedPlugin,
        pass: Pass,
        workload: &str,
        trial: &Trial,
        bounds: TrialBounds,
    ) -> Result<FinishedPass, CommandError> {
        let request = WorkerRequest {
            library: prepared.library.clone(),
            pass,
            workload: workload.to_owned(),
            params: serde_json::Value::Object(trial.params.clone()).to_string(),
            cpus: self.cpus.last().copied().into_iter().collect(),
            memory: bounds.memory,
            clock: self.clock,
            shift: MemoryShift::default(),
            folder: prepared.folder.clone(),
            sandbox: sandbox_grants::find_grants(prepared, workload, &trial.params),
        };
        let launch = WorkerLaunch {
            request: &request,
            timeout: Duration::from_secs(bounds.seconds),
            threads: 1,
            env: &prepared.env,
            mark: &self.mark,
            stack: None,
        };
        process::run_pass(&launch, self.interrupt).map_err(failed_start)
    }
}

fn failed_start(error: std::io::Error) -> CommandError {
    CommandError::system_while("cannot start a worker", &error)
}

/// Returns the finding about a pass that returned no answer, or `None` if the pass answered or the
/// user stopped it.
fn failure(
    place: &str,
    ended: &FinishedPass,
    bounds: TrialBounds,
    at_an_end: bool,
) -> Option<PluginFinding> {
    let (phase, message, skipped) = match &ended.result {
        Ok(_) | Err(PassFailure::Interrupted) => return None,
        Err(PassFailure::Failed { phase, message }) => (*phase, message, false),
        Err(PassFailure::Skipped { phase, message }) => (*phase, message, true),
    };
    Some(behaviour::judge_failure(
        place,
        &PassEnding {
            phase,
            message,
            skipped,
            limits: ended.limits,
        },
        bounds,
        at_an_end,
    ))
}

/// An observer that ignores progress, because a check shows only its findings.
struct Silent;

impl ProgressObserver for Silent {
    fn see(&mut self, _: ProgressEvent<'_>) {}
}
