//! Owns who may have made the step, given the pairs so far.
//!
//! Hypothesis k: commits that contain k have one new level, all others the reference's. With each measured code's level
//! m, w = 1/(s^2/n + tau^2) and V the variance of what the members of a group share,
//! log ML(G) = 1/2 sum ln w - 1/2 [sum w m^2 - (sum w m)^2/(sum w + 1/V)] - 1/2 ln(1 + V sum w)
//! P(k, tau) = prior(k) prior(tau) ML(those without k) ML(those with k).
//! A new level has V = 0.05^2. The reference's level is exactly 0 but for the reference's own build effect, which
//! every difference to it shares: V = tau^2 (the same as commit 0 with m = 0 and infinitely many pairs).
//!
//! Behind the first step there may be a second one, k2, that shows only where k does: three groups, with prior 0.15 for
//! the two-step history. Without it two steps pass for a large build effect, or for one step between them. What counts is
//! k, the first; a first level within half of the margin is no step, and its share of ML is left out.

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
        self.shows != second.shows && self.shows.iter().zip(&second.shows).all(|(one, other)| *one || !*other)
    }
}

/// The measured codes, weighed at one tau.
struct Weighed {
    /// (w, m) of each code.
    levels: Vec<(f64, f64)>,
    tau_squared: f64,
    /// Half of the margin (log ratio): what is smaller is no step.
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

    /// log ML of a division, and the height of its step: one step, or two with any of the divisions behind it.
    fn judge(&self, first: &Division, all: &[Division]) -> (f64, f64) {
        let shared = STEP * STEP;
        let old = self.log_common + self.sums(|at| !first.shows[at]).log_ml(self.tau_squared);
        let risen = self.sums(|at| first.shows[at]);
        let mut alone = 1.0;
        let mut terms = Vec::new();
        for second in all.iter().filter(|second| first.is_before(second)) {
            let middle = self.sums(|at| first.shows[at] && !second.shows[at]);
            let last = self.sums(|at| second.shows[at]);
            let share = SECOND * second.prior;
            alone -= share;
            let log = (share * middle.beyond(self.least_step, shared)).max(f64::MIN_POSITIVE).ln();
            terms.push((old + log + middle.log_ml(shared) + last.log_ml(shared), middle.mean(shared)));
        }
        terms.push((old + alone.ln() + risen.log_ml(shared), risen.mean(shared)));
        let largest = terms.iter().fold(f64::NEG_INFINITY, |top, (log, _)| top.max(*log));
        let mass: f64 = terms.iter().map(|(log, _)| (log - largest).exp()).sum();
        let height: f64 = terms.iter().map(|(log, step)| (log - largest).exp() * step).sum();
        (largest + mass.ln(), height / mass)
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
        let least = settings.margin.ln_1p() / 2.0;
        let mut judged = Vec::new();
        for (tau, prior) in taus(settings.tau) {
            let weighed = Weighed::at(&levels, variance, (tau, prior), least);
            judged.extend(divisions.iter().map(|division| (division, tau, weighed.judge(division, &divisions))));
        }
        let mut posterior =
            Self { by_position: vec![0.0; history.positions()], codes, step: 0.0, variance, tau_squared: 0.0 };
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
                self.tau_squared += mass * tau * tau;
                total += mass;
            }
        }
        if total > 0.0 {
            self.by_position.iter_mut().for_each(|mass| *mass /= total);
            self.step /= total;
            self.tau_squared /= total;
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
}
