//! The command line's arguments.

use super::output::ColourChoice;
use crate::compare::DEFAULT_TIME;
use crate::model::export_format::ExportFormat;
use crate::scenario::quantity;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Measure the workloads of plugins in fresh processes, count their allocations exactly, and record
/// the commit.
#[derive(Debug, Parser)]
#[command(name = "orch", version = env!("ORCH_VERSION"), max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    /// Colour texts: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        display_order = 998,
        hide_possible_values = true
    )]
    pub(super) color: ColourChoice,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Measure a scenario and store a record in results/
    Run(RunOptions),
    /// Compare two builds, variants or records
    Compare(CompareOptions),
    /// Compare the working tree with its baseline: the gate of a pull request
    Check(CheckOptions),
    /// Find the commit that changed a workload
    Bisect(BisectOptions),
    /// Measure programs, alone or against each other, without a project
    Time(TimeOptions),
    /// Check this machine for sources of noise, or measure how reliable verdicts are on it
    Doctor(DoctorOptions),
    /// Check results of other benchmark tools, or a table of two runs, for contradictions
    Import(ImportOptions),
    /// Render a stored result again, with a template of orch, the project or your own
    Report(ReportOptions),
    /// Compute the figures and verdicts of a stored result again, from its samples and pairs
    Verify(VerifyOptions),
    /// List plugins, workloads, parameters and metrics
    List(ListOptions),
    /// Set up benchmarks for the code in a folder
    Init(InitOptions),
    /// Create a plugin, or check one for defects
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print the JSON Schema of scenario files, for use in editors
    Schema,
    /// Print a script that completes the arguments of orch in a shell
    Completions(CompletionsOptions),
}

/// Time that a command waits until other measurements on this machine have ended.
#[derive(Debug, Clone, Args)]
pub(super) struct WaitOptions {
    /// Give up after waiting this long for another measurement on this machine [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration)]
    wait: Option<Duration>,
    /// Give up at once if another process is measuring on this machine
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
}

impl WaitOptions {
    /// Returns the longest time to wait, or `None` if there is no limit.
    pub(super) fn limit(&self) -> Option<Duration> {
        if self.no_wait {
            Some(Duration::ZERO)
        } else {
            self.wait
        }
    }
}

/// Program that starts the command lines of `orch time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ShellChoice {
    /// `sh -c`; its start is part of each run
    Sh,
    /// None: orch parts the line into words and starts the program itself
    None,
}

/// Destinations of a result.
#[derive(Debug, Clone, Args)]
pub(super) struct OutputOptions {
    /// Results folder [default: results/ in the project]
    #[arg(long, value_name = "DIR")]
    pub(super) results: Option<PathBuf>,
    /// Print the result as JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Returns the parser of the names of formats of `orch time`.
fn time_formats() -> PossibleValuesParser {
    PossibleValuesParser::new(ExportFormat::OF_TIMES.map(ExportFormat::name))
}

/// Returns the parser of the names of formats.
fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(ExportFormat::ALL.map(ExportFormat::name))
}

#[derive(Debug, Args)]
pub(super) struct ReportOptions {
    /// Result: its id, its folder, or its record.json, comparison.json or bisect.json
    pub(super) result: String,
    /// Template: a file, or the name of one in the project's templates/ or built into orch
    /// [default: the report that the command printed]
    #[arg(long, value_name = "FILE")]
    pub(super) template: Option<String>,
    /// Export the result in a format of other programs instead of rendering a template
    #[arg(long, value_name = "NAME", conflicts_with = "template", value_parser = formats())]
    pub(super) format: Option<String>,
    /// Write the report to this file instead of printing it
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Results folder [default: results/ in the project]
    #[arg(long, value_name = "DIR")]
    pub(super) results: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyOptions {
    /// Result: its id, its folder, or its record.json, comparison.json or bisect.json
    pub(super) result: String,
    /// Results folder [default: results/ in the project]
    #[arg(long, value_name = "DIR")]
    pub(super) results: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Several programs take turns: the first one against each other one, and then \
        neighbours in the order of speed. Nothing is stored, and no project is needed."
)]
pub(super) struct TimeOptions {
    /// Command lines to measure, each in quotes; the first one is the baseline
    #[arg(required = true, value_name = "COMMAND")]
    pub(super) commands: Vec<String>,
    /// Name of a program in the result; give it once for each program [default: its command line]
    #[arg(short = 'n', long, value_name = "NAME", visible_alias = "command-name")]
    pub(super) name: Vec<String>,
    /// Replace {NAME} in the command lines by each of these values, which commas separate
    #[arg(
        short = 'L',
        long,
        value_names = ["NAME", "VALUES"],
        num_args = 2,
        action = clap::ArgAction::Append
    )]
    pub(super) parameter_list: Vec<String>,
    /// Run this before each measured run, untimed; give it once for all commands, or once for each
    #[arg(short, long, value_name = "COMMAND")]
    pub(super) prepare: Vec<String>,
    /// Run this once for each program, before the first run of any program
    #[arg(short, long, value_name = "COMMAND")]
    pub(super) setup: Option<String>,
    /// Run this once for each program, after the last run of all programs
    #[arg(short, long, value_name = "COMMAND")]
    pub(super) cleanup: Option<String>,
    /// Read standard input from this file [default: empty]
    #[arg(long, value_name = "FILE", visible_alias = "input")]
    pub(super) stdin: Option<PathBuf>,
    /// Start the command lines with sh, or without a shell
    #[arg(short = 'S', long, value_name = "SHELL", value_enum, default_value_t = ShellChoice::Sh)]
    pub(super) shell: ShellChoice,
    /// Start the programs without a shell, as --shell none does
    #[arg(short = 'N', conflicts_with = "shell")]
    pub(super) no_shell: bool,
    /// Measure programs that end with an error, too
    #[arg(short, long)]
    pub(super) ignore_failure: bool,
    /// Run each program this many times before anything is measured
    #[arg(short, long, value_name = "RUNS", default_value_t = 0)]
    pub(super) warmup: u64,
    /// Maximum time of the comparison of two programs, or total time of the runs of a single one
    /// [default: 60s, or 3s for a single one]
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration)]
    pub(super) time: Option<Duration>,
    /// Maximum time of one worker, which runs a program several times
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = quantity::parse_duration,
        default_value = "1h"
    )]
    pub(super) timeout: Duration,
    /// Relative difference of time that does not matter
    #[arg(
        long,
        value_name = "PERCENT",
        value_parser = quantity::parse_percent,
        default_value = "1%"
    )]
    pub(super) tolerance: f64,
    /// Print the result, or write it to --output, in a format of other programs
    #[arg(long, value_name = "FORMAT", value_parser = time_formats())]
    pub(super) export: Option<String>,
    /// Write the export to this file, and print the times too
    #[arg(short, long, value_name = "FILE", requires = "export")]
    pub(super) output: Option<PathBuf>,
    /// Print the result as JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) wait: WaitOptions,
    /// Seed of the random choices, to repeat those of an earlier measurement [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct RunOptions {
    /// Scenario file [default: scenarios/nightly.yaml, else the only one there, else bench.yaml]
    pub(super) scenario: Option<PathBuf>,
    /// Use only jobs whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    #[command(flatten)]
    pub(super) wait: WaitOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
    /// Print the jobs, their order and an estimate of the time; measure nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Resume the newest interrupted run in the results folder
    #[arg(long, conflicts_with_all = ["dry_run", "seed"])]
    pub(super) resume: bool,
    /// Seed of the job order; use an earlier run's seed to repeat its order [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A and B are each a git revision (HEAD~1, v1.2), a shared library, a stored \
        record (its id, folder or file), or the project's folder, which stands for the working \
        tree. Two builds are measured in pairs of processes. Two records are compared by their \
        exact quantities, and by time if both have the same anchor."
)]
pub(super) struct CompareOptions {
    /// Baseline
    pub(super) a: String,
    /// Candidate
    pub(super) b: String,
    /// Scenario that names the jobs [default: scenarios/nightly.yaml, else the only one there, else
    /// bench.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Use only jobs whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    /// Give a parameter a different value on each side: --set kv_cache=true,false
    #[arg(long, value_name = "PARAM=A,B")]
    pub(super) set: Option<String>,
    /// Plugin to replace with the given library [default: the scenario's only plugin]
    #[arg(long, value_name = "KEY")]
    pub(super) plugin: Option<String>,
    /// Repository of the code under test, if not the scenario's; plugins outside of it are laid
    /// over its commits
    #[arg(long, value_name = "PATH")]
    pub(super) repo: Option<PathBuf>,
    #[command(flatten)]
    pub(super) wait: WaitOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
    /// Maximum number of pairs of processes per workload
    #[arg(long, value_name = "NUMBER", default_value_t = orch_core::judge::verdict::MOST_PAIRS)]
    pub(super) pairs: usize,
    /// Maximum measuring time per workload
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_TIME)]
    pub(super) time: String,
    /// Measure identical code too, to check how reliable the verdicts are
    #[arg(long)]
    pub(super) control: bool,
    /// Seed of the random choices, to repeat those of an earlier comparison [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without --baseline, the working tree is compared with the commit at which its \
        branch left the default branch. On the default branch, it is compared with HEAD, or with \
        the commit before HEAD if no uncommitted change reaches a plugin."
)]
pub(super) struct CheckOptions {
    /// Scenario file [default: scenarios/nightly.yaml, else the only one there, else bench.yaml]
    pub(super) scenario: Option<PathBuf>,
    /// Revision, library, record (its commit is built again), or `accepted` for the commit in
    /// results/accepted.yaml
    #[arg(long, value_name = "BASELINE")]
    pub(super) baseline: Option<String>,
    /// Use the known good commit of the running `git bisect` as the baseline, and exit with 125
    /// (skip) if a verdict is open or the check is incomplete
    #[arg(long)]
    pub(super) for_git_bisect: bool,
    /// Measure only the jobs that failed in an earlier check, given by its id or folder
    #[arg(long, value_name = "CHECK")]
    pub(super) only: Option<String>,
    /// Use only jobs whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    /// Total time for pairs over all jobs, spent on jobs whose verdict is open [default: the
    /// scenario's]
    #[arg(long, value_name = "DURATION")]
    pub(super) budget: Option<String>,
    /// Repository of the code under test, if not the scenario's; plugins outside of it are laid
    /// over its commits
    #[arg(long, value_name = "PATH")]
    pub(super) repo: Option<PathBuf>,
    #[command(flatten)]
    pub(super) wait: WaitOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
    /// Seed of the random choices, to repeat those of an earlier check [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without --workload or --good, the bisect takes the worst regression of the \
        latest stored comparison. The working tree, the index and the branches are not touched: \
        commits are built in another folder."
)]
pub(super) struct BisectOptions {
    /// Scenario file [default: the comparison's, scenarios/nightly.yaml, or the only scenario]
    pub(super) scenario: Option<PathBuf>,
    /// Id of the job that changed
    #[arg(long, value_name = "ID")]
    pub(super) workload: Option<String>,
    /// Revision before the change
    #[arg(long, value_name = "REV")]
    pub(super) good: Option<String>,
    /// Revision with the change [default: HEAD, if --workload and --good are given]
    #[arg(long, value_name = "REV")]
    pub(super) bad: Option<String>,
    /// Metric that changed: time, allocations, bytes, peak_bytes, digest, or one of the plugin's
    /// [default: time]
    #[arg(long, value_name = "METRIC")]
    pub(super) metric: Option<String>,
    /// Direction of the change to look for
    #[arg(
        long,
        value_name = "DIRECTION",
        value_parser = ["worse", "better"],
        default_value = "worse"
    )]
    pub(super) direction: String,
    /// Search all ancestors, not only first parents
    #[arg(long)]
    pub(super) all: bool,
    /// Stop at the largest step, and do not search the rest of the range
    #[arg(long)]
    pub(super) first: bool,
    /// Revert the culprit on the bad end, in orch's own worktree, and measure the result
    #[arg(long)]
    pub(super) verify_revert: bool,
    /// Resume the newest stopped bisect of this repository
    #[arg(
        long,
        conflicts_with_all = [
            "workload", "good", "bad", "metric", "direction", "all", "first", "verify_revert",
            "dry_run", "retry_failed", "pairs", "results", "seed",
        ]
    )]
    pub(super) resume: bool,
    /// Print the range and estimates of the builds and the time; measure nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Retry builds that failed in an earlier bisect
    #[arg(long)]
    pub(super) retry_failed: bool,
    /// Maximum number of pairs of processes; a search that needs more is undecided
    #[arg(long, value_name = "NUMBER", default_value_t = orch_core::search::DEFAULT_PAIRS)]
    pub(super) pairs: usize,
    /// Repository of the code under test, if not the scenario's; plugins outside of it are laid
    /// over its commits
    #[arg(long, value_name = "PATH")]
    pub(super) repo: Option<PathBuf>,
    #[command(flatten)]
    pub(super) wait: WaitOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
    /// Seed of the random choices, to repeat those of an earlier bisect [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct DoctorOptions {
    /// Rebuild each plugin crate this many times with unrelated code in front, and measure how much
    /// the times of unchanged code differ; later comparisons use wider margins
    #[arg(long, value_name = "NUMBER")]
    pub(super) rebuilds: Option<usize>,
    /// Scenario with the workloads to measure [default: scenarios/nightly.yaml, else the only one
    /// there, else bench.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Use only jobs whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    /// Print the findings as JSON
    #[arg(long, conflicts_with_all = ["rebuilds", "calibrate"])]
    pub(super) json: bool,
    /// Compare each workload of the scenario with itself, and store its noise and its rate of false
    /// alarms
    #[arg(long)]
    pub(super) calibrate: bool,
    /// Number of comparisons per workload [default: 60 in total, at least 4 per workload]
    #[arg(long, value_name = "NUMBER", requires = "calibrate")]
    pub(super) comparisons: Option<usize>,
    /// Seed of the random choices, to repeat those of an earlier calibration [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Formats, recognised by content: hyperfine (--export-json), Google Benchmark \
        (--benchmark_out), pytest-benchmark (--benchmark-json), criterion (estimates.json, or the \
        folder target/criterion, whose baseline and `new` are the two sides), and tables of \
        comma-separated values. Required columns of a table, in any order: method, previous_ms, \
        current_ms. Optional columns: delta_ms, delta_percent, previous_alloc_mb, \
        current_alloc_mb, reported_status. Nothing is judged, because neither one sample nor one \
        session per side supports a verdict. Contradictions among the numbers are listed."
)]
pub(super) struct ImportOptions {
    /// Table of two runs, or results of a benchmark tool
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Results after the change, from the same tool; FILE then holds the results before it
    #[arg(value_name = "AFTER")]
    pub(super) after: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    /// PLUGIN or PLUGIN/WORKLOAD to show [default: all plugins of the scenario]
    pub(super) subject: Option<String>,
    /// Scenario that names the plugins [default: scenarios/nightly.yaml, else the only one there,
    /// else bench.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Print the describe documents as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsOptions {
    /// Shell that reads the script
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Create a plugin project that builds, runs and has tests
    New(NewOptions),
    /// Check a plugin for defects: its file, its describe document, and each workload at the ends
    /// of its parameters
    Check(PluginCheckOptions),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Each workload runs with its defaults and with each parameter at its ends. Each \
        set of parameters runs in a process of its own with a limit of 5 s (defaults: 60 s) and \
        2 GiB; exceeding a limit at an end is only a note. Times are single readings."
)]
pub(super) struct PluginCheckOptions {
    /// Shared library, folder of a crate, scenario, or folder with bench.yaml
    #[arg(default_value = ".")]
    pub(super) subject: PathBuf,
    /// Check only workloads whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) workload: Option<String>,
    /// Print the findings as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Criterion benches become a scenario, unchanged. They are built so that their \
        benchmarks can be listed. Other code gets a small plugin as a starting point. Files that \
        exist are kept."
)]
pub(super) struct InitOptions {
    /// Folder of the code
    #[arg(default_value = ".")]
    pub(super) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct NewOptions {
    /// Name of the plugin in scenarios and of its package
    pub(super) name: String,
    /// Language of the plugin
    #[arg(long, value_enum, default_value_t = StarterLanguage::Rust)]
    pub(super) lang: StarterLanguage,
    /// Folder to create [default: the plugin's name]
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StarterLanguage {
    Rust,
    C,
    Cpp,
}
