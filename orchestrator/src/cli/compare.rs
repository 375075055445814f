//! `orch compare`: find both sides, build them, count exactly, measure in pairs, judge, store,
//! render, exit code.

mod workload_pairs;

pub(super) use workload_pairs::build_effect;

use self::workload_pairs::{matched, offered_job};
use super::Outcome;
use super::args::{self, CompareOptions};
use super::exit::Exit;
use super::keep::{self, Kept, Place};
use super::output;
use super::progress::Progress;
use super::project::{self, Loaded, Plugins};
use super::rules::{self, OfferedJob};
use super::sides::{self, Common, Variation};
use super::subject::{self, Subject};
use crate::calibration;
use crate::comparison::{
    self, Comparison, Side, SideKind, Verdict, claimed, entries, head, stored,
};
use crate::error::CommandError;
use crate::git;
use crate::judge::verdict::{self, ALPHA};
use crate::machine::load::{LoadReading, MachineLoad};
use crate::machine::{self, Machine};
use crate::measure::clock::ClockCalibration;
use crate::plugin::build::PreparedPlugin;
use crate::plugin::cargo;
use crate::record::{PluginFile, Record, ScenarioRecord, store};
use crate::runner::interrupt::Interrupt;
use crate::runner::lock::LockPurpose;
use crate::runner::paired_workloads::PairLimits;
use crate::scenario::gate::GateRules;
use crate::scenario::quantity;
use crate::versus::{self, Match, Terms};
use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wildmatch::WildMatch;

/// The report that every comparison prints and stores.
const TABLE: &str = "comparison.txt";
/// The report for a merge request or a mail.
const REPORT: &str = "comparison.md";
/// Names of the sides in messages.
const NAMES: [&str; 2] = ["A", "B"];

/// Compares two subjects.
pub(super) fn compare(options: &CompareOptions) -> Outcome {
    let begun = Instant::now();
    let calibration = ClockCalibration::begin();
    let interrupt = output::listen_to_signals()?;
    let time = quantity::parse_duration(&options.time).map_err(|message| {
        CommandError::input(format!("--time {}: {message}", options.time)).with_hint("--time 60s")
    })?;
    if options.pairs == 0 || time.is_zero() {
        return Err(CommandError::input(
            "--pairs and --time have to be more than 0",
        ));
    }
    let named = match (&options.scenario, &options.repo) {
        (None, Some(_)) => Some(project::named_or_default(None, "--scenario FILE")?),
        (named, _) => named.clone(),
    };
    let asked = named
        .map(|file| project::load_over(&file, options.repo.as_deref()))
        .transpose()?;
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("the current folder", &error))?;
    let root = asked.as_ref().map_or_else(
        || project::root_of(&here.join("x")),
        |loaded| loaded.root.clone(),
    );
    let repository = asked
        .as_ref()
        .map_or_else(|| root.clone(), |loaded| loaded.repository.clone());
    let results = options.output.folder(&root);
    let find = |name: &str| subject::find(name, &repository, &results);
    let subjects = [find(&options.a)?, find(&options.b)?];
    // Tried before anything is measured: hours may go by until it is needed.
    store::check_folder(&results).map_err(|error| {
        CommandError::system_while(&format!("cannot write to {}", results.display()), &error)
    })?;
    let session = Session {
        options,
        root,
        repository,
        results,
        limits: PairLimits {
            pairs: options.pairs,
            time,
            total: None,
        },
        more: "a longer --time",
        seed: options.seed.unwrap_or_else(|| fastrand::u64(..1 << 48)),
        variation: options.set.as_deref().map(Variation::parse).transpose()?,
        only: None,
        timed: Vec::new(),
        rules: None,
        output_accepted: Vec::new(),
        interrupt,
        started: jiff::Timestamp::now(),
        begun,
        spent: Cell::default(),
    };
    let comparison = match &subjects {
        [Subject::Record(a), Subject::Record(b)] => session.records(a, b)?,
        [Subject::Record(record), _] | [_, Subject::Record(record)] => {
            return Err(mixed(record));
        }
        _ => {
            let loaded = match asked {
                Some(loaded) => loaded,
                None => project::load(&project::named_or_default(None, "--scenario FILE")?)?,
            };
            session.live(&loaded, &subjects, &calibration)?
        }
    };
    session.finish(comparison)
}

/// A record holds no process that could take turns with a build.
fn mixed(record: &Record) -> CommandError {
    let hint = match &record.git.commit {
        Some(commit) if !record.git.dirty => {
            format!(
                "compare the commit that it measured: {}",
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

/// What a comparison took before it measured.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    building: Duration,
    waiting: Duration,
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A comparison on its way.
pub(super) struct Session<'a> {
    pub(super) options: &'a CompareOptions,
    /// Of the project.
    pub(super) root: PathBuf,
    /// A folder of the repository whose commits are compared.
    pub(super) repository: PathBuf,
    pub(super) results: PathBuf,
    pub(super) limits: PairLimits,
    /// The option that gives a workload more time.
    pub(super) more: &'static str,
    pub(super) seed: u64,
    pub(super) variation: Option<Variation>,
    /// Only jobs with these ids.
    pub(super) only: Option<Vec<String>>,
    /// Jobs whose time is measured even if both sides are the same code: patterns of ids.
    pub(super) timed: Vec<String>,
    /// The rules of a check: what they name has to be there.
    pub(super) rules: Option<&'a GateRules>,
    /// Jobs whose output may differ, which does not keep their costs from being judged: patterns of
    /// ids.
    pub(super) output_accepted: Vec<String>,
    pub(super) interrupt: Interrupt,
    pub(super) started: jiff::Timestamp,
    pub(super) begun: Instant,
    pub(super) spent: Cell<Spent>,
}

impl Session<'_> {
    /// Builds both sides and measures them.
    pub(super) fn live(
        &self,
        loaded: &Loaded,
        subjects: &[Subject; 2],
        calibration: &ClockCalibration,
    ) -> Result<Comparison, CommandError> {
        let plugins = self.build_sides(loaded, subjects)?;
        self.measure_sides(loaded, subjects, &plugins, calibration)
    }

    /// Builds the plugins of both sides.
    pub(super) fn build_sides(
        &self,
        loaded: &Loaded,
        subjects: &[Subject; 2],
    ) -> Result<[Plugins; 2], CommandError> {
        let a = self.build_side(loaded, subjects, 0)?;
        let b = self.build_side(loaded, subjects, 1)?;
        Ok([a, b])
    }

    /// Builds the plugins of one side.
    pub(super) fn build_side(
        &self,
        loaded: &Loaded,
        subjects: &[Subject; 2],
        side: usize,
    ) -> Result<Plugins, CommandError> {
        let begun = Instant::now();
        let mut progress = Progress::new();
        let build = |common: &Common| sides::plugins(&subjects[side], common, &mut progress);
        let built = self.with_common(loaded, subjects, build)?;
        self.spend(begun.elapsed().saturating_sub(built.waited), built.waited);
        Ok(built)
    }

    /// Calls `then` with what both sides have in common.
    fn with_common<T>(
        &self,
        loaded: &Loaded,
        subjects: &[Subject; 2],
        then: impl FnOnce(&Common) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let is_library = |subject: &Subject| matches!(subject, Subject::Library(_));
        let replaced = if subjects.iter().any(is_library) {
            Some(sides::replaced(
                &loaded.scenario,
                self.options.plugin.as_deref(),
            )?)
        } else {
            None
        };
        then(&Common {
            loaded,
            variation: self.variation.as_ref(),
            replaced: replaced.as_deref(),
            filter: self.options.filter.as_deref(),
            only: self.only.as_deref(),
            mark: &self.mark(),
            interrupt: &self.interrupt,
        })
    }

    fn spend(&self, building: Duration, waiting: Duration) {
        let spent = self.spent.get();
        self.spent.set(Spent {
            building: spent.building + building,
            waiting: spent.waiting + waiting,
        });
    }

    /// Marks the processes of this comparison.
    fn mark(&self) -> String {
        format!("{}-{}", std::process::id(), self.started.as_nanosecond())
    }

    /// Measures both sides.
    pub(super) fn measure_sides(
        &self,
        loaded: &Loaded,
        subjects: &[Subject; 2],
        plugins: &[Plugins; 2],
        calibration: &ClockCalibration,
    ) -> Result<Comparison, CommandError> {
        let mut progress = Progress::new();
        let plugins = [&plugins[0], &plugins[1]];
        let mark = self.mark();
        let jobs = self.with_common(loaded, subjects, |common| sides::jobs(common, plugins))?;
        let machine = Machine::read();
        let kept = calibration::MachineCalibration::load(&machine);
        let matches: Vec<Match> = jobs
            .into_iter()
            .map(|job| {
                let tau = build_effect(loaded, &kept, &job.jobs[0]).unwrap_or(0.0);
                let id = job.jobs[0].id.clone();
                let named = |patterns: &[String]| {
                    patterns
                        .iter()
                        .any(|pattern| WildMatch::new(pattern).matches(&id))
                };
                let (timed, output_accepted) = (named(&self.timed), named(&self.output_accepted));
                Match {
                    timed,
                    output_accepted,
                    ..matched(job, tau, subjects, plugins)
                }
            })
            .collect();
        // Of some jobs it cannot be told what the others have.
        if let Some(gate) = self
            .rules
            .filter(|_| self.only.is_none() && self.options.filter.is_none())
        {
            let offered: Vec<OfferedJob> = matches.iter().map(offered_job).collect();
            rules::check_metrics(gate, &offered, &loaded.shown)?;
        }
        let held = project::take_lock(LockPurpose::Measuring, &self.interrupt, &mut progress)?;
        self.spend(Duration::ZERO, held.waited);
        let cpus = machine::usable_cpus();
        let terms = Terms {
            cpus: &cpus,
            clock: calibration.end(),
            mark: &mark,
            limits: self.limits,
            more: self.more,
            control: self.options.control,
        };
        let mut random = fastrand::Rng::with_seed(self.seed);
        let before = LoadReading::read();
        let outcome = versus::measure(
            &matches,
            &terms,
            &mut random,
            &self.interrupt,
            &mut progress,
        )
        .map_err(|error| CommandError::system_while("the comparison ended early", &error))?;
        let load = before
            .zip(LoadReading::read())
            .map(|(before, after)| MachineLoad::between(before, after));
        let scenario = ScenarioRecord {
            name: loaded.scenario.name.clone(),
            about: loaded.scenario.about.clone(),
            hash: crate::hash::text(&loaded.text),
            path: loaded.shown.clone(),
            filter: self.options.filter.clone(),
        };
        let sides = [0, 1].map(|side| self.side(loaded, side, &subjects[side], plugins[side]));
        let comparison = self.comparison(outcome, scenario, sides, machine, cargo::rustc_version());
        Ok(Comparison {
            false_alarms: kept.false_alarms(),
            load,
            ..comparison
        })
    }

    /// Compares what two records hold.
    fn records(&self, a: &Record, b: &Record) -> Result<Comparison, CommandError> {
        if self.variation.is_some() || self.options.control || self.options.plugin.is_some() {
            return Err(CommandError::input(
                "--set, --plugin and --control are for builds, which are measured; records are as \
                 they are",
            ));
        }
        let outcome = stored::compare(a, b, self.options.filter.as_deref());
        if outcome.workloads.is_empty() {
            let hint = if self.options.filter.is_some() {
                "\nhint: --filter lets none through"
            } else {
                ""
            };
            return Err(CommandError::input(format!(
                "{} and {} have no job in common{hint}",
                a.id, b.id
            )));
        }
        let sides = [a, b].map(|record| Side {
            name: record.id.clone(),
            kind: SideKind::Record,
            git: Some(record.git.clone()),
            set: serde_json::Map::new(),
            plugins: record
                .plugins
                .iter()
                .filter_map(|plugin| Some((plugin.key.clone(), plugin.file.clone()?)))
                .collect(),
        });
        Ok(self.comparison(
            outcome,
            a.scenario.clone(),
            sides,
            a.machine.clone(),
            a.toolchain.clone(),
        ))
    }

    fn side(&self, loaded: &Loaded, index: usize, subject: &Subject, plugins: &Plugins) -> Side {
        let file = |prepared: &PreparedPlugin| PluginFile {
            path: prepared.path.display().to_string(),
            hash: Some(prepared.hash.clone()),
            git: Some(prepared.git.clone()),
            sandbox: Some(prepared.sandbox.describe()),
        };
        Side {
            name: [&self.options.a, &self.options.b][index].clone(),
            kind: subject.kind(),
            git: match subject {
                Subject::Revision(revision) => Some(git::GitState::at(revision)),
                // A library by itself belongs to no commit.
                Subject::Library(_) => None,
                _ => Some(git::state_of(&self.repository)),
            },
            set: self
                .variation
                .as_ref()
                .map(|variation| variation.of_side(index))
                .unwrap_or_default(),
            plugins: loaded
                .scenario
                .plugins
                .iter()
                .filter_map(|(key, _)| {
                    Some((key.clone(), file(plugins.prepared.get(key)?.as_ref().ok()?)))
                })
                .collect(),
        }
    }

    fn comparison(
        &self,
        outcome: comparison::Outcome,
        scenario: ScenarioRecord,
        sides: [Side; 2],
        machine: Machine,
        toolchain: Option<String>,
    ) -> Comparison {
        let [a, b] = sides;
        let verdicts: Vec<Verdict> = outcome
            .workloads
            .iter()
            .map(|workload| workload.verdict)
            .collect();
        Comparison {
            schema: comparison::SCHEMA.to_owned(),
            id: String::new(),
            started: self.started.to_string(),
            ended: jiff::Timestamp::now().to_string(),
            verdict: head::together(&verdicts),
            interrupted: outcome.interrupted,
            orch: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.command(),
            seed: Some(self.seed),
            alpha: ALPHA,
            scenario: Some(scenario),
            machine: Some(machine),
            toolchain,
            a,
            b,
            counts: head::counts(&outcome.workloads),
            totals: head::totals(&outcome.entries),
            contradictions: claimed::contradictions(&outcome.entries, &outcome.workloads),
            jobs: outcome.entries,
            workloads: outcome.workloads,
            gate: None,
            wall_ns: nanoseconds(self.begun.elapsed()),
            building_ns: nanoseconds(self.spent.get().building),
            waiting_ns: nanoseconds(self.spent.get().waiting),
            false_alarms: None,
            load: None,
            imported: None,
        }
    }

    /// The command that repeats the comparison with the same coins.
    fn command(&self) -> String {
        let options = self.options;
        let mut command = format!(
            "orch compare {} {}",
            project::quoted(&options.a),
            project::quoted(&options.b)
        );
        let texts = [
            ("--filter", &options.filter),
            ("--set", &options.set),
            ("--plugin", &options.plugin),
        ];
        for (name, path) in [("--scenario", &options.scenario), ("--repo", &options.repo)] {
            if let Some(path) = path {
                command.push_str(&format!(
                    " {name} {}",
                    project::quoted(&path.display().to_string())
                ));
            }
        }
        for (name, value) in texts {
            if let Some(value) = value {
                command.push_str(&format!(" {name} {}", project::quoted(value)));
            }
        }
        if options.pairs != verdict::MOST_PAIRS {
            command.push_str(&format!(" --pairs {}", options.pairs));
        }
        if options.time != args::DEFAULT_TIME {
            command.push_str(&format!(" --time {}", project::quoted(&options.time)));
        }
        if options.control {
            command.push_str(" --control");
        }
        format!("{command} --seed {}", self.seed)
    }

    /// Stores and shows a comparison, and picks the exit code.
    fn finish(&self, mut comparison: Comparison) -> Outcome {
        let kept = self.store(&mut comparison, "compare")?;
        keep::show(&kept, self.options.output.json)?;
        Ok(exit_code(&comparison))
    }

    /// Stores a comparison and its reports in a folder of its own, named after what was done.
    pub(super) fn store(
        &self,
        comparison: &mut Comparison,
        what: &str,
    ) -> Result<Kept, CommandError> {
        let name = comparison
            .scenario
            .as_ref()
            .map_or("records", |scenario| scenario.name.as_str());
        let name = format!("{name}-{what}");
        let mark = comparison
            .b
            .git
            .as_ref()
            .map_or_else(|| "nogit".to_owned(), git::GitState::short);
        let place = Place {
            root: &self.root,
            results: &self.results,
            started: self.started,
            name: &name,
            mark: &mark,
        };
        keep::keep(comparison, &place, [TABLE, REPORT])
    }
}

/// 130 when the user stopped it, 1 when anything got worse or computes something else, 201 when
/// anything is missing, else 0.
fn exit_code(comparison: &Comparison) -> Exit {
    let any = |verdict: Verdict| comparison.jobs.iter().any(|entry| entry.verdict == verdict);
    if comparison.interrupted {
        Exit::Interrupted
    } else if any(Verdict::Regressed) || any(Verdict::OutputDiffers) {
        Exit::Regressed
    } else if any(Verdict::Missing) || comparison.jobs.iter().all(entries::is_refused) {
        Exit::Incomplete
    } else {
        Exit::Fine
    }
}
