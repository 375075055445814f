//! A culprit of a bisect: the shown entries and places, and lines about its changes.

use super::super::entries::{self, EntryText};
use super::super::origins;
use super::super::places::{self, ShownPlace};
use super::super::shown::ShownList;
use super::code::ChangedCode;
use super::commits::{self, CommitLine};
use super::texts;
use crate::bisect::cause::{CauseKind, ChangeCause};
use crate::bisect::{Culprit, ReportedCommit};
use crate::comparison::{MetricEntry, Verdict};
use crate::model::metric::Metric;
use crate::plugin::dependencies::DependencyChange;
use orch_core::format;
use serde::Serialize;

/// Most packages that a table shows.
const MOST_PACKAGES: usize = 20;
/// Most packages that a plain text names.
const NAMED_PACKAGES: usize = 6;
/// Most files that are named.
const MOST_FILES: usize = 12;

/// A culprit with its changes of the code.
#[derive(Serialize)]
pub(super) struct ExplainedCulprit<'a> {
    culprit: &'a Culprit,
    /// Entries shown beside its metric.
    others: Vec<&'a MetricEntry>,
    /// The metric and the entries beside it.
    figures: Vec<ShownEntry<'a>>,
    /// Places of the change of time.
    places: Vec<ShownPlace<'a>>,
    packages: ShownList<ShownPackage<'a>>,
    files: ShownList<&'a str>,
    #[serde(flatten)]
    code: ChangedCode<'a>,
    /// Change of time in the profiles, if it differs from that of the pairs.
    profiles: Option<String>,
    /// The commit; null if it is one of several.
    single: Option<&'a ReportedCommit>,
    /// Commits that cannot be distinguished; empty for a single one.
    several: Vec<CommitLine<'a>>,
    text: CulpritText,
}

/// An entry with its cells.
#[derive(Serialize)]
pub(super) struct ShownEntry<'a> {
    #[serde(flatten)]
    entry: &'a MetricEntry,
    text: EntryText,
}

/// A package whose version changed. A version is `none` if the package is absent.
#[derive(Serialize)]
struct ShownPackage<'a> {
    package: &'a str,
    before: &'a str,
    after: &'a str,
}

/// Sentences about a culprit.
#[derive(Serialize)]
struct CulpritText {
    /// The commit and its subject, or the number of commits. `title` is a heading, `headline` is
    /// for a terminal.
    title: String,
    headline: String,
    /// The probability, and whether the change is opposite to that of the range.
    probability: String,
    /// The kind of change, if the commit contains no other kind.
    cause: Option<&'static str>,
    /// One line each for the size of the change, packages, other metrics, places and code.
    lines: Vec<String>,
}

/// Returns the view of a culprit. `metric` is the metric of the bisect.
pub(super) fn explained<'a>(culprit: &'a Culprit, metric: &Metric) -> ExplainedCulprit<'a> {
    let is_other = |entry: &&MetricEntry| entry.metric != *metric && entry.metric.is_own();
    let is_figure = |entry: &&MetricEntry| entry.metric == *metric || entry.metric.is_own();
    let time = culprit
        .entries
        .iter()
        .find(|entry| entry.metric == Metric::Time);
    let places = &culprit.comparison.scopes;
    let profiles = time.and_then(|time| time.other_size(places));
    let others: Vec<&MetricEntry> = culprit.entries.iter().filter(is_other).collect();
    let code = ChangedCode::of(&culprit.comparison.code);
    let packages = culprit.cause.dependencies.iter().map(ShownPackage::of);
    let files = culprit.cause.files.iter().map(String::as_str);
    let evidence = CulpritEvidence {
        culprit,
        metric,
        others: &others,
        code: &code,
        profiles: profiles.as_deref(),
    };
    ExplainedCulprit {
        text: CulpritText {
            title: title(&culprit.about),
            headline: headline(&culprit.about),
            probability: probability_sentence(culprit),
            cause: cause(&culprit.cause),
            lines: evidence.lines(),
        },
        culprit,
        single: match &culprit.about[..] {
            [one] => Some(one),
            _ => None,
        },
        several: match &culprit.about[..] {
            [_] => Vec::new(),
            several => several.iter().map(commits::with_author).collect(),
        },
        figures: culprit
            .entries
            .iter()
            .filter(is_figure)
            .map(|entry| ShownEntry {
                entry,
                text: EntryText::of(entry),
            })
            .collect(),
        places: places::largest(places),
        packages: ShownList::first(MOST_PACKAGES, packages),
        files: ShownList::first(MOST_FILES, files),
        others,
        code,
        profiles,
    }
}

fn title(about: &[ReportedCommit]) -> String {
    match about {
        [one] => format!("{}: {}", origins::short(&one.commit), one.subject),
        several => format!("One of {} commits", several.len()),
    }
}

fn headline(about: &[ReportedCommit]) -> String {
    match about {
        [one] => format!(
            "{}: {}",
            origins::short(&one.commit),
            format::brief(&one.subject)
        ),
        several => format!("one of these {} commits:", several.len()),
    }
}

fn probability_sentence(culprit: &Culprit) -> String {
    let opposite = if culprit.other_way {
        ", and the change is opposite to that of the whole range"
    } else {
        ""
    };
    format!(
        "Probability {}{opposite}.",
        texts::probability(culprit.probability)
    )
}

/// Returns a sentence part about a commit with one kind of change. Returns `None` if the packages
/// already show it.
fn cause(cause: &ChangeCause) -> Option<&'static str> {
    match cause.kind {
        CauseKind::Toolchain => Some("it only changes the compiler version"),
        CauseKind::Dependencies | CauseKind::BuildSettings if cause.dependencies.is_empty() => {
            Some("it only changes how cargo builds")
        }
        _ => None,
    }
}

impl<'a> ShownPackage<'a> {
    fn of(change: &'a DependencyChange) -> Self {
        let version = |version: &'a Option<String>| {
            let known = version.as_deref().filter(|version| !version.is_empty());
            known.unwrap_or("none")
        };
        Self {
            package: &change.package,
            before: version(&change.before),
            after: version(&change.after),
        }
    }
}

/// Inputs of the lines about a culprit.
struct CulpritEvidence<'a> {
    culprit: &'a Culprit,
    metric: &'a Metric,
    others: &'a [&'a MetricEntry],
    code: &'a ChangedCode<'a>,
    profiles: Option<&'a str>,
}

impl CulpritEvidence<'_> {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.change_line()];
        lines.extend(cause(&self.culprit.cause).map(str::to_owned));
        lines.extend(self.packages_line());
        let is_changed =
            |entry: &&&MetricEntry| matches!(entry.verdict, Verdict::Regressed | Verdict::Improved);
        let changed = self.others.iter().filter(is_changed);
        lines.extend(changed.filter_map(|entry| {
            let values = entries::values(entry);
            (!values.is_empty()).then(|| format!("{} {}", entry.metric, values.join(" -> ")))
        }));
        lines.extend(self.time_lines());
        let allocating = places::allocating(&self.culprit.comparison.scopes);
        lines.extend(allocating.map(|place| place.bytes_line()));
        lines.extend(self.code.lines());
        lines
    }

    fn change_line(&self) -> String {
        let culprit = self.culprit;
        let values = [&culprit.before, &culprit.after];
        let opposite = if culprit.other_way {
            ", opposite to the change of the whole range"
        } else {
            ""
        };
        format!(
            "{} {}{opposite}; probability {}",
            self.metric,
            texts::step(culprit.change, values, self.metric),
            texts::probability(culprit.probability)
        )
    }

    fn packages_line(&self) -> Option<String> {
        let changes = &self.culprit.cause.dependencies;
        let named = changes.iter().take(NAMED_PACKAGES).map(ShownPackage::of);
        let named: Vec<String> = named
            .map(|one| format!("{} {} -> {}", one.package, one.before, one.after))
            .collect();
        let more = match changes.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!named.is_empty()).then(|| format!("packages: {}{more}", named.join("; ")))
    }

    /// Returns the places of the change of time, if the metric is computed from time.
    fn time_lines(&self) -> Vec<String> {
        let is_counted = self.culprit.before.is_number();
        let is_timed =
            *self.metric == Metric::Time || (self.culprit.change.is_some() && !is_counted);
        if !is_timed {
            return Vec::new();
        }
        let size = self
            .profiles
            .map(|size| format!("({size}) "))
            .unwrap_or_default();
        places::share_lines(&self.culprit.comparison.scopes)
            .map(|line| format!("in the profiles {size}{line}"))
            .collect()
    }
}
