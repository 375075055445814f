//! Owns the tests of several changes, and of changes that no single commit made.

use super::*;

fn names(conclusion: &SearchConclusion) -> Vec<&[usize]> {
    conclusion
        .culprits
        .iter()
        .map(|culprit| culprit.commits.as_slice())
        .collect()
}

#[test]
fn two_culprits_are_both_named() {
    let mut rng = SeededRandom::from_seed(11);
    for seed in 0..30 {
        let (one, other) = (rng.draw_from(1..31), rng.draw_from(31..65));
        let mut world = ScriptedEvidence::line(64, &[(one, 0.03), (other, 0.02)]).seeded(seed);
        let conclusion = world.search();
        assert_eq!(names(&conclusion), [&[one][..], &[other]], "{conclusion:?}");
        assert!(world.builds() <= 2 * bits(64) + 4, "{}", world.builds());
    }
}

#[test]
fn neighbouring_culprits_are_distinguished() {
    let conclusion = ScriptedEvidence::line(40, &[(20, 0.03), (21, 0.02)]).search();
    assert_eq!(names(&conclusion), [&[20][..], &[21]], "{conclusion:?}");
}

#[test]
fn fix_that_hid_part_of_a_regression_is_reported() {
    for (rise, fix) in [(9, 50), (30, 31), (40, 60)] {
        let conclusion = ScriptedEvidence::line(64, &[(rise, 0.04), (fix, -0.02)]).search();
        assert_eq!(names(&conclusion), [&[rise][..], &[fix]], "{conclusion:?}");
        assert!(
            conclusion.culprits[0].change.low > 0.02 && conclusion.culprits[1].change.high < 0.0,
            "{conclusion:?}"
        );
    }
}

#[test]
fn drift_over_many_commits_names_no_culprit() {
    for seed in 0..10 {
        let mut world =
            ScriptedEvidence::new((0..=64).map(|at| at as f64 * 0.0008).collect()).seeded(seed);
        let conclusion = world.search();
        assert!(matches!(conclusion.ends, EndsVerdict::Different { .. }));
        assert!(conclusion.culprits.is_empty(), "{conclusion:?}");
        assert!(!conclusion.undecided.is_empty());
    }
}

#[test]
fn layout_is_no_culprit_and_hides_none() {
    let mut world = ScriptedEvidence::line(64, &[(20, 0.03)]);
    world.confirmation = Some(Confirmation::Layout);
    let conclusion = world.search();
    assert!(conclusion.culprits.is_empty());
    assert_eq!(
        (
            conclusion.undecided[0].why,
            conclusion.undecided[0].commits.as_slice()
        ),
        (UndecidedReason::Layout, &[20][..])
    );
}

#[test]
fn search_locates_no_more_steps_than_requested() {
    let steps: Vec<(usize, f64)> = (1..=12).map(|at| (at * 5, 0.03)).collect();
    let conclusion = ScriptedEvidence::line(64, &steps).search();
    assert_eq!(conclusion.culprits.len(), 8, "{conclusion:?}");
    assert!(
        conclusion
            .culprits
            .iter()
            .all(|found| found.shown % 5 == 0 && found.commits.len() == 1),
        "{conclusion:?}"
    );
}
