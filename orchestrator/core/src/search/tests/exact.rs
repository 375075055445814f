//! Owns the tests of the exact search.

use super::*;

/// Values by position; `None` if a commit cannot be used.
pub(super) struct ScriptedCounts {
    values: Vec<Option<u64>>,
    reads: Vec<usize>,
    /// Number of readings after which the script ends.
    most: usize,
}

impl ScriptedCounts {
    fn line(values: Vec<u64>) -> Self {
        Self {
            values: values.into_iter().map(Some).collect(),
            reads: Vec::new(),
            most: usize::MAX,
        }
    }

    pub(super) fn over(history: &CommitGraph, culprit: usize, dead: &[bool]) -> Self {
        let value = |at: usize| (!dead[at]).then(|| u64::from(history.contains(at, culprit)));
        Self {
            values: (0..=history.bad_end()).map(value).collect(),
            reads: Vec::new(),
            most: usize::MAX,
        }
    }

    fn search(&mut self) -> ExactConclusion<u64> {
        let history = CommitGraph::line(self.values.len() - 1);
        bisect_exact(&history, &settings(&[], false), self).unwrap()
    }
}

/// Returns settings for exact numbers.
pub(super) fn settings(never: &[bool], only_largest: bool) -> SearchSettings {
    SearchSettings {
        never: never.to_vec(),
        only_largest,
        ..SearchSettings::new(0.01, ChangeDirection::Worse)
    }
}

impl ExactReadings for ScriptedCounts {
    type Stop = ();
    type Value = u64;

    fn read(&mut self, commit: usize) -> Result<Option<u64>, ()> {
        assert!(!self.reads.contains(&commit), "{commit} is read twice");
        if self.reads.len() >= self.most {
            return Err(());
        }
        self.reads.push(commit);
        Ok(self.values[commit])
    }

    fn is_beyond(&self, reference: &u64, value: &u64) -> bool {
        value > reference
    }

    fn differs(&self, one: &u64, other: &u64) -> bool {
        one != other
    }

    fn distance(&self, one: &u64, other: &u64) -> f64 {
        one.abs_diff(*other) as f64
    }

    fn show_progress(&mut self, view: &ExactProgress<'_>) {
        assert!(!view.candidates.is_empty());
    }
}

fn names(conclusion: &ExactConclusion<u64>) -> Vec<&[usize]> {
    conclusion
        .culprits
        .iter()
        .map(|culprit| culprit.commits.as_slice())
        .collect()
}

#[test]
fn every_place_is_found_with_log2_and_two_readings() {
    for candidates in 1..=64 {
        for culprit in 1..=candidates {
            let mut counts = ScriptedCounts::line(
                (0..=candidates)
                    .map(|at| 7 + u64::from(at >= culprit))
                    .collect(),
            );
            let conclusion = counts.search();
            assert_eq!(names(&conclusion), [&[culprit][..]]);
            assert_eq!(
                (conclusion.culprits[0].parent, conclusion.culprits[0].shown),
                ((culprit - 1, 7), (culprit, 8))
            );
            assert!(
                counts.reads.len() <= bits(candidates) + 2,
                "{culprit} of {candidates}: {:?}",
                counts.reads
            );
        }
    }
}

#[test]
fn unreadable_commits_stay_among_the_candidates() {
    let mut rng = SeededRandom::from_seed(9);
    for culprit in 1..=64 {
        let mut counts =
            ScriptedCounts::line((0..=64).map(|at| u64::from(at >= culprit)).collect());
        for at in 1..64 {
            if rng.draw_fraction() < 0.3 {
                counts.values[at] = None;
            }
        }
        let parent = (0..culprit)
            .rev()
            .find(|at| counts.values[*at].is_some())
            .unwrap();
        let shown = (culprit..=64)
            .find(|at| counts.values[*at].is_some())
            .unwrap();
        assert_eq!(
            names(&counts.search()),
            [&(parent + 1..=shown).collect::<Vec<_>>()[..]]
        );
        assert!(counts.reads.len() <= 2 * bits(64) + 3, "{:?}", counts.reads);
    }
}

#[test]
fn ends_decide_whether_there_is_a_search() {
    assert_eq!(
        ScriptedCounts::line(vec![3, 9, 3]).search().ends,
        ExactEndsVerdict::Same
    );
    assert_eq!(
        ScriptedCounts::line(vec![3, 9, 2]).search().ends,
        ExactEndsVerdict::OtherWay
    );
    let mut broken = ScriptedCounts::line(vec![3, 9, 12]);
    broken.values[2] = None;
    assert_eq!(
        broken.search().ends,
        ExactEndsVerdict::EndUnusable { end: 2 }
    );
    assert_eq!(
        ScriptedCounts::line(vec![3]).search().ends,
        ExactEndsVerdict::Same
    );
}

#[test]
fn every_change_that_the_ends_of_a_side_show_is_found() {
    let level =
        |at: u64| 5 + 3 * u64::from(at >= 10) + u64::from(at >= 40) - 2 * u64::from(at >= 55);
    let conclusion = ScriptedCounts::line((0..=64).map(level).collect()).search();
    assert_eq!(
        names(&conclusion),
        [&[10][..], &[40], &[55]],
        "{conclusion:?}"
    );
}

#[test]
fn branches_are_searched_too() {
    // The graph is 0 - 1 - 2 - 3 - 6 and 1 - 4 - 5 - 6.
    let history = CommitGraph::new(&[
        vec![],
        vec![0],
        vec![1],
        vec![2],
        vec![1],
        vec![4],
        vec![3, 5],
    ]);
    for culprit in 1..=6 {
        let values = (0..=6)
            .map(|at| u64::from(history.contains(at, culprit)))
            .collect();
        let mut counts = ScriptedCounts::line(values);
        let conclusion = bisect_exact(&history, &settings(&[], false), &mut counts).unwrap();
        assert_eq!(names(&conclusion), [&[culprit][..]], "{conclusion:?}");
        let mut counts = ScriptedCounts::line(
            (0..=6)
                .map(|at| u64::from(history.contains(at, culprit)))
                .collect(),
        );
        let never = settings(&[false, true, false, true, false, true, false], false);
        let conclusion = bisect_exact(&history, &never, &mut counts).unwrap();
        assert!(conclusion.culprits[0].commits.contains(&culprit) && !counts.reads.contains(&3));
    }
}

#[test]
fn search_for_the_largest_change_ends_with_it() {
    let level =
        |at: u64| 5 + u64::from(at >= 10) + 40 * u64::from(at >= 33) + 2 * u64::from(at >= 55);
    let mut counts = ScriptedCounts::line((0..=64).map(level).collect());
    let conclusion =
        bisect_exact(&CommitGraph::line(64), &settings(&[], true), &mut counts).unwrap();
    assert!(names(&conclusion).contains(&&[33][..]), "{conclusion:?}");
    assert!(counts.reads.len() < 3 * bits(64), "{:?}", counts.reads);
    let found: Vec<usize> = conclusion
        .culprits
        .iter()
        .map(|culprit| culprit.shown.0)
        .collect();
    for other in [10, 55].into_iter().filter(|other| !found.contains(other)) {
        let holds = |part: &ExactPart| part.differs && part.commits.contains(&other);
        assert!(
            conclusion.unsearched.iter().any(holds),
            "{other}: {conclusion:?}"
        );
    }
}

#[test]
fn stopped_search_accounts_for_every_change_after_any_reading() {
    let level =
        |at: u64| 5 + 3 * u64::from(at >= 10) + u64::from(at >= 40) - 2 * u64::from(at >= 55);
    let mut named = Vec::new();
    for most in 0..100 {
        let mut counts = ScriptedCounts {
            most,
            ..ScriptedCounts::line((0..=64).map(level).collect())
        };
        let Err(StoppedSearch { stop: (), known }) =
            bisect_exact(&CommitGraph::line(64), &settings(&[], false), &mut counts)
        else {
            break;
        };
        for culprit in [10, 40, 55] {
            let parts = known.open.iter().chain(&known.unsearched);
            let found = known
                .culprits
                .iter()
                .any(|found| found.commits == [culprit]);
            let open = parts
                .clone()
                .any(|part| part.reference < culprit && culprit <= part.end);
            assert!(found || open, "{culprit} after {most}: {known:?}");
        }
        assert!(
            known.open.iter().all(|open| open.differs == (most > 1)),
            "after {most}: {known:?}"
        );
        named.push(known.culprits.len());
    }
    assert!(named.len() > 15 && named.is_sorted(), "{named:?}");
    assert_eq!((named.first(), named.last()), (Some(&0), Some(&2)));
}
