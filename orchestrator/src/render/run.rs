//! The view of runs for templates: the record itself, its profile, its summary and its warnings.

use super::files::{self, ResultFile};
use super::growth::{self, GrowthSeries};
use super::histogram::{self, JobHistogram};
use super::hot_paths::HotPaths;
use super::memory::{self, JobMemory};
use super::page::RunPage;
use super::profile::{self, ProfileView};
use super::shown::{MOST_TEXTS, ShownList};
use super::summary::{self, SummaryView};
use super::warnings::{self, GatheredWarning, JobTexts};
use crate::model::warning::{SidedKind, WarningKind};
use crate::record::{Record, store};
use serde::Serialize;

/// The view that a template gets.
#[derive(Serialize)]
pub(super) struct RecordView<'a> {
    record: &'a Record,
    profile: ProfileView<'a>,
    summary: SummaryView<'a>,
    warnings: Vec<GatheredWarning<'a>>,
    /// Number of warnings that are not shown.
    more_warnings: usize,
    left_out_warnings: Option<String>,
    /// Message about a busy machine.
    busy: Option<String>,
    /// Jobs that differ only in their size.
    growth: ShownList<GrowthSeries>,
    files: Vec<ResultFile>,
    hot: HotPaths,
    memory: ShownList<JobMemory>,
    /// The jobs that allocate nothing, in a sentence.
    no_memory: Option<String>,
    histograms: ShownList<JobHistogram>,
    /// What the HTML page shows beside the rest.
    page: RunPage,
}

/// Makes the view.
pub(super) fn view(record: &Record) -> RecordView<'_> {
    let of_run = |kind: &WarningKind| SidedKind {
        kind: *kind,
        side: None,
    };
    let of_jobs = record.jobs.iter().map(|job| JobTexts {
        id: &job.id,
        texts: &job.warnings,
        kinds: job.warning_kinds.iter().map(of_run).collect(),
    });
    let line = |id: &str, text: &str| format!("{id}: {text}");
    let warnings = ShownList::first(MOST_TEXTS, warnings::gather_warnings(of_jobs, line))
        .counting("warning", store::FILE);
    let profile = profile::view(record);
    RecordView {
        record,
        files: files::list_files(record),
        hot: HotPaths::of(record, &profile.scopes),
        profile,
        summary: summary::view(record),
        warnings: warnings.items,
        more_warnings: warnings.more,
        left_out_warnings: warnings.left_out,
        busy: record.load.and_then(|load| load.message()),
        memory: memory::job_memory(record),
        no_memory: memory::name_jobs_without(record),
        histograms: histogram::all_jobs(record),
        growth: ShownList::first(MOST_TEXTS, growth::all_series(&record.jobs)),
        page: RunPage::of(record),
    }
}
