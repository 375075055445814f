//! Owns who may have made the step, given the pairs so far.
//!
//! Hypothesis k: commits that contain k have one new level, all others the reference's. With each measured code's level
//! m, w = 1/(s^2/n + tau^2) and V the variance of what the members of a group share,
//! log ML(G) = 1/2 sum ln w - 1/2 [sum w m^2 - (sum w m)^2/(sum w + 1/V)] - 1/2 ln(1 + V sum w)
//! P(k, tau) = prior(k) prior(tau) ML(those without k) ML(those with k).
//! A new level has V = 0.05^2. The reference's level is exactly 0 but for the reference's own build effect, which
//! every difference to it shares: V = tau^2 (the same as commit 0 with m = 0 and infinitely many pairs).
//!
//! Behind the first step there may be a second one, k2, that shows only where k does, or on a branch beside it: each
//! group (k, k2, both) has a level of its own, with prior 0.15 for such histories. Without it two steps pass for a large
//! build effect, or for one step between them. What counts is k, the first; a first level within the margin is no step,
//! and its share of ML is left out: else the reference's build effect, which all commits before the step share, passes for
//! a step of the first of them.

use super::Settings;
use super::history::{History, Positions};
use super::inquiry::Known;
use super::level::{Level, pooled_variance};
use std::collections::BTreeMap;

/// Standard deviation of the size of a step (log ratio), before anything is known of it.
const STEP: f64 = 0.05;

/// Build effects (log ratio) with their prior weight, where none was measured.
const TAUS: [(f64, f64); 6] = [(0.0, 0.45), (5e-4, 0.2), (1e-3, 0.15), (2e-3, 0.1), (4e-3, 0.07), (8e-3, 0.03)];

/// Probability of a second step, if all commits after the first may have made it.
const SECOND: f64 = 0.15;

/// Multiples of a measured build effect, with their prior weight: three to eight rebuilds leave it uncertain by about a
/// factor of 2, and other workload code may react more.
const MULTIPLES: [(f64, f64); 6] = [(0.0, 0.05), (0.5, 0.25), (1.0, 0.4), (1.5, 0.2), (2.0, 0.07), (4.0, 0.03)];

/// Smallest measured build effect that is believed (log ratio); noise may well explain all of a small one.
const LEAST_TAU: f64 = 2.5e-4;

/// Returns the build effects to reckon with (log ratio) and their prior weights.
fn taus(measured: Option<f64>) -> [(f64, f64); 6] {
    match measured {
        Some(tau) => MULTIPLES.map(|(multiple, weight)| (multiple * tau.max(LEAST_TAU), weight)),
        None => TAUS,
    }
}

/// A part of the history with one step, at most, to be found.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// Counts as level 0.
    pub(super) reference: usize,
    /// The other end.
    pub(super) end: usize,
    /// Who may have made the step: contained in the end, not in the reference.
    pub(super) candidates: Positions,
    /// Those of them that contain the reference. Others lack its level too, and would be taken for a second step.
    pub(super) measurable: Positions,
}

impl Segment {
    pub(super) fn between(history: &History, reference: usize, end: usize) -> Self {
        let candidates = history.contained(end).without(history.contained(reference));
        let measurable = candidates.and(history.containing(reference));
        Self { reference, end, candidates, measurable }
    }
}

/// One code that was looked at in a segment: commits that share it are one measurement.
#[derive(Debug, Clone)]
pub(super) struct Code {
    /// Its commits, ascending.
    pub(super) commits: Vec<usize>,
    pub(super) level: Level,
    /// Whether it is the reference's: then its level is 0, and no pair is needed.
    pub(super) is_reference: bool,
}

impl Code {
    /// Whether its level is an observation.
    fn is_measured(&self) -> bool {
        self.level.count > 0 && !self.is_reference
    }
}

/// What the pairs of a segment say.
#[derive(Debug, Clone)]
pub(super) struct Posterior {
    /// P(k) by position; 0 outside of the candidates. All 0 when no hypothesis is left.
    pub(super) by_position: Vec<f64>,
    pub(super) codes: Vec<Code>,
    /// Expected height of the step (log ratio).
    pub(super) step: f64,
    /// s^2, the variance of one pair (squared log ratio).
    pub(super) variance: f64,
    /// Expected tau^2 (squared log ratio).
    pub(super) tau_squared: f64,
    /// Of each position: P(k) times the tau^2 expected under k.
    tau_shares: Vec<f64>,
}

/// Returns what is known about every code of the segment's usable commits, by their first commit.
pub(super) fn codes(segment: &Segment, known: &Known) -> Vec<Code> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let usable = known.usable();
    let here = segment.measurable.and(&usable);
    for commit in std::iter::once(segment.reference).chain(here.iter()) {
        members.entry(known.code(commit)).or_default().push(commit);
    }
    let code = |commits: Vec<usize>| {
        let pairs = commits.iter().flat_map(|commit| known.pairs(segment.reference, *commit)).copied().collect();
        let is_reference = commits.contains(&segment.reference);
        Code { level: Level::of(pairs), is_reference, commits }
    };
    members.into_values().map(code).collect()
}

/// Whether each code contains a hypothesis; `None` if the hypothesis is impossible, because commits of one code differ in it.
fn sides(codes: &[Code], containing: &Positions) -> Option<Vec<bool>> {
    let side = |code: &Code| {
        let first = code.commits.first().is_some_and(|commit| containing.has(*commit));
        let agree = code.commits.iter().all(|commit| containing.has(*commit) == first);
        (agree && !(first && code.is_reference)).then_some(first)
    };
    codes.iter().map(side).collect()
}

/// Sums over the codes of one side: of w, w m and w m^2.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    w: f64,
    wm: f64,
    wmm: f64,
}

impl Sums {
    fn add(&mut self, weight: f64, level: f64) {
        self.w += weight;
        self.wm += weight * level;
        self.wmm += weight * level * level;
    }

    /// log ML but for the sum of ln w. Written so that V may be 0.
    fn log_ml(&self, shared: f64) -> f64 {
        let spread = 1.0 + shared * self.w;
        -0.5 * (self.wmm - shared * self.wm * self.wm / spread) - 0.5 * spread.ln()
    }

    fn mean(&self, shared: f64) -> f64 {
        shared * self.wm / (1.0 + shared * self.w)
    }

    /// P(the level is more than `least` away from 0).
    fn beyond(&self, least: f64, shared: f64) -> f64 {
        let (mean, error) = (self.mean(shared), (shared / (1.0 + shared * self.w)).sqrt());
        below((mean - least) / error) + below((-mean - least) / error)
    }
}

/// P(a normal value is below `x` standard deviations), to within 0.01.
fn below(x: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * x).exp())
}

/// Hypotheses that the looked-at commits do not tell apart.
struct Division {
    hypotheses: Vec<usize>,
    /// Sum of their priors, of all of them together 1.
    prior: f64,
    /// Whether each measured code shows the step.
    shows: Vec<bool>,
}

impl Division {
    /// Whether `second` shows only where `self` does, and not everywhere there.
    fn is_before(&self, second: &Self) -> bool {
        self.shows != second.shows && !second.shows_without(self)
    }

    /// Whether some code shows this step and lacks the other.
    fn shows_without(&self, other: &Self) -> bool {
        self.shows.iter().zip(&other.shows).any(|(one, other)| *one && !*other)
    }

    /// Whether the two are on branches beside each other.
    fn is_beside(&self, other: &Self) -> bool {
        self.shows_without(other) && other.shows_without(self)
    }
}

/// The measured codes, weighed at one tau.
struct Weighed {
    /// (w, m) of each code.
    levels: Vec<(f64, f64)>,
    tau_squared: f64,
    /// The margin (log ratio): what is smaller is no step.
    least_step: f64,
    log_common: f64,
}

impl Weighed {
    fn at(levels: &[Level], variance: f64, (tau, prior): (f64, f64), least_step: f64) -> Self {
        let weight = |level: &Level| 1.0 / (variance / level.count as f64 + tau * tau);
        let levels: Vec<(f64, f64)> = levels.iter().map(|level| (weight(level), level.mean)).collect();
        let log_common = prior.ln() + levels.iter().map(|(weight, _)| 0.5 * weight.ln()).sum::<f64>();
        Self { levels, tau_squared: tau * tau, least_step, log_common }
    }

    fn sums(&self, belongs: impl Fn(usize) -> bool) -> Sums {
        let mut sums = Sums::default();
        let own = self.levels.iter().enumerate().filter(|(at, _)| belongs(*at));
        own.for_each(|(_, (weight, mean))| sums.add(*weight, *mean));
        sums
    }

    /// log ML of a division, and the height of its step: one step, or two with any of the divisions behind or beside it.
    /// Of two beside each other the earlier position is the one to be found; the other is left to the right side of it.
    fn judge(&self, first: usize, all: &[Division]) -> (f64, f64) {
        let shared = STEP * STEP;
        let one = &all[first];
        let (mut alone, mut terms) = (1.0, Vec::new());
        let others = all.iter().enumerate();
        for (_, two) in others.filter(|(at, two)| one.is_before(two) || (first < *at && one.is_beside(two))) {
            let share = SECOND * two.prior;
            alone -= share;
            terms.push(self.judge_two(one, two, share));
        }
        let (old, risen) = (self.sums(|at| !one.shows[at]), self.sums(|at| one.shows[at]));
        let log = alone.ln() + old.log_ml(self.tau_squared) + risen.log_ml(shared);
        terms.push((log, risen.mean(shared)));
        let largest = terms.iter().fold(f64::NEG_INFINITY, |top, (log, _)| top.max(*log));
        let mass: f64 = terms.iter().map(|(log, _)| (log - largest).exp()).sum();
        let height: f64 = terms.iter().map(|(log, step)| (log - largest).exp() * step).sum();
        (self.log_common + largest + mass.ln(), height / mass)
    }

    /// log of prior `share` and ML, and the height of the first step; each group has a level of its own.
    fn judge_two(&self, one: &Division, two: &Division, share: f64) -> (f64, f64) {
        let shared = STEP * STEP;
        let old = self.sums(|at| !one.shows[at] && !two.shows[at]);
        let first = self.sums(|at| one.shows[at] && !two.shows[at]);
        let both = self.sums(|at| one.shows[at] && two.shows[at]);
        let beside = self.sums(|at| !one.shows[at] && two.shows[at]);
        let mut log = share.ln() + old.log_ml(self.tau_squared) + both.log_ml(shared);
        for group in [first, beside].into_iter().filter(|group| group.w > 0.0) {
            let beyond = group.beyond(self.least_step, shared).max(f64::MIN_POSITIVE);
            log += beyond.ln() + group.log_ml(shared);
        }
        (log, first.mean(shared))
    }
}

/// Returns the possible divisions, in the order of their first hypothesis.
fn divisions(history: &History, segment: &Segment, codes: &[Code], prior: &[f64]) -> Vec<Division> {
    let weight = |k: usize| prior.get(k).copied().unwrap_or(1.0);
    let total: f64 = segment.candidates.iter().map(weight).sum();
    let looked = Positions::those(history.positions(), |at| codes.iter().any(|code| code.commits.contains(&at)));
    let mut places: BTreeMap<Positions, Option<usize>> = BTreeMap::new();
    let mut found: Vec<Division> = Vec::new();
    for k in segment.candidates.iter() {
        let key = history.containing(k).and(&looked);
        let place = *places.entry(key).or_insert_with_key(|key| {
            let shows = sides(codes, key)?;
            let shows = codes.iter().zip(shows).filter(|(code, _)| code.is_measured()).map(|(_, shows)| shows);
            found.push(Division { hypotheses: Vec::new(), prior: 0.0, shows: shows.collect() });
            Some(found.len() - 1)
        });
        if let Some(division) = place.and_then(|place| found.get_mut(place)) {
            division.hypotheses.push(k);
            division.prior += weight(k) / total;
        }
    }
    found
}

impl Posterior {
    pub(super) fn of(history: &History, segment: &Segment, known: &Known, settings: &Settings) -> Self {
        let codes = codes(segment, known);
        let levels: Vec<Level> = codes.iter().filter(|code| code.is_measured()).map(|code| code.level).collect();
        let variance = pooled_variance(&levels);
        let divisions = divisions(history, segment, &codes, &settings.prior);
        let least = settings.margin.ln_1p();
        let mut judged = Vec::new();
        for (tau, prior) in taus(settings.tau) {
            let weighed = Weighed::at(&levels, variance, (tau, prior), least);
            let judge = |(at, division)| (division, tau, weighed.judge(at, &divisions));
            judged.extend(divisions.iter().enumerate().map(judge));
        }
        let nothing = vec![0.0; history.positions()];
        let (by_position, tau_shares) = (nothing.clone(), nothing);
        let mut posterior = Self { by_position, codes, step: 0.0, variance, tau_squared: 0.0, tau_shares };
        posterior.weigh(&judged, &settings.prior);
        posterior
    }

    fn weigh(&mut self, judged: &[(&Division, f64, (f64, f64))], prior: &[f64]) {
        let largest = judged.iter().fold(f64::NEG_INFINITY, |top, (_, _, (log, _))| top.max(*log));
        let mut total = 0.0;
        for (division, tau, (log, step)) in judged {
            for k in &division.hypotheses {
                let mass = prior.get(*k).copied().unwrap_or(1.0) * (log - largest).exp();
                self.by_position[*k] += mass;
                self.step += mass * step;
                self.tau_shares[*k] += mass * tau * tau;
                total += mass;
            }
        }
        if total > 0.0 {
            self.by_position.iter_mut().for_each(|mass| *mass /= total);
            self.tau_shares.iter_mut().for_each(|share| *share /= total);
            self.step /= total;
            self.tau_squared = self.tau_shares.iter().sum();
        }
    }

    /// Whether no hypothesis is left.
    pub(super) fn is_empty(&self) -> bool {
        self.by_position.iter().all(|mass| *mass == 0.0)
    }

    /// The code of a commit that was looked at.
    pub(super) fn code_of(&self, commit: usize) -> Option<&Code> {
        self.codes.iter().find(|code| code.commits.contains(&commit))
    }

    /// P(the commit shows the step).
    pub(super) fn shows(&self, history: &History, commit: usize) -> f64 {
        history.contained(commit).iter().map(|k| self.by_position[k]).sum::<f64>().min(1.0)
    }

    /// The larger of the tau^2 expected if the commit shows the step, and if it does not.
    ///
    /// Often an unlikely side lives on a large tau only, and then more pairs cannot refute it, however small tau is on
    /// the likely one.
    pub(super) fn tau_squared_at(&self, history: &History, commit: usize) -> f64 {
        let shows = self.shows(history, commit);
        let share: f64 = history.contained(commit).iter().map(|k| self.tau_shares[k]).sum();
        let of = |share: f64, mass: f64| if mass > 1e-9 { share / mass } else { 0.0 };
        of(share, shows).max(of(self.tau_squared - share, 1.0 - shows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ln of the normal density without ln(2 pi) / 2.
    fn normal(x: f64, variance: f64) -> f64 {
        -0.5 * variance.ln() - 0.5 * x * x / variance
    }

    #[test]
    fn the_likelihood_of_a_group_is_that_of_a_shared_normal_level() {
        let (shared, w, m) = (4e-4, [1e5, 2e4], [0.021, 0.013]);
        let mut sums = Sums::default();
        sums.add(w[0], m[0]);
        let one = 0.5 * w[0].ln() + sums.log_ml(shared);
        assert!((one - normal(m[0], 1.0 / w[0] + shared)).abs() < 1e-9);
        // The second given the first: its mean is the posterior mean, its variance that and its own.
        let second = normal(m[1] - sums.mean(shared), 1.0 / w[1] + shared / (1.0 + shared * w[0]));
        sums.add(w[1], m[1]);
        let both = 0.5 * (w[0].ln() + w[1].ln()) + sums.log_ml(shared);
        assert!((both - one - second).abs() < 1e-9);
    }

    #[test]
    fn a_level_that_nothing_shares_is_zero() {
        let mut sums = Sums::default();
        sums.add(100.0, 0.1);
        assert!((0.5 * 100f64.ln() + sums.log_ml(0.0) - normal(0.1, 0.01)).abs() < 1e-12);
        assert_eq!(sums.mean(0.0), 0.0);
    }

    #[test]
    fn a_measured_build_effect_moves_the_prior() {
        let mean = |measured| taus(measured).iter().map(|(tau, weight)| tau * weight).sum::<f64>();
        assert!(mean(Some(0.01)) > 0.008 && mean(Some(0.0)) < 4e-4 && mean(None) < 1e-3);
        for measured in [None, Some(0.0), Some(0.003)] {
            assert!((taus(measured).iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
