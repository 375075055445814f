//! The view of a profile for templates: its scopes as rows, the bounded lists of the report, and
//! sentences about the run.

mod insights;
mod models;
mod rows;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use insights::is_spoilt;
pub(super) use rows::{ProfileRow, ShownScope};

use super::shown::{self, MOST_ROWS, MOST_TEXTS, ShownList};
use crate::git::GitState;
use crate::record::{JobOutcome, JobRecord, Record};
use indexmap::IndexMap;
use insights::ProfileInsight;
use models::{ModelProfile, ModelScaling};
use orch_core::format;
use serde::Serialize;
use tree::JobTree;

/// Most rows of a table of scopes.
const MOST_SCOPES: usize = 25;
/// Most jobs whose tree of scopes is shown.
const MOST_TREES: usize = 20;

/// The view that templates get as `profile`.
#[derive(Debug, Serialize)]
pub(super) struct ProfileView<'a> {
    /// Scopes, the longest per iteration first.
    pub(super) scopes: Vec<ProfileRow>,
    insights: Vec<String>,
    /// The insights as facts, in the same order.
    insight_facts: Vec<ProfileInsight>,
    models: Vec<ModelProfile>,
    scaling: Vec<ModelScaling>,
    /// Numbers of insights, models and pairs that are not in those lists.
    more_insights: usize,
    more_models: usize,
    more_scaling: usize,
    /// Jobs with scopes inside scopes.
    trees: ShownList<JobTree<'a>>,
    /// The longest rows, those with the most allocations, those with the most calls, and those
    /// whose calls have a known order.
    longest: ShownList<ShownScope>,
    allocating: ShownList<ShownScope>,
    most_called: ShownList<ShownScope>,
    in_order: ShownList<ShownScope>,
    /// Sentences about the run.
    text: RunText,
}

/// Origin of a run's figures, as Markdown.
#[derive(Debug, Serialize)]
struct RunText {
    commit: String,
    machine: String,
    toolchain: String,
    jobs: String,
}

/// The rows of each job, by its id.
type RowsByJob<'a> = IndexMap<&'a str, Vec<&'a ProfileRow>>;

/// Makes the view of a record.
pub(super) fn view(record: &Record) -> ProfileView<'_> {
    let mut scopes: Vec<ProfileRow> = record.jobs.iter().flat_map(rows::rows).collect();
    scopes.sort_by(|a, b| {
        b.total_ns
            .total_cmp(&a.total_ns)
            .then_with(|| a.job.cmp(&b.job))
    });
    let by_job = shown::grouped(scopes.iter().map(|row| (row.job.as_str(), row)));
    let insights = insights::all_insights(&record.jobs, &scopes, &by_job);
    let insights = ShownList::first(MOST_TEXTS, insights);
    let models = ShownList::first(MOST_ROWS, record.jobs.iter().filter_map(models::model));
    let scaling = ShownList::first(MOST_TEXTS, models::scaling(record));
    let is_tree = |job: &&JobRecord| {
        job.profile.is_some() && job.scopes.iter().any(|scope| !scope.children.is_empty())
    };
    let trees = ShownList::first(MOST_TREES, record.jobs.iter().filter(is_tree)).map(|job| {
        let own = by_job.get(job.id.as_str()).map(Vec::as_slice);
        tree::tree(job, own.unwrap_or_default())
    });
    let allocating = scopes.iter().filter(|row| row.bytes != 0.0);
    ProfileView {
        insights: insights
            .items
            .iter()
            .map(ProfileInsight::sentence)
            .collect(),
        more_insights: insights.more,
        insight_facts: insights.items,
        models: models.items,
        more_models: models.more,
        scaling: scaling.items,
        more_scaling: scaling.more,
        trees,
        longest: first_scopes(&scopes),
        allocating: first_scopes(sorted(allocating, |row| row.bytes)),
        most_called: first_scopes(sorted(scopes.iter(), |row| row.calls)),
        in_order: first_scopes(scopes.iter().filter(|row| !row.series_min_ns.is_empty())),
        text: RunText::of(record),
        scopes,
    }
}

fn first_scopes<'a>(rows: impl IntoIterator<Item = &'a ProfileRow>) -> ShownList<ShownScope> {
    ShownList::first(MOST_SCOPES, rows).map(ShownScope::of)
}

/// Returns the rows sorted by a quantity, the largest first.
fn sorted<'a>(
    scopes: impl Iterator<Item = &'a ProfileRow>,
    quantity: fn(&ProfileRow) -> f64,
) -> Vec<&'a ProfileRow> {
    let mut rows: Vec<&ProfileRow> = scopes.collect();
    rows.sort_by(|one, other| quantity(other).total_cmp(&quantity(one)));
    rows
}

impl RunText {
    fn of(record: &Record) -> Self {
        let machine = &record.machine;
        let first_line = record
            .toolchain
            .as_deref()
            .and_then(|text| text.lines().next());
        let measured = record
            .jobs
            .iter()
            .filter(|job| job.outcome == JobOutcome::Measured);
        let profiled = record.jobs.iter().filter(|job| job.profile.is_some());
        let hypervisor = machine
            .hypervisor
            .as_deref()
            .filter(|name| !name.is_empty());
        Self {
            commit: commit(&record.git),
            machine: format!(
                "{}, {} of {} CPUs, {}, {}, {}, {}{}",
                machine.cpu.model,
                machine.cpu.usable,
                machine.cpu.online,
                format::bytes(machine.memory_bytes as f64),
                machine.os,
                machine.kernel,
                machine.allocator.name,
                hypervisor
                    .map(|name| format!(", under {name}"))
                    .unwrap_or_default()
            ),
            toolchain: first_line.unwrap_or("none").to_owned(),
            jobs: format!(
                "{} of {} measured; scopes of {}",
                measured.count(),
                record.jobs.len(),
                profiled.count()
            ),
        }
    }
}

fn commit(git: &GitState) -> String {
    let Some(commit) = &git.commit else {
        return format!("none ({})", git.message.as_deref().unwrap_or("none"));
    };
    let branch = git.branch.as_ref().map(|branch| format!(" on {branch}"));
    let state = if git.dirty {
        ", with uncommitted changes"
    } else {
        ""
    };
    format!("`{commit}`{}{state}", branch.unwrap_or_default())
}
