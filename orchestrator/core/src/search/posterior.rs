//! Owns the probabilities of the commits of a section to have made the steps, given the pairs so
//! far, over every build effect.
//!
//! P(chain, tau) = prior(chain) prior(tau) ML(chain, tau). The build effect is one for the whole
//! history. Measurements of earlier sections, with any number of steps in each, contribute to its
//! weight. No step at all is a hypothesis like any other; it needs a large build effect to explain
//! the difference of the ends. A change that only the build effect can explain has no culprit.

use super::SearchSettings;
use super::chain::{SectionLevels, StepMass, StepShares, weigh_chains};
use super::commit_graph::{CommitGraph, PositionSet};
use super::context::KnownAnswers;
use super::divisions::{CodeGroup, SearchSection, list_codes, list_divisions};
use super::information::entropy_of;
use super::level::{DifferenceLevel, pooled_variance};

/// Build effects (log ratio) with their prior weights, used if none was measured.
const TAUS: [(f64, f64); 6] = [
    (0.0, 0.45),
    (5e-4, 0.2),
    (1e-3, 0.15),
    (2e-3, 0.1),
    (4e-3, 0.07),
    (8e-3, 0.03),
];

/// Multiples of a measured build effect, with their prior weights. Three to eight rebuilds leave it
/// uncertain by about a factor of 2, and the code of other workloads may react more.
const MULTIPLES: [(f64, f64); 6] = [
    (0.0, 0.05),
    (0.5, 0.25),
    (1.0, 0.4),
    (1.5, 0.2),
    (2.0, 0.07),
    (4.0, 0.03),
];

/// Smallest measured build effect that is used (log ratio). Noise may explain a smaller one
/// completely.
const LEAST_TAU: f64 = 2.5e-4;

/// Prior probability of no step in the whole history. It is low, because a bisect starts from a
/// change that was seen.
const NONE_AT_ALL: f64 = 0.05;

/// Probability of no step in a section beside a step.
const NONE_BESIDE: f64 = 0.7;

/// Returns the possible build effects (log ratio) and their prior weights.
fn taus(measured: Option<f64>) -> [(f64, f64); 6] {
    match measured {
        Some(tau) => MULTIPLES.map(|(multiple, weight)| (multiple * tau.max(LEAST_TAU), weight)),
        None => TAUS,
    }
}

/// Shares by position, with sums over the ancestors of a commit.
#[derive(Debug, Clone)]
pub(super) struct PositionShares {
    pub(super) values: Vec<f64>,
    /// Sums of the first values, on a line.
    sums: Option<Vec<f64>>,
}

impl PositionShares {
    fn new(history: &CommitGraph, values: Vec<f64>) -> Self {
        let sum = |sum: &mut f64, value: &f64| {
            *sum += value;
            Some(*sum)
        };
        let sums = history
            .is_line()
            .then(|| values.iter().scan(0.0, sum).collect());
        Self { values, sums }
    }

    /// Returns the sum over the commit and its ancestors.
    fn within(&self, history: &CommitGraph, commit: usize) -> f64 {
        match &self.sums {
            Some(sums) => sums[commit],
            None => history
                .contained(commit)
                .iter()
                .map(|k| self.values[k])
                .sum(),
        }
    }
}

/// Probabilities that follow from the pairs of a section.
#[derive(Debug, Clone)]
pub(super) struct Posterior {
    /// For each position, P(the searched step lies there), given that there is one; 0 outside of
    /// the candidates. All are 0 if no hypothesis is left.
    pub(super) aim: PositionShares,
    /// For each position, P(a step of more than the margin lies there).
    pub(super) any: Vec<f64>,
    /// For each position, the size of its step (log ratio) times `any`.
    any_heights: Vec<f64>,
    /// P(no step).
    pub(super) none: f64,
    pub(super) codes: Vec<CodeGroup>,
    /// s^2, the variance of one pair (squared log ratio).
    pub(super) variance: f64,
    /// Expected tau^2 (squared log ratio).
    pub(super) tau_squared: f64,
    /// Information about the place of the step that the build effect alone would give (nats).
    pub(super) told_by_tau: f64,
    /// For each position, `aim` times the size of the step (log ratio).
    aim_heights: PositionShares,
    /// For each position, `aim` times the tau^2 expected with it.
    aim_taus: PositionShares,
}

/// Collects the levels of a section's codes, with their weights.
fn collect_levels(
    history: &CommitGraph,
    section: &SearchSection,
    codes: &[CodeGroup],
    settings: &SearchSettings,
    none: f64,
) -> SectionLevels {
    let levels: Vec<DifferenceLevel> = codes
        .iter()
        .filter(|code| code.is_measured())
        .map(|code| code.level)
        .collect();
    SectionLevels {
        variance: pooled_variance(&levels),
        divisions: list_divisions(history, section, codes, &settings.prior),
        levels,
        least_step: settings.margin.ln_1p(),
        none,
    }
}

/// Returns the evidence of earlier sections on the build effect: the log likelihood of each of
/// `taus`. A build counts once, in the section that measured it last.
fn weigh_elsewhere(
    history: &CommitGraph,
    earlier: &[SearchSection],
    own: &[CodeGroup],
    known: &KnownAnswers,
    settings: &SearchSettings,
) -> [f64; 6] {
    let mut seen = PositionSet::empty(history.positions());
    let mut logs = [0.0; 6];
    note_measured(&mut seen, own);
    for section in earlier.iter().rev() {
        let mut codes = list_codes(section, known);
        codes.retain(|code| {
            code.is_reference || !code.commits.iter().any(|commit| seen.contains(*commit))
        });
        if codes.iter().any(CodeGroup::is_measured) {
            let section_levels = collect_levels(history, section, &codes, settings, NONE_BESIDE);
            for (log, (tau, _)) in logs.iter_mut().zip(taus(settings.tau)) {
                *log += weigh_chains(&section_levels, tau * tau).log_total;
            }
            note_measured(&mut seen, &codes);
        }
    }
    logs
}

fn note_measured(seen: &mut PositionSet, codes: &[CodeGroup]) {
    let measured = codes.iter().filter(|code| code.is_measured());
    measured
        .flat_map(|code| &code.commits)
        .for_each(|commit| seen.insert(*commit));
}

impl Posterior {
    /// Computes the probabilities of a section. `earlier` holds the sections whose ends were
    /// compared before, the whole history first.
    pub(super) fn of(
        history: &CommitGraph,
        section: &SearchSection,
        known: &KnownAnswers,
        settings: &SearchSettings,
        earlier: &[SearchSection],
    ) -> Self {
        let codes = list_codes(section, known);
        let none = if earlier.is_empty() {
            NONE_AT_ALL
        } else {
            NONE_BESIDE
        };
        let section_levels = collect_levels(history, section, &codes, settings, none);
        let elsewhere = weigh_elsewhere(history, earlier, &codes, known, settings);
        let judged: Vec<(f64, f64, StepShares)> = taus(settings.tau)
            .into_iter()
            .zip(elsewhere)
            .map(|((tau, prior), evidence)| {
                let shares = weigh_chains(&section_levels, tau * tau);
                (prior.ln() + evidence + shares.log_total, tau * tau, shares)
            })
            .collect();
        let mut sums = WeighedSums::new(&section_levels, &judged);
        sums.normalise();
        let spread = |shares: &dyn Fn(usize) -> f64| {
            spread_shares(history, &section_levels, &settings.prior, shares)
        };
        let place = |shares: &dyn Fn(usize) -> f64| PositionShares::new(history, spread(shares));
        Self {
            aim: place(&|at| sums.aim[at].mass),
            aim_heights: place(&|at| sums.aim[at].height),
            aim_taus: place(&|at| sums.aim_taus[at]),
            any: spread(&|at| sums.any[at].mass),
            any_heights: spread(&|at| sums.any[at].height),
            none: sums.none,
            variance: section_levels.variance,
            tau_squared: sums.tau_squared,
            told_by_tau: sums.told_by_tau,
            codes,
        }
    }

    /// Returns whether no hypothesis is left.
    pub(super) fn is_empty(&self) -> bool {
        self.aim.values.iter().all(|mass| *mass == 0.0)
    }

    /// Returns the code of a commit that was examined.
    pub(super) fn code_of(&self, commit: usize) -> Option<&CodeGroup> {
        self.codes
            .iter()
            .find(|code| code.commits.contains(&commit))
    }

    /// Returns P(the commit shows the searched step), given that there is one.
    pub(super) fn shows(&self, history: &CommitGraph, commit: usize) -> f64 {
        self.aim.within(history, commit).min(1.0)
    }

    /// Returns the size of the step (log ratio) that a commit shows, if it shows the searched step.
    ///
    /// This is not the mean over all hypotheses: a large step elsewhere would make pairs of this
    /// commit look informative.
    pub(super) fn height_at(&self, history: &CommitGraph, commit: usize) -> f64 {
        share_of(
            self.aim_heights.within(history, commit),
            self.aim.within(history, commit),
        )
    }

    /// Returns the expected size of the searched step (log ratio).
    pub(super) fn height(&self) -> f64 {
        self.aim_heights.values.iter().sum()
    }

    /// Returns the size of the steps (log ratio) among some positions, if there is one.
    pub(super) fn size_among(&self, positions: &[usize]) -> f64 {
        let sum = |values: &[f64]| positions.iter().map(|at| values[*at]).sum::<f64>();
        share_of(sum(&self.any_heights), sum(&self.any))
    }

    /// Returns the larger of two expected tau^2: if the commit shows the step, and if it does not.
    ///
    /// An unlikely side often depends on a large tau only. More pairs then cannot refute it,
    /// however small tau is on the likely side.
    pub(super) fn tau_squared_at(&self, history: &CommitGraph, commit: usize) -> f64 {
        let (shows, share) = (
            self.shows(history, commit),
            self.aim_taus.within(history, commit),
        );
        let all: f64 = self.aim_taus.values.iter().sum();
        share_of(share, shows).max(share_of(all - share, 1.0 - shows))
    }
}

fn share_of(share: f64, mass: f64) -> f64 {
    if mass > 1e-9 { share / mass } else { 0.0 }
}

/// Converts shares of divisions to shares of their positions, by their priors.
fn spread_shares(
    history: &CommitGraph,
    section_levels: &SectionLevels,
    prior: &[f64],
    share: &dyn Fn(usize) -> f64,
) -> Vec<f64> {
    let weight = |k: usize| prior.get(k).copied().unwrap_or(1.0);
    let mut values = vec![0.0; history.positions()];
    for (at, division) in section_levels.divisions.iter().enumerate() {
        let total: f64 = division.hypotheses.iter().map(|k| weight(*k)).sum();
        for k in division.hypotheses.iter().filter(|_| total > 0.0) {
            values[*k] = share(at) * weight(*k) / total;
        }
    }
    values
}

/// Shares by division, summed over the build effects.
struct WeighedSums {
    any: Vec<StepMass>,
    aim: Vec<StepMass>,
    aim_taus: Vec<f64>,
    none: f64,
    tau_squared: f64,
    told_by_tau: f64,
}

impl WeighedSums {
    /// Sums the shares over the build effects. `judged` holds log weight, tau^2 and shares for each
    /// build effect.
    fn new(section_levels: &SectionLevels, judged: &[(f64, f64, StepShares)]) -> Self {
        let count = section_levels.divisions.len();
        let nothing = vec![StepMass::default(); count];
        let (any, aim, aim_taus) = (nothing.clone(), nothing, vec![0.0; count]);
        let mut sums = Self {
            any,
            aim,
            aim_taus,
            none: 0.0,
            tau_squared: 0.0,
            told_by_tau: 0.0,
        };
        let largest = judged
            .iter()
            .fold(f64::NEG_INFINITY, |top, (log, _, _)| top.max(*log));
        let total: f64 = judged.iter().map(|(log, _, _)| (log - largest).exp()).sum();
        if count == 0 || !total.is_finite() {
            return sums;
        }
        let mut within = 0.0;
        for (log, tau_squared, shares) in judged {
            let weight = (log - largest).exp() / total;
            sums.none += weight * shares.none;
            sums.tau_squared += weight * tau_squared;
            within +=
                weight * entropy_of(shares.aim.iter().map(|one| one.mass).chain([shares.none]));
            for at in 0..count {
                sums.any[at].mass += weight * shares.any[at].mass;
                sums.any[at].height += weight * shares.any[at].height;
                sums.aim[at].mass += weight * shares.aim[at].mass;
                sums.aim[at].height += weight * shares.aim[at].height;
                sums.aim_taus[at] += weight * shares.aim[at].mass * tau_squared;
            }
        }
        let all = entropy_of(sums.aim.iter().map(|one| one.mass).chain([sums.none]));
        sums.told_by_tau = (all - within).max(0.0);
        sums
    }

    /// Scales the shares of the searched step so that they sum to 1.
    fn normalise(&mut self) {
        let total: f64 = self.aim.iter().map(|one| one.mass).sum();
        if total > 0.0 {
            for one in &mut self.aim {
                one.mass /= total;
                one.height /= total;
            }
            self.aim_taus.iter_mut().for_each(|share| *share /= total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_build_effect_moves_the_prior() {
        let mean = |measured| {
            taus(measured)
                .iter()
                .map(|(tau, weight)| tau * weight)
                .sum::<f64>()
        };
        assert!(mean(Some(0.01)) > 0.008 && mean(Some(0.0)) < 4e-4 && mean(None) < 1e-3);
        for measured in [None, Some(0.0), Some(0.003)] {
            assert!(
                (taus(measured).iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-12
            );
        }
    }
}
