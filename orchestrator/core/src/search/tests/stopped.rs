//! Owns the tests of a stopped search, and of its results up to that point.

use super::*;

/// Scripted evidence that stops after a number of requests.
struct EndingEvidence {
    world: ScriptedEvidence,
    left: usize,
}

impl EndingEvidence {
    fn ask(&mut self) -> Result<(), ()> {
        self.left = self.left.checked_sub(1).ok_or(())?;
        Ok(())
    }
}

impl Evidence for EndingEvidence {
    type Stop = ();

    fn prepare_commit(&mut self, commit: usize) -> Result<bool, ()> {
        self.ask()?;
        Ok(self.world.prepare_commit(commit).unwrap())
    }

    fn same_code(&mut self, one: usize, other: usize) -> Result<bool, ()> {
        self.ask()?;
        Ok(self.world.same_code(one, other).unwrap())
    }

    fn pairs(
        &mut self,
        reference: usize,
        commit: usize,
        count: usize,
    ) -> Result<Option<Vec<f64>>, ()> {
        self.ask()?;
        Ok(self.world.pairs(reference, commit, count).unwrap())
    }

    fn confirm(&mut self, parent: usize, commit: usize) -> Result<Confirmation, ()> {
        self.ask()?;
        Ok(self.world.confirm(parent, commit).unwrap())
    }

    fn build_seconds(&self, commit: usize) -> f64 {
        self.world.build_seconds(commit)
    }

    fn pair_seconds(&self) -> f64 {
        self.world.pair_seconds()
    }

    fn show_progress(&mut self, view: &SectionView<'_>) {
        self.world.show_progress(view);
    }
}

/// Returns whether the results of a stopped search account for a culprit.
fn is_accounted_for(known: &SearchConclusion, culprit: usize) -> bool {
    let within = |reference: usize, end: usize| reference < culprit && culprit <= end;
    known
        .culprits
        .iter()
        .any(|found| found.commits.contains(&culprit))
        || known
            .undecided
            .iter()
            .any(|open| open.why == UndecidedReason::Stopped && within(open.reference, open.end))
        || known
            .unsearched
            .iter()
            .any(|part| within(part.reference, part.end))
        || known.sections.iter().any(|part| {
            matches!(part.ends, EndsVerdict::Open { .. }) && within(part.reference, part.end)
        })
}

#[test]
fn stopped_search_accounts_for_every_step_after_any_question() {
    let steps = [(9, 0.04), (30, 2.0), (47, 0.03)];
    let (mut stopped, mut named) = (0, Vec::new());
    for left in 0..1000 {
        let mut world = EndingEvidence {
            world: ScriptedEvidence::line(60, &steps),
            left,
        };
        let Err(StoppedSearch { stop: (), known }) = bisect(
            &CommitGraph::line(60),
            &SearchSettings::new(0.01, ChangeDirection::Worse),
            &mut world,
        ) else {
            break;
        };
        stopped += 1;
        for (culprit, _) in steps {
            assert!(
                is_accounted_for(&known, culprit),
                "{culprit} after {left}: {known:?}"
            );
        }
        for found in &known.culprits {
            assert!(
                steps.iter().any(|(culprit, _)| found.commits == [*culprit]),
                "after {left}: {known:?}"
            );
        }
        for open in known
            .undecided
            .iter()
            .filter(|open| open.why == UndecidedReason::Stopped)
        {
            let holds = steps
                .iter()
                .any(|(culprit, _)| open.commits.contains(culprit));
            assert!(holds && open.probability > 0.5, "after {left}: {open:?}");
        }
        named.push(known.culprits.len());
    }
    assert!(stopped > 30, "{stopped}");
    // Confirmed culprits are kept: the largest step first, then the others.
    assert!(
        named.is_sorted() && named.first() == Some(&0) && named.last() == Some(&3),
        "{named:?}"
    );
}

#[test]
fn step_that_waits_for_its_confirmation_is_open() {
    let steps = [(20, 2.0)];
    let confirm = |world: &ScriptedEvidence| {
        world
            .asked
            .iter()
            .position(|asked| matches!(asked, ScriptedQuestion::Confirm(..)))
            .unwrap()
    };
    let mut whole = ScriptedEvidence::line(40, &steps);
    whole.search();
    let mut world = EndingEvidence {
        world: ScriptedEvidence::line(40, &steps),
        left: confirm(&whole),
    };
    let Err(StoppedSearch { known, .. }) = bisect(
        &CommitGraph::line(40),
        &SearchSettings::new(0.01, ChangeDirection::Worse),
        &mut world,
    ) else {
        panic!("it was not stopped");
    };
    assert!(known.culprits.is_empty(), "{known:?}");
    let open = &known.undecided[0];
    assert_eq!(
        (open.commits.as_slice(), open.why),
        (&[20][..], UndecidedReason::Stopped)
    );
    assert!(open.probability >= 0.99, "{open:?}");
}
