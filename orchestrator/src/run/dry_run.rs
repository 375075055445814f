//! The output of `--dry-run`: the jobs, their order, and an estimate of the time.

use crate::git::Revision;
use crate::machine;
use crate::plan::{self, Plan, StepKind};
use crate::project::{LoadedScenario, PluginSet};
use crate::runner::anchor_pairs::PAIRS;
use crate::runner::plan_execution;
use crate::scenario::Job;
use std::time::Duration;

/// Maximum time of a pair, unless a single iteration takes longer.
const PAIR_TIME: Duration = Duration::from_millis(350);

/// The plan of a run.
pub(crate) struct DryRun {
    /// Jobs, their order, and an estimate of the time.
    pub(crate) text: String,
    /// Whether all jobs can be measured here.
    pub(crate) is_complete: bool,
}

impl DryRun {
    pub(super) fn describe(
        loaded: &LoadedScenario,
        plan: &Plan,
        jobs: &[Job],
        plugins: &PluginSet,
        anchor: Option<&Revision>,
    ) -> Self {
        let cpus = machine::usable_cpus();
        let is_lost = |job: &Job| {
            plan_execution::describe_missing_cpus(job, &cpus).is_some()
                || plugins.prepared.get(&job.plugin).is_none_or(Result::is_err)
        };
        Self {
            text: text(loaded, plan, jobs, plugins, anchor, &cpus),
            is_complete: !jobs.iter().any(is_lost),
        }
    }
}

fn text(
    loaded: &LoadedScenario,
    plan: &Plan,
    jobs: &[Job],
    plugins: &PluginSet,
    anchor: Option<&Revision>,
    cpus: &[usize],
) -> String {
    use std::fmt::Write;
    let estimate: Duration = plan
        .steps
        .iter()
        .map(|step| plan::estimate_step(*step, jobs))
        .sum();
    let mut text = format!(
        "{}: {} jobs, {} passes in separate processes, about {} of measuring, seed {}\n\n",
        loaded.scenario.name,
        jobs.len(),
        plan.steps.len(),
        orch_core::format::time(estimate.as_nanos() as f64),
        plan.seed
    );
    if let Some(anchor) = anchor {
        let name = loaded.scenario.anchor.as_deref().unwrap_or_default();
        let pairs = jobs.len() * PAIRS;
        let about = orch_core::format::time(
            (PAIR_TIME * u32::try_from(pairs).unwrap_or(u32::MAX)).as_nanos() as f64,
        );
        let text_of = format!(
            "then {PAIRS} pairs of each job with {name} ({}, {}), about {about}",
            anchor.short(),
            anchor.subject
        );
        let _ = writeln!(text, "{text_of}\n");
    }
    for job in jobs {
        let params = serde_json::Value::Object(job.params.clone());
        let _ = writeln!(
            text,
            "{}: {}/{} {params}, {} rounds, {} of samples, threads {}",
            job.id,
            job.plugin,
            job.workload,
            job.settings.rounds,
            orch_core::format::time(job.settings.time.as_nanos() as f64),
            job.settings.threads,
        );
    }
    for (round, ids) in rounds(plan, jobs).iter().enumerate() {
        let _ = write!(
            text,
            "\ntiming round {}: {}",
            round + 1,
            orch_core::format::listed(ids)
        );
    }
    text.push('\n');
    for (key, _) in &loaded.scenario.plugins {
        if let Some(Err(failure)) = plugins.prepared.get(key) {
            let _ = writeln!(
                text,
                "\njobs of {key} will fail in {}: {}",
                failure.phase.name(),
                failure.message
            );
        }
    }
    let lacking = |job: &Job| {
        Some((
            job.id.clone(),
            plan_execution::describe_missing_cpus(job, cpus)?,
        ))
    };
    for (id, reason) in jobs.iter().filter_map(lacking) {
        let _ = writeln!(text, "\n{id} will be skipped: it {reason}");
    }
    let _ = writeln!(text, "\nnothing was measured");
    text
}

/// Lists the ids of the jobs in each round of timing, in order.
fn rounds<'a>(plan: &Plan, jobs: &'a [Job]) -> Vec<Vec<&'a str>> {
    let mut rounds: Vec<Vec<&str>> = Vec::new();
    for step in &plan.steps {
        if let StepKind::Time { round } = step.kind {
            rounds.resize(rounds.len().max(round as usize + 1), Vec::new());
            rounds[round as usize].push(&jobs[step.job].id);
        }
    }
    rounds
}
