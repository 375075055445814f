//! The view of runs for templates: the record itself, its profile, its summary and its warnings.

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
    let warnings = ShownList::first(MOST_TEXTS, warnings::gathered(of_jobs, line))
        .counting("warning", store::FILE);
    RecordView {
        record,
        profile: profile::view(record),
        summary: summary::view(record),
        warnings: warnings.items,
        more_warnings: warnings.more,
        left_out_warnings: warnings.left_out,
        busy: record.load.and_then(|load| load.message()),
    }
}
