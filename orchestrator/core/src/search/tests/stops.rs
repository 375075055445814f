//! Owns the tests of commits with the same code, of searches that end without an answer, and of
//! repeated searches.

use super::*;

#[test]
fn ends_of_the_same_code_need_no_pairs() {
    let mut world = ScriptedEvidence::line(8, &[]);
    world.codes = vec![0; 9];
    let conclusion = world.search();
    assert_eq!(conclusion.ends, EndsVerdict::SameCode);
    assert_eq!(
        world.asked,
        [
            ScriptedQuestion::Look(0),
            ScriptedQuestion::Look(8),
            ScriptedQuestion::SameCode(0, 8)
        ]
    );
}

#[test]
fn commits_that_change_no_code_need_no_pairs() {
    for culprit in [1, 2, 17, 31, 33, 63, 64] {
        // There are only two codes: every other commit changes only documentation.
        let mut world = ScriptedEvidence::line(64, &[(culprit, 0.02)]);
        world.codes = (0..=64).map(|at| usize::from(at >= culprit)).collect();
        let conclusion = world.search();
        assert_only(&conclusion, culprit);
        let measured: Vec<usize> = (0..=64).filter(|at| world.measured(*at)).collect();
        assert_eq!(measured.len(), 1, "{measured:?}");
        assert!(world.builds() <= bits(64) + 2, "{}", world.builds());
    }
}

#[test]
fn no_step_lies_between_commits_of_one_code() {
    let mut world = ScriptedEvidence::line(40, &[(25, 0.02)]);
    world.codes = (0..=40)
        .map(|at| at / 8 * 8 + usize::from(at >= 25))
        .collect();
    let conclusion = world.search();
    assert_only(&conclusion, 25);
}

#[test]
fn end_that_cannot_be_measured_ends_the_search() {
    for end in [0, 8] {
        let mut world = ScriptedEvidence::line(8, &[(4, 0.02)]);
        world.dead[end] = true;
        assert_eq!(world.search().ends, EndsVerdict::EndUnusable { end });
    }
    let mut world = ScriptedEvidence::line(8, &[(4, 0.02)]);
    world.crashes = vec![8];
    assert_eq!(world.search().ends, EndsVerdict::EndUnusable { end: 8 });
}

#[test]
fn budget_ends_in_the_smallest_certain_set() {
    let mut world = ScriptedEvidence::line(64, &[(30, 0.02)]);
    world.noise = 0.03;
    let settings = SearchSettings {
        most_pairs: 200,
        ..SearchSettings::new(0.01, ChangeDirection::Worse)
    };
    let conclusion = world.search_in(&CommitGraph::line(64), &settings);
    assert!(conclusion.culprits.is_empty(), "{conclusion:?}");
    let undecided = &conclusion.undecided[0];
    assert!(
        undecided.why == UndecidedReason::Budget
            && undecided.probability >= 0.98
            && undecided.commits.contains(&30)
    );
    assert!(conclusion.sections[0].pairs < 200 + 160, "{conclusion:?}");
}

#[test]
fn history_without_candidates_is_one_code() {
    assert_eq!(
        ScriptedEvidence::line(0, &[]).search().ends,
        EndsVerdict::SameCode
    );
}

#[test]
fn same_answers_get_the_same_questions() {
    let run = || {
        let mut world = ScriptedEvidence::line(100, &[(37, 0.03), (71, -0.015)]).seeded(5);
        world.dead = (0..=100).map(|at| at % 7 == 3).collect();
        let conclusion = world.search();
        (conclusion, world.asked)
    };
    assert_eq!(run(), run());
}

#[test]
fn few_codes_among_noisy_commits_are_distinguished() {
    for noise in [0.01, 0.1, 0.5] {
        for seed in 0..30 {
            let step = [(2, 4f64.ln()), (4, -(2f64.ln()))];
            let mut world = ScriptedEvidence::line(5, &step).seeded(seed);
            world.noise = noise;
            world.codes = vec![0, 0, 1, 1, 2, 2];
            let conclusion = world.search_in(
                &CommitGraph::line(5),
                &SearchSettings::new(0.2, ChangeDirection::Worse),
            );
            let named: Vec<&[usize]> = conclusion
                .culprits
                .iter()
                .map(|culprit| culprit.commits.as_slice())
                .collect();
            assert_eq!(
                named,
                [&[2][..], &[4]],
                "noise {noise}, seed {seed}: {conclusion:?}"
            );
        }
    }
}
