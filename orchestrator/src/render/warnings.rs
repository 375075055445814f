//! Warnings in few lines: of many jobs with the same one, the first is shown whole and the others
//! are named.

use super::shown;
use crate::format;
use serde::Serialize;
use std::collections::HashSet;

/// As many further jobs with the same warning are named instead of repeating it.
const MANY: usize = 3;

/// A warning, and who else has it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Warning<'a> {
    /// The job's id.
    id: &'a str,
    text: &'a str,
    /// Ids of further jobs with the same warning and figures of their own.
    others: Vec<&'a str>,
    /// The first of those ids, and how many more there are.
    named: String,
}

/// Gathers the warnings of jobs, in their order.
pub(super) fn gathered<'a>(
    jobs: impl Iterator<Item = (&'a str, &'a [String])>,
) -> Vec<Warning<'a>> {
    let all: Vec<(&str, &str)> = jobs
        .flat_map(|(id, warnings)| warnings.iter().map(move |text| (id, text.as_str())))
        .collect();
    let by_kind = shown::grouped(all.iter().map(|&(id, text)| (kind(text), id)));
    let mut gathered: Vec<Warning> = Vec::new();
    let mut done: HashSet<(&str, &str)> = HashSet::new();
    for &(id, text) in &all {
        let kind = kind(text);
        if done.contains(&kind) {
            continue;
        }
        let same = by_kind.get(&kind).map(Vec::as_slice).unwrap_or_default();
        // With more than a few further jobs the kind is done; until then this looks at a few.
        let mut others: Vec<&str> = same.iter().copied().filter(|other| *other != id).collect();
        others.dedup();
        if others.len() < MANY {
            others.clear();
        } else {
            done.insert(kind);
        }
        gathered.push(Warning {
            id,
            text,
            named: format::listed(&others),
            others,
        });
    }
    gathered
}

/// Which side of a comparison a warning is about, and what it means, which stands at its end,
/// behind the figures.
fn kind(text: &str) -> (&str, &str) {
    let side = text.split_once(": ").map_or("", |(first, _)| first);
    let side = if ["A", "B"].contains(&side) { side } else { "" };
    (side, text.rsplit(": ").next().unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_a_kind_are_one_and_the_rest_stands_as_it_is() {
        let busy = |share: u32| format!("{share} % of the samples took long: the machine was busy");
        let jobs: Vec<(String, Vec<String>)> = (0..5)
            .map(|job| {
                (
                    job.to_string(),
                    vec![busy(job), "two of them say nothing".to_owned()]
                        [..if job < 2 { 2 } else { 1 }]
                        .to_vec(),
                )
            })
            .collect();
        let texts = gathered(
            jobs.iter()
                .map(|(id, warnings)| (id.as_str(), &warnings[..])),
        );
        let plain = |id: &'static str| Warning {
            id,
            text: "two of them say nothing",
            others: vec![],
            named: String::new(),
        };
        let first = busy(0);
        assert_eq!(
            texts,
            [
                Warning {
                    id: "0",
                    text: &first,
                    others: vec!["1", "2", "3", "4"],
                    named: "1, 2, 3, 4".to_owned()
                },
                plain("0"),
                plain("1")
            ]
        );
        let few = gathered(
            jobs[..3]
                .iter()
                .map(|(id, warnings)| (id.as_str(), &warnings[..1])),
        );
        assert_eq!(few.len(), 3, "{few:?}");
        assert!(few.iter().all(|warning| warning.others.is_empty()));
        let sides: Vec<(String, Vec<String>)> = (0..4)
            .map(|job| {
                (
                    job.to_string(),
                    vec!["A: leaks".to_owned(), "B: leaks".to_owned()],
                )
            })
            .collect();
        let texts = gathered(
            sides
                .iter()
                .map(|(id, warnings)| (id.as_str(), &warnings[..])),
        );
        let of = |text: &'static str| Warning {
            id: "0",
            text,
            others: vec!["1", "2", "3"],
            named: "1, 2, 3".to_owned(),
        };
        assert_eq!(texts, [of("A: leaks"), of("B: leaks")], "each side's own");
    }
}
