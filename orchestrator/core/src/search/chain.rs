//! Owns the likelihood of any number of steps in one section, at one build effect.
//!
//! A hypothesis is a chain of divisions i, j, ..., each behind the one before it. Codes that show
//! none of them share the reference's level, codes between two of them share a new level, and codes
//! behind the last one share another. Let p_i be the prior of a division, r_j = 0.15 p_j the prior
//! of a further step, O_i the likelihood of the codes without i, and G_ij the likelihood of the
//! codes between i and j. Then all results follow from sums from both ends:
//!
//! ```text
//! B_i = (1 - sum r_j) G_i + sum G_ij r_j B_j
//! F_i = p_i O_i + sum F_h G_hi r_i
//! P(step in i) ~ F_i B_i
//! ```
//!
//! A first level within the margin is no step, and its share is left out. Otherwise the reference's
//! build effect, which all commits before the step share, would pass for a step of the first of
//! them.

use super::divisions::Division;
use super::level::DifferenceLevel;
use super::likelihood::{GroupLevel, LevelSums, log_sum};

/// Probability of a further step, if all commits behind a step may have made it.
const FURTHER: f64 = 0.15;

/// Factor by which a later step of a chain must exceed the steps before it (log ratio) to become
/// the step that is searched first.
const MUCH_LARGER: f64 = 3.0;

/// Share below which a chain is not evaluated.
const NEGLIGIBLE: f64 = 1e-6;

/// Share above which a chain is followed to its end to find its aim.
const FOLLOWED: f64 = 1e-4;

/// Measured levels of a section, and the possible divisions of the section.
pub(super) struct SectionLevels {
    pub(super) levels: Vec<DifferenceLevel>,
    /// s^2, the variance of one pair (squared log ratio).
    pub(super) variance: f64,
    /// `Division::shows` has one entry for each level.
    pub(super) divisions: Vec<Division>,
    /// The margin (log ratio); a smaller difference is no step.
    pub(super) least_step: f64,
    /// Prior probability of no step at all; above 0.
    pub(super) none: f64,
}

/// Probability of a step, with the expected size of the step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StepMass {
    pub(super) mass: f64,
    /// Probability times size (log ratio, without sign).
    pub(super) height: f64,
}

impl StepMass {
    fn add(&mut self, mass: f64, height: f64) {
        self.mass += mass;
        self.height += mass * height.abs();
    }
}

/// Results of the levels at one build effect. All shares are of 1, with no step at all included.
pub(super) struct StepShares {
    /// log likelihood of the levels.
    pub(super) log_total: f64,
    /// Share of no step.
    pub(super) none: f64,
    /// For each division, the share in which a step of more than the margin lies there, whatever
    /// lies elsewhere.
    pub(super) any: Vec<StepMass>,
    /// For each division, the share of the step to search, of which each hypothesis has one.
    pub(super) aim: Vec<StepMass>,
}

/// The sums over chains. Divisions are given by their index, in an order in which each division is
/// behind all divisions before it.
struct StepChains<'a> {
    section: &'a SectionLevels,
    /// (w, m) of each code.
    weighed: Vec<(f64, f64)>,
    tau_squared: f64,
    /// For each division, the divisions behind it, with the level between the two.
    behind: Vec<Vec<(usize, GroupLevel)>>,
    /// For each division, the level of all codes that show it.
    last: Vec<GroupLevel>,
    /// For each division, the continuations from it, with no division beside it.
    ways: Vec<Vec<WayOn>>,
    /// log B.
    backward: Vec<f64>,
}

/// One continuation from a division: the log of its share of B, its level, and the next division if
/// there is one.
struct WayOn {
    log: f64,
    level: GroupLevel,
    next: Option<usize>,
}

impl<'a> StepChains<'a> {
    fn new(section: &'a SectionLevels, tau_squared: f64) -> Self {
        let weight =
            |level: &DifferenceLevel| 1.0 / (section.variance / level.count as f64 + tau_squared);
        let weighed = section
            .levels
            .iter()
            .map(|level| (weight(level), level.mean))
            .collect();
        let count = section.divisions.len();
        let mut chain = Self {
            section,
            weighed,
            tau_squared,
            behind: Vec::with_capacity(count),
            last: Vec::with_capacity(count),
            ways: Vec::new(),
            backward: vec![0.0; count],
        };
        for (at, one) in section.divisions.iter().enumerate() {
            let others = section
                .divisions
                .iter()
                .enumerate()
                .skip(at + 1)
                .filter(|(_, two)| one.is_before(two));
            let between = |two: &Division| {
                chain
                    .sums(|code| one.shows[code] && !two.shows[code])
                    .new_level()
            };
            let behind = others.map(|(next, two)| (next, between(two))).collect();
            let last = chain.sums(|code| one.shows[code]).new_level();
            chain.behind.push(behind);
            chain.last.push(last);
        }
        chain.sum_backward();
        chain
    }

    fn sums(&self, belongs: impl Fn(usize) -> bool) -> LevelSums {
        let mut sums = LevelSums::default();
        let own = self
            .weighed
            .iter()
            .enumerate()
            .filter(|(code, _)| belongs(*code));
        own.for_each(|(_, (weight, mean))| sums.add(*weight, *mean));
        sums
    }

    fn further(&self, division: usize) -> f64 {
        FURTHER * self.section.divisions[division].prior
    }

    /// Returns the continuations from a division; `beside` is the prior of the divisions beside it.
    fn ways_on(&self, from: usize, beside: f64) -> Vec<WayOn> {
        let further: f64 = self.behind[from]
            .iter()
            .map(|(next, _)| self.further(*next))
            .sum();
        let last = self.last[from];
        let mut ways = vec![WayOn {
            log: (1.0 - further - beside).ln() + last.log,
            level: last,
            next: None,
        }];
        ways.extend(self.behind[from].iter().map(|(next, level)| {
            let log = self.further(*next).ln() + level.log + self.backward[*next];
            WayOn {
                log,
                level: *level,
                next: Some(*next),
            }
        }));
        ways
    }

    fn sum_backward(&mut self) {
        for at in (0..self.backward.len()).rev() {
            let ways = self.ways_on(at, 0.0);
            let log = log_sum(ways.iter().map(|way| way.log));
            self.backward[at] = log;
            self.ways.push(ways);
        }
        self.ways.reverse();
    }

    /// Returns the log of the prior of a first step. Hypotheses that commits of the same code rule
    /// out are not counted as possible.
    fn log_prior(&self, division: &Division) -> f64 {
        let possible: f64 = self
            .section
            .divisions
            .iter()
            .map(|division| division.prior)
            .sum();
        (division.prior / possible).ln()
    }

    /// Returns the log of prior and likelihood of a first step, without the codes behind it.
    fn before(&self, first: usize) -> f64 {
        let division = &self.section.divisions[first];
        self.log_prior(division)
            + self
                .sums(|code| !division.shows[code])
                .log_ml(self.tau_squared)
    }

    /// Returns the continuations from a first step, whose level is beyond the margin.
    fn ways_on_from_first(&self, first: usize, beside: f64) -> Vec<WayOn> {
        let mut ways = self.ways_on(first, beside);
        for way in ways.iter_mut().filter(|way| way.next.is_some()) {
            way.log += self.log_beyond(&way.level);
        }
        ways
    }

    fn log_beyond(&self, level: &GroupLevel) -> f64 {
        level
            .beyond(&GroupLevel::REFERENCE, self.section.least_step)
            .max(f64::MIN_POSITIVE)
            .ln()
    }

    /// Returns the steps on branches beside a division. Of two such steps, the earlier position is
    /// the one to be found; the search of the right side finds the other.
    fn beside(&self, first: usize) -> Vec<usize> {
        let one = &self.section.divisions[first];
        let is_later = |two: &Division| one.hypotheses.first() < two.hypotheses.first();
        let others = self.section.divisions.iter().enumerate();
        others
            .filter(|(_, two)| is_later(two) && one.is_beside(two))
            .map(|(at, _)| at)
            .collect()
    }

    /// Returns the log of prior and likelihood of two steps beside each other, and the level of the
    /// first.
    fn judge_beside(&self, first: usize, other: usize) -> (f64, f64) {
        let (one, two) = (
            &self.section.divisions[first],
            &self.section.divisions[other],
        );
        let old = self.sums(|code| !one.shows[code] && !two.shows[code]);
        let both = self
            .sums(|code| one.shows[code] && two.shows[code])
            .new_level();
        let mut log = self.log_prior(one)
            + self.further(other).ln()
            + old.log_ml(self.tau_squared)
            + both.log;
        let own = self
            .sums(|code| one.shows[code] && !two.shows[code])
            .new_level();
        for level in [
            own,
            self.sums(|code| !one.shows[code] && two.shows[code])
                .new_level(),
        ] {
            log += level.log + self.log_beyond(&level);
        }
        (log, own.mean)
    }
}

/// Collects the shares of all chains by their logs, and divides them by their sum.
struct ShareTally {
    any: Vec<StepMass>,
    aim: Vec<StepMass>,
    log_total: f64,
}

impl ShareTally {
    fn share(&self, log: f64) -> f64 {
        (log - self.log_total).exp()
    }
}

/// Weighs every chain of steps at one build effect (squared log ratio).
pub(super) fn weigh_chains(section: &SectionLevels, tau_squared: f64) -> StepShares {
    let chain = StepChains::new(section, tau_squared);
    let count = section.divisions.len();
    let some = (1.0 - section.none).ln();
    let before: Vec<f64> = (0..count).map(|first| some + chain.before(first)).collect();
    let beside: Vec<Vec<(usize, (f64, f64))>> = (0..count)
        .map(|first| {
            chain
                .beside(first)
                .into_iter()
                .map(|other| (other, chain.judge_beside(first, other)))
                .collect()
        })
        .collect();
    let firsts: Vec<Vec<WayOn>> = (0..count)
        .map(|first| {
            let share = beside[first]
                .iter()
                .map(|(other, _)| chain.further(*other))
                .sum();
            chain.ways_on_from_first(first, share)
        })
        .collect();
    let log_none = section.none.ln() + chain.sums(|_| true).log_ml(tau_squared);
    let one_after = firsts
        .iter()
        .zip(&before)
        .flat_map(|(ways, before)| ways.iter().map(move |way| before + way.log));
    let two_beside = beside.iter().flatten().map(|(_, (log, _))| some + log);
    let log_total = log_sum(one_after.chain(two_beside).chain(std::iter::once(log_none)));
    let nothing = vec![StepMass::default(); count];
    let mut tally = ShareTally {
        any: nothing.clone(),
        aim: nothing,
        log_total,
    };
    for first in 0..count {
        tally_first(&chain, &mut tally, first, before[first], &firsts[first]);
        for (_, (log, height)) in &beside[first] {
            let share = tally.share(some + log);
            tally.any[first].add(share, *height);
            tally.aim[first].add(share, *height);
        }
    }
    tally_later(&chain, &mut tally, &before);
    let common: f64 = chain
        .weighed
        .iter()
        .map(|(weight, _)| 0.5 * weight.ln())
        .sum();
    let none = tally.share(log_none);
    StepShares {
        log_total: log_total + common,
        none,
        any: tally.any,
        aim: tally.aim,
    }
}

/// Adds the first steps, and the aims of all hypotheses that begin with them.
fn tally_first(
    chain: &StepChains,
    tally: &mut ShareTally,
    first: usize,
    before: f64,
    ways: &[WayOn],
) {
    for way in ways {
        let share = tally.share(before + way.log);
        tally.any[first].add(share, way.level.mean);
        let height = way.level.mean;
        tally_aim(chain, tally, (first, height), way, share);
    }
}

/// Follows a chain, and notes the step that it aims at: the first step, or a later one that is far
/// larger than the aim so far. `aim` is a division with the size of its step.
fn tally_aim(
    chain: &StepChains,
    tally: &mut ShareTally,
    aim: (usize, f64),
    way: &WayOn,
    share: f64,
) {
    let Some(next) = way.next.filter(|_| share >= FOLLOWED) else {
        return tally.aim[aim.0].add(share, aim.1);
    };
    for further in &chain.ways[next] {
        let height = further.level.mean - way.level.mean;
        let is_far_larger = height.abs() >= MUCH_LARGER * aim.1.abs();
        let part = share * (further.log - chain.backward[next]).exp();
        tally_aim(
            chain,
            tally,
            if is_far_larger { (next, height) } else { aim },
            further,
            part,
        );
    }
}

/// Adds the steps behind others that are beyond the margin.
fn tally_later(chain: &StepChains, tally: &mut ShareTally, before: &[f64]) {
    let count = before.len();
    let mut later = vec![f64::NEG_INFINITY; count];
    for from in 0..count {
        for (at, level) in &chain.behind[from] {
            let first = before[from] + chain.log_beyond(level);
            let arrives =
                log_sum([first, later[from]].into_iter()) + level.log + chain.further(*at).ln();
            later[*at] = log_sum([later[*at], arrives].into_iter());
            let share = tally.share(arrives + chain.backward[*at]);
            if share < NEGLIGIBLE {
                continue;
            }
            for way in &chain.ways[*at] {
                let part = share * (way.log - chain.backward[*at]).exp();
                if part >= NEGLIGIBLE {
                    let beyond = way.level.beyond(level, chain.section.least_step);
                    tally.any[*at].add(part * beyond, way.level.mean - level.mean);
                }
            }
        }
    }
}
