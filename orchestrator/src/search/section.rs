//! Owns one section of the history: whether its ends differ, and if they do, between which neighbours the step lies.

use super::action::{Action, choose, tellers};
use super::gate::{LOOKS, Verdict, judge};
use super::history::Positions;
use super::inquiry::Inquiry;
use super::posterior::{Code, Posterior, Segment};
use super::{Direction, Estimate, Evidence, Gate, Measured, Stage, View, Why};
use std::collections::BTreeMap;

/// Pairs that both neighbours of a step must have: else its height, and with it the accusation, rests on one of them.
const NEIGHBOUR_PAIRS: usize = 10;

/// Normal quantile of a two-sided range of 99 %.
const QUANTILE: f64 = 2.576;

/// Where the step of a section lies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) commits: Vec<usize>,
    /// The last usable commit without it, and the first with it.
    pub(super) parent: usize,
    pub(super) shown: usize,
    pub(super) probability: f64,
    pub(super) change: Estimate,
}

/// How the search in a section ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Located {
    Step(Step),
    Undecided { commits: Vec<usize>, probability: f64, why: Why },
    EndUnusable(usize),
}

/// Hypotheses that no usable commit tells apart.
struct Class {
    commits: Vec<usize>,
    probability: f64,
    /// Those that contain all of them, among what may tell.
    with: Positions,
}

/// A section while it is being searched.
pub(super) struct Hunt<'i, 'a, E> {
    inquiry: &'i mut Inquiry<'a, E>,
    segment: Segment,
    /// Pairs taken here.
    pub(super) pairs: usize,
    change: Estimate,
}

impl<'i, 'a, E: Evidence> Hunt<'i, 'a, E> {
    pub(super) fn between(inquiry: &'i mut Inquiry<'a, E>, reference: usize, end: usize) -> Self {
        let segment = Segment::between(inquiry.history, reference, end);
        Self { inquiry, segment, pairs: 0, change: Estimate::UNKNOWN }
    }

    /// Compares the ends, by fresh pairs whatever was measured before: an end that the search chose was chosen for its
    /// pairs. `asked` limits the direction.
    pub(super) fn gate(&mut self, asked: Option<Direction>) -> Result<Gate, E::Stop> {
        let (reference, end) = (self.segment.reference, self.segment.end);
        for end in [reference, end] {
            if !self.inquiry.look(end)? {
                return Ok(Gate::EndUnusable { end });
            }
        }
        if self.inquiry.same_code(reference, end)? {
            return Ok(Gate::SameCode);
        }
        let Some((verdict, fresh)) = self.compare_ends()? else { return Ok(Gate::EndUnusable { end }) };
        // For locating the step, older pairs of the same end are as good as new ones.
        self.inquiry.known.keep(reference, end, fresh);
        let change = self.change;
        Ok(match (verdict, asked) {
            (Verdict::Same, _) => Gate::Same { change },
            (Verdict::Open, _) => Gate::Open { change },
            (Verdict::Rose, Some(Direction::Better)) | (Verdict::Fell, Some(Direction::Worse)) => {
                Gate::OtherWay { change }
            }
            (Verdict::Rose | Verdict::Fell, _) => Gate::Different { change },
        })
    }

    fn compare_ends(&mut self) -> Result<Option<(Verdict, Vec<f64>)>, E::Stop> {
        let (mut fresh, mut verdict) = (Vec::new(), Verdict::Open);
        for look in LOOKS {
            let more = look - fresh.len();
            let Some(pairs) = self.inquiry.pairs(self.segment.reference, self.segment.end, more)? else {
                return Ok(None);
            };
            self.pairs += pairs.len();
            fresh.extend(pairs);
            (verdict, self.change) = judge(&fresh, self.inquiry.settings.margin);
            self.show_gate(fresh.len());
            if verdict != Verdict::Open {
                break;
            }
        }
        Ok(Some((verdict, fresh)))
    }

    /// Looks for the step, once the ends are known to differ.
    pub(super) fn locate(&mut self) -> Result<Located, E::Stop> {
        loop {
            let posterior = self.posterior();
            self.show(Stage::Search, &posterior);
            if posterior.is_empty() {
                return Ok(undecided(self.segment.candidates.iter().collect(), 1.0, Why::Contradiction));
            }
            let class = self.likeliest(&posterior);
            let sure = class.probability >= self.inquiry.settings.certainty;
            let starved = if sure { self.starved(&class, &posterior) } else { None };
            if sure && starved.is_none() {
                self.show(Stage::Confirm, &posterior);
                return Ok(Located::Step(self.step(class, &posterior)));
            }
            if self.pairs >= self.inquiry.settings.most_pairs {
                return Ok(self.give_up(&posterior, Why::Budget));
            }
            let Some(action) = starved.or_else(|| choose(self.inquiry, &self.segment, &posterior)) else {
                return Ok(self.give_up(&posterior, Why::Exhausted));
            };
            if !self.perform(action, &posterior)? && action.commit == self.segment.end {
                return Ok(Located::EndUnusable(self.segment.end));
            }
        }
    }

    fn posterior(&self) -> Posterior {
        let Inquiry { history, settings, known, .. } = &*self.inquiry;
        Posterior::of(history, &self.segment, known, settings)
    }

    /// False: the commit cannot be used.
    fn perform(&mut self, action: Action, posterior: &Posterior) -> Result<bool, E::Stop> {
        let Action { commit, pairs } = action;
        let is_new = posterior.code_of(commit).is_none();
        if !self.inquiry.look(commit)? {
            return Ok(false);
        }
        if is_new && self.is_told_by_its_code(commit) {
            return Ok(true);
        }
        let Some(pairs) = self.inquiry.pairs(self.segment.reference, commit, pairs)? else { return Ok(false) };
        self.pairs += pairs.len();
        self.inquiry.known.keep(self.segment.reference, commit, pairs);
        Ok(true)
    }

    /// Whether a commit that was just built runs a code whose level is known: then pairs would tell little more.
    fn is_told_by_its_code(&self, commit: usize) -> bool {
        let codes = super::posterior::codes(&self.segment, &self.inquiry.known);
        codes.iter().any(|code| code.commits.contains(&commit) && (code.is_reference || code.level.count > 0))
    }

    fn likeliest(&self, posterior: &Posterior) -> Class {
        let tellers = tellers(self.inquiry, &self.segment);
        let mut classes: BTreeMap<Positions, (f64, Vec<usize>)> = BTreeMap::new();
        for k in self.segment.candidates.iter().filter(|k| posterior.by_position[*k] > 0.0) {
            let class = classes.entry(self.inquiry.history.containing(k).and(&tellers)).or_default();
            class.0 += posterior.by_position[k];
            class.1.push(k);
        }
        let none = Class { commits: Vec::new(), probability: 0.0, with: Positions::none(0) };
        classes.into_iter().fold(none, |best, (with, (probability, commits))| {
            if probability > best.probability { Class { commits, probability, with } } else { best }
        })
    }

    /// The last commit that lacks the step, and the first that shows it, among what may tell.
    fn neighbours(&self, class: &Class) -> (usize, usize) {
        let history = self.inquiry.history;
        let shown = class.with.iter().next().unwrap_or(self.segment.end);
        let before = tellers(self.inquiry, &self.segment).and(history.contained(shown)).without(&class.with);
        (history.fullest(&before).unwrap_or(self.segment.reference), shown)
    }

    /// What a neighbour of the step still needs.
    fn starved(&self, class: &Class, posterior: &Posterior) -> Option<Action> {
        let (parent, shown) = self.neighbours(class);
        let lack = |commit: usize| {
            let code = posterior.code_of(commit);
            let fed = |code: &Code| if code.is_reference { NEIGHBOUR_PAIRS } else { code.level.count };
            let pairs = NEIGHBOUR_PAIRS.saturating_sub(code.map_or(0, fed));
            (pairs > 0).then_some(Action { commit, pairs })
        };
        lack(shown).or_else(|| lack(parent))
    }

    fn step(&self, class: Class, posterior: &Posterior) -> Step {
        let (parent, shown) = self.neighbours(&class);
        // Mean and squared error; the reference is exactly 0, but its build has an effect like any other.
        let level = |commit: usize| match posterior.code_of(commit) {
            Some(code) if !code.is_reference => {
                (code.level.mean, posterior.tau_squared + posterior.variance / code.level.count.max(1) as f64)
            }
            _ => (0.0, posterior.tau_squared),
        };
        let ((low, low_error), (high, high_error)) = (level(parent), level(shown));
        let (estimate, half) = (high - low, QUANTILE * (low_error + high_error).sqrt());
        let change = Estimate { estimate, low: estimate - half, high: estimate + half };
        Step { commits: class.commits, parent, shown, probability: class.probability, change }
    }

    /// The smallest set that holds the asked certainty.
    fn give_up(&self, posterior: &Posterior, why: Why) -> Located {
        let mut order: Vec<usize> = self.segment.candidates.iter().collect();
        order.sort_by(|one, other| posterior.by_position[*other].total_cmp(&posterior.by_position[*one]));
        let (mut commits, mut probability) = (Vec::new(), 0.0);
        for commit in order {
            if probability >= self.inquiry.settings.certainty {
                break;
            }
            probability += posterior.by_position[commit];
            commits.push(commit);
        }
        commits.sort_unstable();
        undecided(commits, probability.min(1.0), why)
    }

    fn show(&mut self, stage: Stage, posterior: &Posterior) {
        let of_code = |code: &Code| {
            let (pairs, level) = (code.level.count, code.level.mean);
            code.commits.iter().map(move |commit| Measured { commit: *commit, pairs, level }).collect::<Vec<_>>()
        };
        let mut measured: Vec<Measured> = posterior.codes.iter().flat_map(of_code).collect();
        measured.sort_by_key(|measured| measured.commit);
        let bits = bits(&posterior.by_position);
        let batch = 25.0 * posterior.variance / posterior.step.powi(2).max(1e-12);
        let pairs_left = (bits * batch.clamp(5.0, 640.0)).min(self.inquiry.settings.most_pairs as f64);
        self.inquiry.evidence.see(&View {
            stage,
            reference: self.segment.reference,
            end: self.segment.end,
            posterior: &posterior.by_position,
            measured: &measured,
            pairs: self.pairs,
            builds_left: bits,
            pairs_left,
            change: self.change,
        });
    }

    fn show_gate(&mut self, pairs: usize) {
        let (reference, end) = (self.segment.reference, self.segment.end);
        let nobody = vec![0.0; self.inquiry.history.positions()];
        self.inquiry.evidence.see(&View {
            stage: Stage::Gate,
            reference,
            end,
            posterior: &nobody,
            measured: &[Measured { commit: end, pairs, level: self.change.estimate }],
            pairs: self.pairs,
            builds_left: (self.segment.candidates.len().max(1) as f64).log2(),
            pairs_left: 0.0,
            change: self.change,
        });
    }
}

fn undecided(commits: Vec<usize>, probability: f64, why: Why) -> Located {
    Located::Undecided { commits, probability, why }
}

/// Bits that are missing to name the culprit.
fn bits(posterior: &[f64]) -> f64 {
    let part = |p: &f64| if *p > 0.0 { -p * p.log2() } else { 0.0 };
    posterior.iter().map(part).sum::<f64>().max(0.0)
}
