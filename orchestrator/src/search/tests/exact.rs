//! Owns the tests of the exact search.

use super::*;

/// Values by position; `None` where a commit cannot be used.
pub(super) struct Counts {
    values: Vec<Option<u64>>,
    reads: Vec<usize>,
}

impl Counts {
    fn line(values: Vec<u64>) -> Self {
        Self { values: values.into_iter().map(Some).collect(), reads: Vec::new() }
    }

    pub(super) fn over(history: &History, culprit: usize, dead: &[bool]) -> Self {
        let value = |at: usize| (!dead[at]).then(|| u64::from(history.contains(at, culprit)));
        Self { values: (0..=history.bad()).map(value).collect(), reads: Vec::new() }
    }

    fn search(&mut self) -> ExactConclusion<u64> {
        let history = History::line(self.values.len() - 1);
        let Ok(conclusion) = bisect_exact(&history, &[], self);
        conclusion
    }
}

impl Readings for Counts {
    type Stop = Infallible;
    type Value = u64;

    fn read(&mut self, commit: usize) -> Result<Option<u64>, Infallible> {
        assert!(!self.reads.contains(&commit), "{commit} is read twice");
        self.reads.push(commit);
        Ok(self.values[commit])
    }

    fn beyond(&self, reference: &u64, value: &u64) -> bool {
        value > reference
    }

    fn differs(&self, one: &u64, other: &u64) -> bool {
        one != other
    }

    fn see(&mut self, view: &ExactView<'_>) {
        assert!(!view.candidates.is_empty());
    }
}

fn names(conclusion: &ExactConclusion<u64>) -> Vec<&[usize]> {
    conclusion.culprits.iter().map(|culprit| culprit.commits.as_slice()).collect()
}

#[test]
fn every_place_is_found_with_log2_and_two_readings() {
    for candidates in 1..=64 {
        for culprit in 1..=candidates {
            let mut counts = Counts::line((0..=candidates).map(|at| 7 + u64::from(at >= culprit)).collect());
            let conclusion = counts.search();
            assert_eq!(names(&conclusion), [&[culprit][..]]);
            assert_eq!((conclusion.culprits[0].parent, conclusion.culprits[0].shown), ((culprit - 1, 7), (culprit, 8)));
            assert!(counts.reads.len() <= bits(candidates) + 2, "{culprit} of {candidates}: {:?}", counts.reads);
        }
    }
}

#[test]
fn what_cannot_be_read_stays_among_the_candidates() {
    let mut rng = Rng::with_seed(9);
    for culprit in 1..=64 {
        let mut counts = Counts::line((0..=64).map(|at| u64::from(at >= culprit)).collect());
        for at in 1..64 {
            if rng.f64() < 0.3 {
                counts.values[at] = None;
            }
        }
        let parent = (0..culprit).rev().find(|at| counts.values[*at].is_some()).unwrap();
        let shown = (culprit..=64).find(|at| counts.values[*at].is_some()).unwrap();
        assert_eq!(names(&counts.search()), [&(parent + 1..=shown).collect::<Vec<_>>()[..]]);
        assert!(counts.reads.len() <= 2 * bits(64) + 3, "{:?}", counts.reads);
    }
}

#[test]
fn ends_decide_whether_there_is_a_search() {
    assert_eq!(Counts::line(vec![3, 9, 3]).search().gate, ExactGate::Same);
    assert_eq!(Counts::line(vec![3, 9, 2]).search().gate, ExactGate::OtherWay);
    let mut broken = Counts::line(vec![3, 9, 12]);
    broken.values[2] = None;
    assert_eq!(broken.search().gate, ExactGate::EndUnusable { end: 2 });
    assert_eq!(Counts::line(vec![3]).search().gate, ExactGate::Same);
}

#[test]
fn every_change_that_the_ends_of_a_side_show_is_found() {
    let level = |at: u64| 5 + 3 * u64::from(at >= 10) + u64::from(at >= 40) - 2 * u64::from(at >= 55);
    let conclusion = Counts::line((0..=64).map(level).collect()).search();
    assert_eq!(names(&conclusion), [&[10][..], &[40], &[55]], "{conclusion:?}");
}

#[test]
fn branches_are_searched_too() {
    // 0 - 1 - 2 - 3 - 6, 1 - 4 - 5 - 6.
    let history = History::new(&[vec![], vec![0], vec![1], vec![2], vec![1], vec![4], vec![3, 5]]);
    for culprit in 1..=6 {
        let values = (0..=6).map(|at| u64::from(history.contains(at, culprit))).collect();
        let mut counts = Counts::line(values);
        let Ok(conclusion) = bisect_exact(&history, &[], &mut counts);
        assert_eq!(names(&conclusion), [&[culprit][..]], "{conclusion:?}");
        let mut counts = Counts::line((0..=6).map(|at| u64::from(history.contains(at, culprit))).collect());
        let Ok(conclusion) = bisect_exact(&history, &[false, true, false, true, false, true, false], &mut counts);
        assert!(conclusion.culprits[0].commits.contains(&culprit) && !counts.reads.contains(&3));
    }
}
