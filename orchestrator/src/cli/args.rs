//! The command line's arguments.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A benchmark orchestrator: measures workloads of plugins in fresh processes, with exact allocations and the commit.
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
    /// Shows plugins, workloads, parameters and metrics
    List(ListOptions),
    /// Prints the JSON Schema of scenario files, for editors
    Schema,
}

#[derive(Debug, Args)]
pub(super) struct RunOptions {
    /// The scenario file
    pub(super) scenario: PathBuf,
    /// Only jobs whose id matches; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    /// Folder of the results [default: results/ of the project]
    #[arg(long, value_name = "DIR")]
    pub(super) results: Option<PathBuf>,
    /// Prints what would be measured, in which order, and about how long it takes
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Prints the record instead of the summary
    #[arg(long)]
    pub(super) json: bool,
    /// Goes on with the newest run in the results folder that was killed
    #[arg(long, conflicts_with_all = ["dry_run", "seed"])]
    pub(super) resume: bool,
    /// Repeats the order of jobs of an earlier run [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    /// PLUGIN or PLUGIN/WORKLOAD; all plugins of the scenario if absent
    pub(super) subject: Option<String>,
    /// The scenario whose plugins are shown [default: scenarios/nightly.yaml, else the only scenario]
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Prints the describe documents as JSON
    #[arg(long)]
    pub(super) json: bool,
}
