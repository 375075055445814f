//! What the page of a comparison shows: all changes on one scale, and what is behind each of them.

use super::pair_plot::{self, PairPlot};
use super::{MOST_PAGE_ROWS, PageCount};
use crate::comparison::{Comparison, FILE, MetricEntry, RelativeChange, Verdict};
use crate::render::chart::icicle::{self, Icicle};
use crate::render::chart::ratio_scale::{self, ChangeMark, RatioScale, ScaleMark};
use crate::render::chart::strip::{self, SampleStrip};
use crate::render::comparison::{self, WorkloadRow};
use crate::render::shown::{MOST_TEXTS, ShownList};
use crate::render::tone::Tone;
use orch_core::format;
use serde::Serialize;

/// The page of a comparison.
#[derive(Debug, Serialize)]
pub(in super::super) struct ComparisonPage {
    counts: Vec<PageCount>,
    /// Labelled places of the scale of all changes.
    marks: Vec<ScaleMark>,
    /// Description of that scale.
    scale: String,
    /// Workloads, in the order of `rows`.
    rows: ShownList<PageRow>,
    /// Workloads that are not equivalent, with their samples.
    details: ShownList<PageDetail>,
}

/// A workload. Raw numbers sort the table.
#[derive(Debug, Serialize)]
struct PageRow {
    id: String,
    /// The verdict in words, and its rank: the worst verdict has 0.
    word: String,
    rank: usize,
    tone: &'static str,
    change: Option<f64>,
    time_a_ns: Option<f64>,
    /// Allocations of B minus those of A.
    allocations: Option<f64>,
    mark: Option<ChangeMark>,
    /// Meaning of the verdict on the time alone.
    time_tone: &'static str,
    text: PageRowText,
}

/// The cells of a workload.
#[derive(Debug, Serialize)]
struct PageRowText {
    time_a: String,
    time_b: String,
    change: String,
    interval: String,
    pairs: String,
    counted: String,
}

/// The measurement behind a verdict.
#[derive(Debug, Serialize)]
struct PageDetail {
    id: String,
    word: String,
    tone: &'static str,
    /// Reasons of the verdict: the metrics that changed, and the time.
    lines: Vec<String>,
    samples: Option<SampleStrip>,
    pairs: Option<PairPlot>,
    difference: Option<Icicle>,
}

impl ComparisonPage {
    pub(in super::super) fn of(comparison: &Comparison, rows: &[WorkloadRow]) -> Self {
        let timed = || rows.iter().filter_map(|row| row.time);
        let margin = timed()
            .map(|time| time.margin)
            .fold(f64::INFINITY, f64::min);
        let margin = if margin.is_finite() { margin } else { 0.01 };
        let changes = timed().filter_map(|time| time.change.as_ref());
        let scale = RatioScale::covering(changes, margin);
        let detailed = rows
            .iter()
            .filter(|row| row.verdict != Verdict::Equivalent && !row.workload.pairs.is_empty());
        Self {
            counts: counts(comparison),
            marks: scale.marks(),
            scale: ratio_scale::describe_scale(margin),
            rows: ShownList::first(MOST_PAGE_ROWS, rows)
                .map(|row| page_row(row, scale))
                .counting("workload", FILE),
            details: ShownList::first(MOST_TEXTS, detailed)
                .map(detail)
                .counting("workload", FILE),
        }
    }
}

fn counts(comparison: &Comparison) -> Vec<PageCount> {
    let mut counts: Vec<(&Verdict, &usize)> = comparison.counts.iter().collect();
    counts.sort_by_key(|(verdict, _)| **verdict);
    counts
        .into_iter()
        .filter(|(_, count)| **count > 0)
        .map(|(verdict, count)| PageCount {
            count: *count,
            word: verdict.word().to_owned(),
            tone: tone(*verdict),
        })
        .collect()
}

/// Returns the meaning of a verdict for its reader.
fn tone(verdict: Verdict) -> &'static str {
    Tone::of_verdict(verdict).map_or("plain", Tone::word)
}

fn page_row(row: &WorkloadRow, scale: RatioScale) -> PageRow {
    let time = row.time;
    let number = |entry: Option<&MetricEntry>| entry.and_then(|entry| entry.a.as_f64());
    let marked = |entry: &MetricEntry| -> Option<(RelativeChange, f64)> {
        Some((entry.change?, entry.margin))
    };
    PageRow {
        id: format::shortened(row.id),
        word: row.word.clone(),
        rank: row.verdict as usize,
        tone: tone(row.verdict),
        change: time
            .and_then(|time| time.change)
            .map(|change| change.estimate),
        time_a_ns: number(time),
        allocations: row
            .allocations
            .and_then(|entry| Some(entry.b.as_f64()? - entry.a.as_f64()?)),
        mark: time
            .and_then(marked)
            .map(|(change, margin)| scale.mark(&change, margin)),
        time_tone: time.map_or("plain", |time| tone(time.verdict)),
        text: PageRowText {
            time_a: row.text.time_a.clone(),
            time_b: row.text.time_b.clone(),
            change: row.text.change_or_code.clone(),
            interval: row.text.interval.clone(),
            pairs: row.text.pairs.clone(),
            counted: row.text.counted.clone(),
        },
    }
}

fn detail(row: &WorkloadRow) -> PageDetail {
    let pairs = &row.workload.pairs;
    PageDetail {
        id: format::shortened(row.id),
        word: row.word.clone(),
        tone: tone(row.verdict),
        lines: lines(row),
        samples: strip::draw_sides(pairs),
        pairs: pair_plot::draw(pairs, row.time.map_or(0.01, |time| time.margin)),
        difference: icicle::draw_difference(&row.workload.scopes),
    }
}

fn lines(row: &WorkloadRow) -> Vec<String> {
    let time = row
        .time
        .map(|_| format!("time: {}", format::brief(&row.text.why)));
    comparison::list_reasons(row)
        .into_iter()
        .chain(time)
        .collect()
}
