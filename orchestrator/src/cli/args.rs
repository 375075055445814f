//! The command line's arguments.

use crate::compare::DEFAULT_TIME;
use crate::scenario::quantity;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// A benchmark orchestrator: measures workloads of plugins in fresh processes, with exact
/// allocations and the commit.
#[derive(Debug, Parser)]
#[command(name = "orch", version, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Measures a scenario and stores a record in results/
    Run(RunOptions),
    /// Judges two builds, variants or records against each other
    Compare(CompareOptions),
    /// Judges the working tree against its baseline: the gate of a pull request
    Check(CheckOptions),
    /// Finds the commit that changed a workload
    Bisect(BisectOptions),
    /// Says what is wrong with this machine for measuring, or measures how far verdicts can be
    /// trusted here
    Doctor(DoctorOptions),
    /// Checks a table of two runs that another tool printed
    Import(ImportOptions),
    /// Shows plugins, workloads, parameters and metrics
    List(ListOptions),
    /// For those who write plugins: a new one, or what is wrong with one
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Prints the JSON Schema of scenario files, for editors
    Schema,
}

/// How long a command waits until other measurements on this machine have ended.
#[derive(Debug, Clone, Args)]
pub(super) struct WaitOptions {
    /// Give up where another process measures on this machine for longer than this [default: wait
    /// without limit]
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration)]
    wait: Option<Duration>,
    /// Give up at once where another process measures on this machine
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
}

impl WaitOptions {
    /// The longest time to wait; none without a limit.
    pub(super) fn limit(&self) -> Option<Duration> {
        if self.no_wait {
            Some(Duration::ZERO)
        } else {
            self.wait
        }
    }
}

/// Where a result goes.
#[derive(Debug, Clone, Args)]
pub(super) struct OutputOptions {
    /// Folder of the results [default: results/ of the project]
    #[arg(long, value_name = "DIR")]
    pub(super) results: Option<PathBuf>,
    /// Prints the result as JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunOptions {
    /// The scenario [default: scenarios/nightly.yaml, else the only one there, else bench.yaml]
    pub(super) scenario: Option<PathBuf>,
    /// Only jobs whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    #[command(flatten)]
    pub(super) wait: WaitOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
    /// Prints what would be measured, in which order, and about how long it takes
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Goes on with the newest run in the results folder that was killed or interrupted
    #[arg(long, conflicts_with_all = ["dry_run", "seed"])]
    pub(super) resume: bool,
    /// Repeats the order of jobs of an earlier run [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A and B are each a git revision (HEAD~1, v1.2), a shared library, a stored \
        record (its id, folder or file), or the project's folder for the working tree as it is. \
        Records are compared in what is exact; two builds are measured in pairs of processes."
)]
pub(super) struct CompareOptions {
    /// The baseline
    pub(super) a: String,
    /// The candidate
    pub(super) b: String,
    /// The scenario that says what is measured [default: scenarios/nightly.yaml, else the only one
    /// there, else bench.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Only jobs whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    /// Gives a parameter another value on each side: --set kv_cache=true,false
    #[arg(long, value_name = "PARAM=A,B")]
    pub(super) set: Option<String>,
    /// The scenario's plugin that a library takes the place of [default: its only one]
    #[arg(long, value_name = "KEY")]
    pub(super) plugin: Option<String>,
    /// Repository of the code under test, where it is not the scenario's; plugins elsewhere are
    /// laid over its commits
    #[arg(long, value_name = "PATH")]
    pub(super) repo: Option<PathBuf>,
    #[command(flatten)]
    pub(super) wait: WaitOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
    /// A workload that is still open has at most this many pairs of processes
    #[arg(long, value_name = "NUMBER", default_value_t = crate::judge::verdict::MOST_PAIRS)]
    pub(super) pairs: usize,
    /// A workload that is still open is measured for at most this long
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_TIME)]
    pub(super) time: String,
    /// Measures identical code too, to see what the verdicts are worth
    #[arg(long)]
    pub(super) control: bool,
    /// Repeats the coins of an earlier comparison [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without --baseline, the working tree is compared with the commit at which its \
        branch left the default branch; on that branch, with HEAD or, where nothing was changed \
        that reaches a plugin, the commit before. Exit code: 0 passed, 1 failed, 125 open where \
        the scenario does not let that pass, 201 incomplete."
)]
pub(super) struct CheckOptions {
    /// The scenario [default: scenarios/nightly.yaml, else the only one there, else bench.yaml]
    pub(super) scenario: Option<PathBuf>,
    /// A revision, a library, a record whose commit is built again, or `accepted` for the commit in
    /// results/accepted.yaml
    #[arg(long, value_name = "A")]
    pub(super) baseline: Option<String>,
    /// Under `git bisect run`: the baseline is the known good commit, and whatever cannot be told
    /// is skipped (125)
    #[arg(long)]
    pub(super) for_git_bisect: bool,
    /// Measures again just what failed in an earlier check: its id or folder
    #[arg(long, value_name = "CHECK")]
    pub(super) only: Option<String>,
    /// Only jobs whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    /// Time for pairs of all jobs together; where a verdict is open it goes on [default: the
    /// scenario's]
    #[arg(long, value_name = "DURATION")]
    pub(super) budget: Option<String>,
    /// Repository of the code under test, where it is not the scenario's; plugins elsewhere are
    /// laid over its commits
    #[arg(long, value_name = "PATH")]
    pub(super) repo: Option<PathBuf>,
    #[command(flatten)]
    pub(super) wait: WaitOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
    /// Repeats the coins of an earlier check [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without --workload or --good, the worst regression of the latest stored \
        comparison is meant. The working tree, the index and the branches are not touched: commits \
        are built elsewhere. Exit code: 1 found, 0 nothing to find, 125 undecided."
)]
pub(super) struct BisectOptions {
    /// The scenario [default: that of the comparison, scenarios/nightly.yaml, or the only scenario]
    pub(super) scenario: Option<PathBuf>,
    /// Id of the job that changed
    #[arg(long, value_name = "ID")]
    pub(super) workload: Option<String>,
    /// A revision before the change
    #[arg(long, value_name = "REV")]
    pub(super) good: Option<String>,
    /// A revision with the change [default: HEAD, where --workload and --good are given]
    #[arg(long, value_name = "REV")]
    pub(super) bad: Option<String>,
    /// time, allocations, bytes, peak_bytes, digest, or a metric of the plugin [default: time]
    #[arg(long, value_name = "METRIC")]
    pub(super) metric: Option<String>,
    /// Looks for what made it worse, or better
    #[arg(
        long,
        value_name = "DIRECTION",
        value_parser = ["worse", "better"],
        default_value = "worse"
    )]
    pub(super) direction: String,
    /// Takes every ancestor as a candidate, not only first parents
    #[arg(long)]
    pub(super) all: bool,
    /// Stop at the largest step; leave the rest of the range unsearched
    #[arg(long)]
    pub(super) first: bool,
    /// Undoes the culprit on the bad end, in orch's own worktree, and measures that
    #[arg(long)]
    pub(super) verify_revert: bool,
    /// Goes on with the newest bisect of this repository that was stopped
    #[arg(
        long,
        conflicts_with_all = [
            "workload", "good", "bad", "metric", "direction", "all", "first", "verify_revert",
            "dry_run", "retry_failed", "pairs", "results", "seed",
        ]
    )]
    pub(super) resume: bool,
    /// Prints the range, and about how many builds and how long it takes
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Builds again what failed to build in an earlier bisect
    #[arg(long)]
    pub(super) retry_failed: bool,
    /// Pairs of processes after which a search is undecided
    #[arg(long, value_name = "NUMBER", default_value_t = 1500)]
    pub(super) pairs: usize,
    /// Repository of the code under test, where it is not the scenario's; plugins elsewhere are
    /// laid over its commits
    #[arg(long, value_name = "PATH")]
    pub(super) repo: Option<PathBuf>,
    #[command(flatten)]
    pub(super) wait: WaitOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
    /// Repeats the coins of an earlier bisect [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct DoctorOptions {
    /// Rebuilds each plugin crate so many times with unrelated code before its own, and measures
    /// how the times of the same code differ; later comparisons widen their margins accordingly
    #[arg(long, value_name = "NUMBER")]
    pub(super) rebuilds: Option<usize>,
    /// The scenario whose workloads are measured [default: scenarios/nightly.yaml, else the only
    /// one there, else bench.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Only jobs whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    /// Prints the findings as JSON
    #[arg(long, conflicts_with_all = ["rebuilds", "calibrate"])]
    pub(super) json: bool,
    /// Compares each workload of the scenario with itself, and keeps how much that scatters and how
    /// often it errs
    #[arg(long)]
    pub(super) calibrate: bool,
    /// Comparisons of each workload [default: 60 of all together, at least 4 of each]
    #[arg(long, value_name = "NUMBER", requires = "calibrate")]
    pub(super) comparisons: Option<usize>,
    /// Repeats the coins of an earlier calibration [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Columns, in any order: method, previous_ms, current_ms; and, where there are \
        such, delta_ms, delta_percent, previous_alloc_mb, current_alloc_mb, reported_status. \
        Nothing is judged, because one sample per side carries no verdict; numbers that cannot be \
        true are listed."
)]
pub(super) struct ImportOptions {
    /// A table of comma-separated values with the columns' names in its first line
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    /// PLUGIN or PLUGIN/WORKLOAD; all plugins of the scenario if absent
    pub(super) subject: Option<String>,
    /// The scenario whose plugins are shown [default: scenarios/nightly.yaml, else the only one
    /// there, else bench.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Prints the describe documents as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Begins a plugin: a project that builds, runs and is tested as it is
    New(NewOptions),
    /// Says what is wrong with a plugin: its file, its document, and each workload at the ends of
    /// its parameters
    Check(PluginCheckOptions),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Each workload is run with its defaults and with each parameter at its ends, in \
        throw-away processes of 5 s and 2 GiB (defaults: 60 s); what takes more is only noted. \
        Times are single readings. Exit code: 0 fine, notes and warnings included; 201 with errors."
)]
pub(super) struct PluginCheckOptions {
    /// A shared library, a crate's folder, a scenario, or a folder with bench.yaml
    #[arg(default_value = ".")]
    pub(super) subject: PathBuf,
    /// Only workloads whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) workload: Option<String>,
    /// Prints the findings as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct NewOptions {
    /// Its name, as scenarios and cargo will call it
    pub(super) name: String,
    /// Its language
    #[arg(long, value_enum, default_value_t = StarterLanguage::Rust)]
    pub(super) lang: StarterLanguage,
    /// The folder that is made [default: its name]
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StarterLanguage {
    Rust,
    C,
    Cpp,
}
