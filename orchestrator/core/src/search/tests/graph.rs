//! Owns the tests of histories with branches and merges.

use super::*;

/// Returns a graph of position 0 and `count` diamonds. A diamond is a commit, two branches of
/// `length` commits from it, and their merge.
fn diamonds(count: usize, length: usize) -> CommitGraph {
    let mut parents = vec![vec![]];
    for _ in 0..count {
        let fork = parents.len();
        parents.push(vec![fork - 1]);
        for _ in 0..2 {
            let first = parents.len();
            parents.extend(
                (first..first + length).map(|at| vec![if at == first { fork } else { at - 1 }]),
            );
        }
        parents.push(vec![fork + length, fork + 2 * length]);
    }
    CommitGraph::new(&parents)
}

#[test]
fn graph_has_ancestors_and_descendants() {
    // The graph is 0 - 1 - 2 - 6 (merge) and 1 - 4; the branches are 2, 3 and 4, 5.
    let history = diamonds(1, 2);
    assert_eq!(history.bad_end(), 6);
    assert!(
        history.contains(6, 4)
            && history.contains(3, 2)
            && history.contains(3, 1)
            && history.contains(5, 5)
    );
    assert!(!history.contains(3, 4) && !history.contains(5, 2) && !history.contains(0, 1));
    assert_eq!(
        CommitGraph::line(3).contained(2).iter().collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(
        CommitGraph::line(3)
            .containing(2)
            .iter()
            .collect::<Vec<_>>(),
        [2, 3]
    );
}

#[test]
fn every_commit_of_a_branched_history_is_found() {
    for (count, length) in [(1, 1), (1, 5), (5, 2), (3, 6)] {
        let history = diamonds(count, length);
        for culprit in 1..=history.bad_end() {
            let mut world = ScriptedEvidence::over(&history, &[(culprit, 0.02)]).seeded(culprit);
            let conclusion =
                world.search_in(&history, &SearchSettings::new(0.01, ChangeDirection::Worse));
            assert_only(&conclusion, culprit);
            assert!(
                world.builds() <= bits(history.bad_end()) + 5,
                "{culprit} of {}: {}",
                history.bad_end(),
                world.builds()
            );
        }
    }
}

#[test]
fn merge_that_is_never_built_is_named_with_its_branch() {
    let history = diamonds(3, 3);
    let is_merge = |at: usize| at > 0 && at.is_multiple_of(8);
    let never: Vec<bool> = (0..=history.bad_end())
        .map(|at| is_merge(at) && at != history.bad_end())
        .collect();
    let settings = SearchSettings {
        never,
        ..SearchSettings::new(0.01, ChangeDirection::Worse)
    };
    for culprit in 1..=history.bad_end() {
        let mut world = ScriptedEvidence::over(&history, &[(culprit, 0.02)]).seeded(culprit);
        let conclusion = world.search_in(&history, &settings);
        assert_eq!(conclusion.culprits.len(), 1, "{culprit}: {conclusion:?}");
        assert!(
            conclusion.culprits[0].commits.contains(&culprit),
            "{culprit}: {conclusion:?}"
        );
        assert!(
            conclusion.culprits[0].commits.len() <= 2,
            "{culprit}: {conclusion:?}"
        );
        assert!(
            world.asked.iter().all(
                |asked| !matches!(asked, ScriptedQuestion::Look(at) if settings.is_never(*at))
            )
        );
    }
}

#[test]
fn second_culprit_behind_the_first_is_found() {
    let history = diamonds(3, 3);
    let mut world = ScriptedEvidence::over(&history, &[(3, 0.03), (20, 0.02)]);
    let conclusion = world.search_in(&history, &SearchSettings::new(0.01, ChangeDirection::Worse));
    let names: Vec<&[usize]> = conclusion
        .culprits
        .iter()
        .map(|culprit| culprit.commits.as_slice())
        .collect();
    assert_eq!(names, [&[3][..], &[20]], "{conclusion:?}");
}

#[test]
fn culprits_on_branches_beside_each_other_are_both_named() {
    // The branches are 2, 3, 4 and 5, 6, 7, and 8 is their merge.
    let history = diamonds(2, 3);
    for (one, other) in [(3, 6), (2, 7), (4, 5)] {
        for (first, second) in [(0.03, 0.02), (0.02, 0.03), (0.03, 0.03)] {
            let mut world = ScriptedEvidence::over(&history, &[(one, first), (other, second)]);
            let conclusion =
                world.search_in(&history, &SearchSettings::new(0.01, ChangeDirection::Worse));
            let sets: Vec<&[usize]> = conclusion
                .culprits
                .iter()
                .map(|culprit| culprit.commits.as_slice())
                .collect();
            assert_eq!(sets, [&[one][..], &[other]], "{conclusion:?}");
            assert!(conclusion.undecided.is_empty(), "{conclusion:?}");
        }
    }
}

/// Returns a graph in which each commit has one or two of the four commits before it as parents.
/// The last commit merges all open branches.
fn tangle(rng: &mut SeededRandom, commits: usize) -> CommitGraph {
    let mut parents: Vec<Vec<usize>> = vec![vec![]];
    for at in 1..commits {
        let parent = |rng: &mut SeededRandom| at - rng.draw_from(1..at.min(4) + 1);
        let mut own = vec![parent(rng)];
        if rng.draw_fraction() < 0.4 {
            own.push(parent(rng));
        }
        parents.push(own);
    }
    let open = (0..commits)
        .filter(|at| !parents.iter().any(|own| own.contains(at)))
        .collect();
    parents.push(open);
    CommitGraph::new(&parents)
}

#[test]
fn named_set_holds_the_culprit_in_tangled_histories_with_failures() {
    let mut rng = SeededRandom::from_seed(31);
    for seed in 0..60 {
        let commits = rng.draw_from(2..60);
        let history = tangle(&mut rng, commits);
        let culprit = rng.draw_from(1..history.bad_end() + 1);
        let mut world = ScriptedEvidence::over(&history, &[(culprit, 0.03)]).seeded(seed);
        world.dead = (0..=history.bad_end())
            .map(|at| at != 0 && at != history.bad_end() && rng.draw_fraction() < 0.15)
            .collect();
        let conclusion =
            world.search_in(&history, &SearchSettings::new(0.01, ChangeDirection::Worse));
        assert_eq!(conclusion.culprits.len(), 1, "{conclusion:?}");
        assert!(
            conclusion.culprits[0].commits.contains(&culprit),
            "{culprit}: {conclusion:?}"
        );
        let mut values = super::exact::ScriptedCounts::over(&history, culprit, &world.dead);
        let exact =
            bisect_exact(&history, &super::exact::settings(&[], false), &mut values).unwrap();
        assert!(
            exact.culprits.len() == 1 && exact.culprits[0].commits.contains(&culprit),
            "{culprit}: {exact:?}"
        );
    }
}
