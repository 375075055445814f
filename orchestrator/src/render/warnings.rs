//! Warnings in few lines: of many jobs with the same warning, the first is shown whole and the
//! others are named.

use super::shown;
use crate::model::warning::SidedKind;
use orch_core::format;
use serde::Serialize;
use std::collections::HashSet;

/// Number of further jobs with the same warning from which on they are named only.
const MANY: usize = 3;

/// A warning, and the other jobs that have it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct GatheredWarning<'a> {
    /// The job's id.
    id: &'a str,
    text: &'a str,
    /// Ids of further jobs with the same warning and figures of their own.
    others: Vec<&'a str>,
    /// The first of those ids, and the number of the others.
    named: String,
    /// Id and beginning of the text.
    line: String,
    /// A sentence with the further jobs; null without any.
    alike: Option<String>,
}

impl GatheredWarning<'_> {
    /// Returns the id and the beginning of the text.
    pub(super) fn line(&self) -> &str {
        &self.line
    }
}

/// The warnings of one job: texts, and the kind of each in the same order. Some warnings that an
/// older orch wrote have no kind.
pub(super) struct JobTexts<'a> {
    pub(super) id: &'a str,
    pub(super) texts: &'a [String],
    pub(super) kinds: Vec<SidedKind>,
}

/// Key of like warnings of different jobs: their kind and side, and their text if the kind alone
/// does not describe them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct LikeWarnings<'a> {
    kind: Option<SidedKind>,
    text: &'a str,
}

/// Gathers the warnings of jobs, in their order. `line` formats a warning's id and text in one
/// line.
pub(super) fn gather_warnings<'a>(
    jobs: impl Iterator<Item = JobTexts<'a>>,
    line: impl Fn(&str, &str) -> String,
) -> Vec<GatheredWarning<'a>> {
    let all: Vec<(&str, &str, LikeWarnings)> = jobs
        .flat_map(|job| {
            let known = job.kinds.len() == job.texts.len();
            job.texts.iter().enumerate().map(move |(at, text)| {
                let kind = job.kinds.get(at).copied().filter(|_| known);
                (job.id, text.as_str(), classify_warning(kind, text))
            })
        })
        .collect();
    let by_kind = shown::grouped(all.iter().map(|&(id, _, kind)| (kind, id)));
    let mut gathered: Vec<GatheredWarning> = Vec::new();
    let mut done: HashSet<LikeWarnings> = HashSet::new();
    for &(id, text, kind) in &all {
        if done.contains(&kind) {
            continue;
        }
        let same = by_kind.get(&kind).map(Vec::as_slice).unwrap_or_default();
        // A kind with more than a few further jobs is done after this. Otherwise there are only a
        // few jobs to search.
        let mut others: Vec<&str> = same.iter().copied().filter(|other| *other != id).collect();
        others.dedup();
        if others.len() < MANY {
            others.clear();
        } else {
            done.insert(kind);
        }
        let named = format::listed(&others);
        gathered.push(GatheredWarning {
            id,
            text,
            line: line(id, &format::brief(text)),
            alike: (!others.is_empty())
                .then(|| format!("the same, with their own figures: {named}")),
            named,
            others,
        });
    }
    gathered
}

fn classify_warning(kind: Option<SidedKind>, text: &str) -> LikeWarnings<'_> {
    match kind {
        Some(sided) if sided.kind.differs_in_figures() => LikeWarnings { kind, text: "" },
        _ => LikeWarnings { kind, text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::warning::{WarnedSide, WarningKind};

    const SLOW: SidedKind = SidedKind {
        kind: WarningKind::SlowSamples,
        side: None,
    };
    const WORDED: SidedKind = SidedKind {
        kind: WarningKind::Worded,
        side: None,
    };

    fn gather_lines<'a>(jobs: impl Iterator<Item = JobTexts<'a>>) -> Vec<GatheredWarning<'a>> {
        gather_warnings(jobs, |id, text| format!("{id}: {text}"))
    }

    fn texts<'a>(id: &'a str, texts: &'a [String], kinds: &[SidedKind]) -> JobTexts<'a> {
        let kinds = kinds.to_vec();
        JobTexts { id, texts, kinds }
    }

    #[test]
    fn warnings_of_one_kind_are_one_whatever_their_words() {
        let words = ["a slow tenth", "19 % were slow: busy", "x", "busy: y", "z"];
        let jobs: Vec<(String, Vec<String>)> = (0..5)
            .map(|job| {
                let own = [words[job].to_owned(), "a note".to_owned()];
                (job.to_string(), own[..if job < 2 { 2 } else { 1 }].to_vec())
            })
            .collect();
        let found = gather_lines(
            jobs.iter()
                .map(|(id, own)| texts(id, own, &[SLOW, WORDED][..own.len()])),
        );
        let plain = |id: &'static str| GatheredWarning {
            id,
            text: "a note",
            others: vec![],
            named: String::new(),
            line: format!("{id}: a note"),
            alike: None,
        };
        assert_eq!(
            found,
            [
                GatheredWarning {
                    id: "0",
                    text: "a slow tenth",
                    others: vec!["1", "2", "3", "4"],
                    named: "1, 2, 3, 4".to_owned(),
                    line: "0: a slow tenth".to_owned(),
                    alike: Some("the same, with their own figures: 1, 2, 3, 4".to_owned()),
                },
                plain("0"),
                plain("1")
            ]
        );
        let few = gather_lines(
            jobs[..3]
                .iter()
                .map(|(id, own)| texts(id, &own[..1], &[SLOW])),
        );
        assert_eq!(few.len(), 3, "{few:?}");
        assert!(few.iter().all(|warning| warning.others.is_empty()));
    }

    #[test]
    fn warnings_of_each_side_stay_apart() {
        let own = ["A: leaks 1 B", "B: leaks 2 B"].map(str::to_owned);
        let ids = ["0", "1", "2", "3"];
        let kinds = [WarnedSide::A, WarnedSide::B].map(|side| SidedKind {
            kind: WarningKind::Leak,
            side: Some(side),
        });
        let found = gather_lines(ids.into_iter().map(|id| texts(id, &own, &kinds)));
        let of = |text: &'static str| GatheredWarning {
            id: "0",
            text,
            others: vec!["1", "2", "3"],
            named: "1, 2, 3".to_owned(),
            line: format!("0: {text}"),
            alike: Some("the same, with their own figures: 1, 2, 3".to_owned()),
        };
        assert_eq!(found, [of("A: leaks 1 B"), of("B: leaks 2 B")]);
    }

    #[test]
    fn warnings_without_known_kinds_are_merged_by_their_words() {
        let same = ["the same".to_owned(), "other words".to_owned()];
        let ids = ["0", "1", "2", "3"];
        let found = gather_lines(ids.into_iter().map(|id| {
            let own = if id == "3" { &same[..] } else { &same[..1] };
            texts(id, own, &[])
        }));
        let shown: Vec<(&str, usize)> = found
            .iter()
            .map(|warning| (warning.text, warning.others.len()))
            .collect();
        assert_eq!(shown, [("the same", 3), ("other words", 0)]);
    }
}
