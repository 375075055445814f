//! The part of a run's view beside the record: the shown jobs, and facts about the others, in
//! bounded lists.

mod anchors;

use super::histogram;
use super::job_text::JobText;
use super::origins;
use super::profile::is_spoilt;
use super::shown::{self, MOST_ROWS, MOST_TEXTS, ShownList};
use super::tone::Tone;
use crate::git::GitState;
use crate::record::{Contradiction, JobOutcome, JobRecord, Record, RunWall, ScopeRecord, store};
use anchors::AnchorTie;
use orch_core::format;
use orch_core::protocol::Phase;
use serde::Serialize;

/// Most outermost scopes of a job that the summary shows.
const MOST_SCOPES: usize = 5;
/// Shortest wait for other measurements that is reported.
const LONG_WAIT_NS: u64 = 100_000_000;

/// The parts of a run that the summary shows.
#[derive(Serialize)]
pub(super) struct SummaryView<'a> {
    /// Number of jobs that were measured.
    measured: usize,
    /// Most rounds of any job with times.
    rounds: u32,
    /// Jobs that were measured, in the record's order.
    jobs: ShownList<JobRow<'a>>,
    scopes: ShownList<JobScope<'a>>,
    /// Jobs that were not measured, by message.
    lost: ShownList<LostJobs<'a>>,
    ties: Vec<AnchorTie<'a>>,
    contradictions: ShownList<&'a Contradiction>,
    /// Sentences about the whole run.
    text: SummaryText,
}

/// Sentences about a run; null if there is nothing to report.
#[derive(Serialize)]
struct SummaryText {
    /// The commit and its state.
    commit: Option<String>,
    /// Message of git.
    note: Option<String>,
    machine: String,
    /// What the columns of jobs mean.
    legend: [String; 3],
    /// Largest slowdown of an iteration by recording.
    recording: Option<String>,
    /// The command that repeats a job that was not measured.
    repeat: String,
    /// Number of measured jobs, and the time that they took.
    footer: String,
}

/// A job with its cells.
#[derive(Serialize)]
struct JobRow<'a> {
    #[serde(flatten)]
    job: &'a JobRecord,
    /// Tone of a job whose warnings make its median unreliable.
    tone: Option<Tone>,
    /// Its samples, as a sign for each class from fast to slow.
    shape: String,
    text: JobText,
}

#[derive(Serialize)]
struct JobScope<'a> {
    job: &'a str,
    scope: &'a ScopeRecord,
    text: ScopeText,
}

/// The cells of a scope, over all iterations.
#[derive(Serialize)]
struct ScopeText {
    total: String,
    /// Shortest, average and longest call.
    calls: String,
}

/// Jobs that were lost for one reason.
#[derive(Serialize)]
struct LostJobs<'a> {
    /// The first ids, and the number of the others.
    ids: String,
    outcome: JobOutcome,
    phase: Option<Phase>,
    message: &'a str,
    /// Ids and message in one line, with the beginning of a long message.
    line: String,
}

/// Makes the view.
pub(super) fn view(record: &Record) -> SummaryView<'_> {
    let is_measured = |job: &&JobRecord| job.outcome == JobOutcome::Measured;
    let measured = record.jobs.iter().filter(is_measured);
    let count = measured.clone().count();
    let scopes = measured.clone().flat_map(outermost_scopes);
    let lost = record.jobs.iter().filter(|job| !is_measured(job));
    let lost = shown::grouped(lost.map(|job| (job.message.as_deref().unwrap_or_default(), job)));
    let timed = record.jobs.iter().filter(|job| job.time.is_some());
    let rounds = timed.map(|job| job.settings.rounds).max().unwrap_or(0);
    SummaryView {
        measured: count,
        rounds,
        scopes: ShownList::first(MOST_ROWS, scopes).counting("scope", store::FILE),
        jobs: ShownList::first(MOST_ROWS, measured)
            .map(|job| JobRow {
                job,
                tone: is_spoilt(job).then_some(Tone::Open),
                shape: job
                    .time
                    .as_ref()
                    .map(histogram::draw_shape)
                    .unwrap_or_default(),
                text: JobText::of(job),
            })
            .counting("job", store::FILE),
        lost: ShownList::first(MOST_TEXTS, lost)
            .map(|(message, jobs)| lost_jobs(message, &jobs))
            .counting("message", store::FILE),
        ties: anchors::ties(record),
        contradictions: ShownList::first(MOST_TEXTS, &record.contradictions)
            .counting("contradiction", store::FILE),
        text: SummaryText::of(record, count, rounds),
    }
}

fn outermost_scopes(job: &JobRecord) -> impl Iterator<Item = JobScope<'_>> {
    let outermost = job
        .scopes
        .iter()
        .filter(|scope| scope.is_on_driver())
        .take(MOST_SCOPES);
    outermost.map(|scope| {
        let [shortest, total, longest] =
            [scope.min_ns, scope.total_ns, scope.max_ns].map(|ns| ns as f64);
        JobScope {
            job: &job.id,
            scope,
            text: ScopeText {
                total: format::time(total),
                calls: format::times(&[shortest, total / scope.calls as f64, longest]),
            },
        }
    })
}

fn lost_jobs<'a>(message: &'a str, jobs: &[&'a JobRecord]) -> LostJobs<'a> {
    let ids = ids(jobs.iter().map(|job| job.id.as_str()));
    let (outcome, phase) = (jobs[0].outcome, jobs[0].phase);
    let ending = phase.map(|phase| format!(" in {}", phase.name()));
    LostJobs {
        line: format!(
            "{ids}: {}{}: {}",
            outcome.word(),
            ending.unwrap_or_default(),
            format::brief(message)
        ),
        ids,
        outcome,
        phase,
        message,
    }
}

fn ids<'a>(all: impl Iterator<Item = &'a str>) -> String {
    format::listed(&all.collect::<Vec<&str>>())
}

impl SummaryText {
    /// Makes the sentences. `measured` is the number of measured jobs, `rounds` the most rounds of
    /// any job with times.
    fn of(record: &Record, measured: usize, rounds: u32) -> Self {
        let git = &record.git;
        let machine = &record.machine;
        let scenario = &record.scenario;
        let is_filtered = scenario
            .filter
            .as_deref()
            .is_some_and(|filter| !filter.is_empty());
        Self {
            commit: git.commit.as_deref().map(|commit| commit_line(commit, git)),
            note: git
                .message
                .as_ref()
                .map(|message| format!("note: {message}")),
            machine: format!(
                "{} · {} CPUs · {} · {}",
                machine.cpu.model,
                machine.cpu.usable,
                format::bytes(machine.memory_bytes as f64),
                machine.kernel
            ),
            legend: [
                "time, allocations, bytes: per iteration; ~ marks a median that is not exact."
                    .to_owned(),
                "spread: larger distance from the median to an end of its interval, in percent of \
                 the median."
                    .to_owned(),
                format!("Each job has at most {rounds} processes."),
            ],
            recording: recording(record),
            repeat: if is_filtered {
                format!("to repeat: {}", record.command)
            } else {
                format!("to repeat one: {} --filter ID", record.command)
            },
            footer: footer(&record.wall, measured, record.jobs.len()),
        }
    }
}

fn commit_line(commit: &str, git: &GitState) -> String {
    let mut line = format!("commit {}", origins::short(commit));
    if let Some(branch) = &git.branch {
        line.push_str(&format!(" on {branch}"));
    }
    if git.dirty {
        let changes = git.diff_hash.as_deref().map_or("", origins::short);
        line.push_str(&format!(", with uncommitted changes {changes}"));
    }
    line
}

/// Describes the largest slowdown by recording, with the first job that has it.
fn recording(record: &Record) -> Option<String> {
    let mut slowest: Option<(f64, &str)> = None;
    for job in &record.jobs {
        let overhead = job.profile.as_ref().and_then(|profile| profile.overhead);
        if let Some(overhead) = overhead
            && overhead > slowest.map_or(0.0, |(most, _)| most)
        {
            slowest = Some((overhead, &job.id));
        }
    }
    let (overhead, id) = slowest?;
    Some(format!(
        "recording slowed down an iteration by up to {} ({id}); the record has the figure of each \
         job",
        format::percent(overhead)
    ))
}

fn footer(wall: &RunWall, measured: usize, all: usize) -> String {
    let before = wall.prepare_ns.saturating_add(wall.lock_ns);
    let took = wall.total_ns as f64 - before as f64;
    let waited = if wall.lock_ns > LONG_WAIT_NS {
        let waited = format::time(wall.lock_ns as f64);
        format!(", {waited} waiting for the machine")
    } else {
        String::new()
    };
    format!(
        "{measured} of {all} jobs measured in {}, of which {} were timed samples; before that, {} \
         building{waited}",
        format::time(took),
        format::percent(wall.samples_ns as f64 / took),
        format::time(wall.prepare_ns as f64)
    )
}
