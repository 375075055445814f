//! What the page of a run shows: jobs with their samples, and trees of scopes as boxes.

use super::{MOST_PAGE_ROWS, PageCount};
use crate::record::{JobOutcome, JobRecord, Record, ScopeRecord, store};
use crate::render::chart::icicle::{self, Icicle, ScopeSize};
use crate::render::chart::strip::{self, SampleStrip};
use crate::render::job_text::JobText;
use crate::render::profile::is_spoilt;
use crate::render::shown::ShownList;
use orch_core::format;
use serde::Serialize;

/// Most jobs whose scopes are drawn, and fewest scopes of such a job. Fewer have nothing to
/// compare.
const MOST_TREES: usize = 60;
const FEWEST_SCOPES: usize = 3;

/// The page of a run.
#[derive(Debug, Serialize)]
pub(in super::super) struct RunPage {
    counts: Vec<PageCount>,
    /// Jobs that were measured, in the record's order.
    jobs: ShownList<PageJob>,
    /// Jobs with enough scopes for a drawing.
    trees: ShownList<PageTree>,
}

/// A measured job. Raw numbers sort the table.
#[derive(Debug, Serialize)]
struct PageJob {
    id: String,
    about: String,
    time_ns: Option<f64>,
    allocations: Option<f64>,
    bytes: Option<f64>,
    samples: Option<SampleStrip>,
    /// Whether warnings make its median unreliable.
    is_unreliable: bool,
    text: JobText,
}

/// The scopes of a job as boxes.
#[derive(Debug, Serialize)]
struct PageTree {
    job: String,
    time: Option<Icicle>,
    bytes: Option<Icicle>,
}

impl RunPage {
    pub(in super::super) fn of(record: &Record) -> Self {
        let measured = record
            .jobs
            .iter()
            .filter(|job| job.outcome == JobOutcome::Measured);
        let trees = record.jobs.iter().filter_map(draw_trees);
        Self {
            counts: counts(record),
            jobs: ShownList::first(MOST_PAGE_ROWS, measured)
                .map(page_job)
                .counting("job", store::FILE),
            trees: ShownList::first(MOST_TREES, trees).counting("tree", store::FILE),
        }
    }
}

fn counts(record: &Record) -> Vec<PageCount> {
    [
        (JobOutcome::Measured, "good"),
        (JobOutcome::Failed, "bad"),
        (JobOutcome::Skipped, "open"),
    ]
    .into_iter()
    .map(|(outcome, tone)| PageCount {
        count: record
            .jobs
            .iter()
            .filter(|job| job.outcome == outcome)
            .count(),
        word: outcome.word().to_owned(),
        tone,
    })
    .chain([PageCount {
        count: record.jobs.iter().filter(|job| is_spoilt(job)).count(),
        word: "with an unreliable median".to_owned(),
        tone: "open",
    }])
    .filter(|one| one.count > 0)
    .collect()
}

fn page_job(job: &JobRecord) -> PageJob {
    let counted = job.allocations.as_ref();
    PageJob {
        id: format::shortened(&job.id),
        about: format::shortened(job.about.as_deref().unwrap_or_default()),
        time_ns: job.time.as_ref().map(|time| time.median_ns),
        allocations: counted.map(|counted| counted.count),
        bytes: counted.map(|counted| counted.bytes),
        is_unreliable: is_spoilt(job),
        samples: job.time.as_ref().and_then(strip::draw_processes),
        text: JobText::of(job),
    }
}

/// Draws the scopes of a job; `None` if it has too few.
fn draw_trees(job: &JobRecord) -> Option<PageTree> {
    let iterations = job.profile.as_ref()?.iterations.max(1) as f64;
    let draw = |size| icicle::draw_tree(&job.scopes, iterations, size);
    let [time, bytes] = [ScopeSize::Time, ScopeSize::Bytes].map(draw);
    (count(&job.scopes) >= FEWEST_SCOPES && (time.is_some() || bytes.is_some())).then(|| PageTree {
        job: format::shortened(&job.id),
        time,
        bytes,
    })
}

fn count(scopes: &[ScopeRecord]) -> usize {
    scopes.iter().map(|scope| 1 + count(&scope.children)).sum()
}
