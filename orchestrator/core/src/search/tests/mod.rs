//! Owns the scripted evidence that the tests of the search share: levels, noise and failures by
//! position.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod exact;
mod graph;
mod large;
mod line;
mod several;
mod stopped;
mod stops;

use super::*;
use crate::random::SeededRandom;
use std::convert::Infallible;
use std::f64::consts::TAU;

/// One question of the search, for counting questions and comparing two searches.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ScriptedQuestion {
    Look(usize),
    SameCode(usize, usize),
    Pairs(usize, usize, usize),
    Confirm(usize, usize),
}

/// Evidence whose answers come from a script. Pairs have normal noise from a fixed seed.
struct ScriptedEvidence {
    /// Logarithm of the time of each position.
    levels: Vec<f64>,
    /// Positions whose build fails.
    dead: Vec<bool>,
    /// Positions that build but fail when measured.
    crashes: Vec<usize>,
    /// Machine code of each position; all codes differ if this is empty.
    codes: Vec<usize>,
    /// Result of all confirmations, in place of a comparison.
    confirmation: Option<Confirmation>,
    noise: f64,
    rng: SeededRandom,
    asked: Vec<ScriptedQuestion>,
}

impl ScriptedEvidence {
    fn new(levels: Vec<f64>) -> Self {
        let dead = vec![false; levels.len()];
        let rng = SeededRandom::from_seed(20_261_121);
        let (crashes, codes) = (Vec::new(), Vec::new());
        Self {
            levels,
            dead,
            crashes,
            codes,
            confirmation: None,
            noise: 0.005,
            rng,
            asked: Vec::new(),
        }
    }

    /// Returns a line of `candidates` commits. Each (position, log ratio) changes the level from
    /// that position onwards.
    fn line(candidates: usize, steps: &[(usize, f64)]) -> Self {
        Self::over(&CommitGraph::line(candidates), steps)
    }

    fn over(history: &CommitGraph, steps: &[(usize, f64)]) -> Self {
        let level = |at: usize| {
            steps
                .iter()
                .filter(|(k, _)| history.contains(at, *k))
                .map(|(_, step)| step)
                .sum()
        };
        Self::new((0..=history.bad_end()).map(level).collect())
    }

    fn seeded(mut self, seed: usize) -> Self {
        self.rng = SeededRandom::from_seed(seed as u64);
        self
    }

    fn search(&mut self) -> SearchConclusion {
        let history = CommitGraph::line(self.levels.len() - 1);
        self.search_in(&history, &SearchSettings::new(0.01, ChangeDirection::Worse))
    }

    fn search_in(&mut self, history: &CommitGraph, settings: &SearchSettings) -> SearchConclusion {
        let Ok(conclusion) = bisect(history, settings, self);
        conclusion
    }

    fn builds(&self) -> usize {
        self.asked
            .iter()
            .filter(|question| matches!(question, ScriptedQuestion::Look(_)))
            .count()
    }

    fn measured(&self, commit: usize) -> bool {
        self.asked
            .iter()
            .any(|question| matches!(question, ScriptedQuestion::Pairs(_, at, _) if *at == commit))
    }

    fn draw(&mut self, reference: usize, commit: usize, count: usize) -> Vec<f64> {
        let shift = self.levels[commit] - self.levels[reference];
        let mut normal = || {
            (-2.0 * (1.0 - self.rng.draw_fraction()).ln()).sqrt()
                * (TAU * self.rng.draw_fraction()).cos()
        };
        (0..count).map(|_| shift + self.noise * normal()).collect()
    }
}

impl Evidence for ScriptedEvidence {
    type Stop = Infallible;

    fn prepare_commit(&mut self, commit: usize) -> Result<bool, Infallible> {
        assert!(
            !self.asked.contains(&ScriptedQuestion::Look(commit)),
            "{commit} is looked at twice"
        );
        self.asked.push(ScriptedQuestion::Look(commit));
        Ok(!self.dead[commit])
    }

    fn same_code(&mut self, one: usize, other: usize) -> Result<bool, Infallible> {
        let asked = [
            ScriptedQuestion::SameCode(one, other),
            ScriptedQuestion::SameCode(other, one),
        ];
        assert!(
            !self.asked.iter().any(|question| asked.contains(question)),
            "{one} and {other} are compared twice"
        );
        self.asked.push(asked[0]);
        Ok(!self.codes.is_empty() && self.codes[one] == self.codes[other])
    }

    fn pairs(
        &mut self,
        reference: usize,
        commit: usize,
        count: usize,
    ) -> Result<Option<Vec<f64>>, Infallible> {
        assert!(!self.dead[commit] && !self.dead[reference] && count > 0);
        self.asked
            .push(ScriptedQuestion::Pairs(reference, commit, count));
        Ok((!self.crashes.contains(&commit)).then(|| self.draw(reference, commit, count)))
    }

    fn confirm(&mut self, parent: usize, commit: usize) -> Result<Confirmation, Infallible> {
        self.asked.push(ScriptedQuestion::Confirm(parent, commit));
        let fresh = self.draw(parent, commit, 40);
        let (verdict, change) = judge_differences(&fresh, 0.01);
        Ok(self.confirmation.unwrap_or(match verdict {
            DifferenceVerdict::Rose | DifferenceVerdict::Fell => Confirmation::Changed {
                estimate: change.estimate,
            },
            DifferenceVerdict::Same => Confirmation::Below,
            DifferenceVerdict::Open => Confirmation::Open,
        }))
    }

    fn build_seconds(&self, _: usize) -> f64 {
        20.0
    }

    fn pair_seconds(&self) -> f64 {
        0.05
    }

    fn show_progress(&mut self, view: &SectionView<'_>) {
        let mass: f64 = view.posterior.iter().sum();
        assert!(mass == 0.0 || (mass - 1.0).abs() < 1e-9, "{mass}");
        assert!(view.builds_left.is_finite() && view.pairs_left.is_finite());
    }
}

/// Returns ceil(log2(n)).
fn bits(n: usize) -> usize {
    n.next_power_of_two().trailing_zeros() as usize
}

/// Asserts that one commit, and no other, is found.
#[track_caller]
fn assert_only(conclusion: &SearchConclusion, culprit: usize) {
    let found: Vec<&[usize]> = conclusion
        .culprits
        .iter()
        .map(|culprit| culprit.commits.as_slice())
        .collect();
    assert_eq!(found, [&[culprit][..]], "{conclusion:?}");
    assert!(conclusion.undecided.is_empty(), "{conclusion:?}");
    assert!(conclusion.culprits[0].probability >= 0.99, "{conclusion:?}");
}
