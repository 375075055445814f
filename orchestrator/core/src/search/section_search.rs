//! Owns one section of the history: whether its ends differ, and if so, between which neighbours
//! the step lies.

use super::commit_graph::PositionSet;
use super::context::{SearchContext, SectionProgress};
use super::difference::{DifferenceVerdict, LOOKS, judge_differences};
use super::divisions::{CodeGroup, SearchSection, list_codes};
use super::pair_request::{PairRequest, choose_request, informative_commits};
use super::posterior::Posterior;
use super::{
    ChangeDirection, EndsVerdict, Evidence, MeasuredLevel, RatioEstimate, SectionStage,
    SectionView, UndecidedReason,
};
use std::collections::BTreeMap;

/// Fewest pairs of both neighbours of a step. With fewer, its height, and with it the verdict,
/// would depend on one of them.
const NEIGHBOUR_PAIRS: usize = 10;

/// If only the build effect decides, it is estimated from existing builds and from a few further
/// ones. These are the numbers of builds of both kinds, and the pairs of a further build.
const LEARNING_BUILDS: usize = 6;
const FURTHER_BUILDS: usize = 4;
const FURTHER_PAIRS: usize = 20;

/// Fewest and most pairs of each build from which the build effect is estimated. In between, there
/// are as many as determine its level to a third of the margin.
const FEWEST_LEARNING_PAIRS: usize = 10;
const MOST_LEARNING_PAIRS: usize = 80;

/// Information (nats) above which the build effect counts as decisive.
const TELLS: f64 = 0.01;

/// Limits for a change that is small beside the largest step. It ends the comparison of the ends at
/// once if it is within this many margins and looks like no step, later if it looks like no step,
/// and from the last number of pairs on in any case.
const BOUND_MARGINS: f64 = 3.0;
const BOUND_PAIRS: usize = 32;
const BOUND_PAIRS_AT_LAST: usize = 96;

/// Standard errors above which a step is not noise.
const CLEAR: f64 = 5.0;

/// Normal quantile of a two-sided range of 99 %.
const QUANTILE: f64 = 2.576;

/// The step of a section, with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SectionStep {
    pub(super) commits: Vec<usize>,
    /// The last usable commit without the step, and the first with it.
    pub(super) parent: usize,
    pub(super) shown: usize,
    pub(super) probability: f64,
    pub(super) change: RatioEstimate,
    /// Changes of the parts before and behind the step (log ratio), from the pairs of the search.
    pub(super) before: RatioEstimate,
    pub(super) behind: RatioEstimate,
}

/// Results that a section starts from.
#[derive(Debug, Clone, Default)]
pub(super) struct EarlierSections {
    pub(super) sections: Vec<SearchSection>,
    /// Largest change that counts as small (log ratio). A change within it ends the comparison of
    /// the ends without a verdict. With 0, no change counts as small.
    pub(super) bound: f64,
}

/// Result of the search in a section.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SectionOutcome {
    Step(SectionStep),
    Undecided {
        commits: Vec<usize>,
        probability: f64,
        why: UndecidedReason,
    },
    EndUnusable(usize),
}

/// Hypotheses that no usable commit distinguishes.
struct HypothesisClass {
    commits: Vec<usize>,
    probability: f64,
    /// Informative commits that contain all of them.
    with: PositionSet,
}

/// The search of a section in progress.
pub(super) struct SectionSearch<'i, 'a, E> {
    context: &'i mut SearchContext<'a, E>,
    section: SearchSection,
    /// Pairs taken in this section.
    pub(super) pairs: usize,
    change: RatioEstimate,
    earlier: EarlierSections,
    further_builds: usize,
    learning_builds: usize,
}

impl<'i, 'a, E: Evidence> SectionSearch<'i, 'a, E> {
    pub(super) fn between(
        context: &'i mut SearchContext<'a, E>,
        reference: usize,
        end: usize,
        earlier: EarlierSections,
    ) -> Self {
        let section = SearchSection::between(context.history, reference, end);
        Self {
            context,
            section,
            pairs: 0,
            change: RatioEstimate::UNKNOWN,
            earlier,
            further_builds: 0,
            learning_builds: 0,
        }
    }

    /// Starts a section again whose ends are known to differ, with the pairs and the change from
    /// before.
    pub(super) fn retry(
        context: &'i mut SearchContext<'a, E>,
        (reference, end): (usize, usize),
        earlier: EarlierSections,
        change: RatioEstimate,
        pairs: usize,
    ) -> Self {
        let search = Self::between(context, reference, end, earlier);
        Self {
            change,
            pairs,
            further_builds: FURTHER_BUILDS,
            ..search
        }
    }

    /// Compares the ends by fresh pairs, whatever was measured before, because the search chose an
    /// end by its pairs. `asked` limits the direction.
    pub(super) fn judge_ends(
        &mut self,
        asked: Option<ChangeDirection>,
    ) -> Result<EndsVerdict, E::Stop> {
        let (reference, end) = (self.section.reference, self.section.end);
        self.note_progress(None);
        for end in [reference, end] {
            if !self.context.prepare_commit(end)? {
                return Ok(EndsVerdict::EndUnusable { end });
            }
        }
        if self.context.same_code(reference, end)? {
            return Ok(EndsVerdict::SameCode);
        }
        let Some((verdict, fresh)) = self.compare_ends()? else {
            return Ok(EndsVerdict::EndUnusable { end });
        };
        let is_bounded = self.is_bounded(fresh.len());
        // Older pairs of the same end are as good as new ones for locating the step.
        self.context.known.add_pairs(reference, end, fresh);
        let change = self.change;
        Ok(match (verdict, asked) {
            (DifferenceVerdict::Same, _) => EndsVerdict::Same { change },
            (DifferenceVerdict::Open, _) if is_bounded => EndsVerdict::Bounded { change },
            (DifferenceVerdict::Open, _) => EndsVerdict::Open { change },
            (DifferenceVerdict::Rose, Some(ChangeDirection::Better))
            | (DifferenceVerdict::Fell, Some(ChangeDirection::Worse)) => {
                EndsVerdict::OtherWay { change }
            }
            (DifferenceVerdict::Rose | DifferenceVerdict::Fell, _) => {
                EndsVerdict::Different { change }
            }
        })
    }

    fn compare_ends(&mut self) -> Result<Option<(DifferenceVerdict, Vec<f64>)>, E::Stop> {
        let (mut fresh, mut verdict) = (Vec::new(), DifferenceVerdict::Open);
        for look in LOOKS {
            let more = look - fresh.len();
            let Some(pairs) = self
                .context
                .pairs(self.section.reference, self.section.end, more)?
            else {
                return Ok(None);
            };
            self.pairs += pairs.len();
            fresh.extend(pairs);
            (verdict, self.change) = judge_differences(&fresh, self.context.settings.margin);
            self.show_ends(fresh.len());
            if verdict != DifferenceVerdict::Open || self.is_bounded(fresh.len()) {
                break;
            }
        }
        Ok(Some((verdict, fresh)))
    }

    /// Returns whether the change is far smaller than the largest known step.
    fn is_bounded(&self, pairs: usize) -> bool {
        let RatioEstimate {
            estimate,
            low,
            high,
        } = self.change;
        let margin = self.context.settings.margin.ln_1p();
        let looks_like_none = estimate.abs() <= margin;
        let bound = match pairs {
            ..BOUND_PAIRS if looks_like_none => self.earlier.bound.min(BOUND_MARGINS * margin),
            BOUND_PAIRS..BOUND_PAIRS_AT_LAST if looks_like_none => self.earlier.bound,
            BOUND_PAIRS_AT_LAST.. => self.earlier.bound,
            _ => return false,
        };
        low.abs().max(high.abs()) < bound
    }

    /// Returns the change between the ends with the build effects of both. The report shows it for
    /// a part in which nothing was found.
    pub(super) fn change_with_build_effect(&self) -> RatioEstimate {
        let tau_squared = self.posterior().tau_squared;
        let half = QUANTILE * (2.0 * tau_squared).sqrt();
        let RatioEstimate {
            estimate,
            low,
            high,
        } = self.change;
        RatioEstimate {
            estimate,
            low: low - half,
            high: high + half,
        }
    }

    /// Locates the step, once the ends are known to differ.
    pub(super) fn locate_step(&mut self) -> Result<SectionOutcome, E::Stop> {
        loop {
            let posterior = self.posterior();
            self.show_search(SectionStage::Search, &posterior);
            if posterior.is_empty() {
                return Ok(undecided_outcome(
                    self.section.candidates.iter().collect(),
                    1.0,
                    UndecidedReason::Contradiction,
                ));
            }
            let named = self.largest_sure_class(&posterior);
            let starved = named
                .as_ref()
                .and_then(|class| self.pairs_lacking(class, &posterior));
            if let (Some(class), None) = (&named, &starved) {
                self.show_search(SectionStage::Confirm, &posterior);
                return Ok(SectionOutcome::Step(self.located_step(class, &posterior)));
            }
            if self.pairs >= self.context.settings.most_pairs {
                return Ok(self.give_up(&posterior, UndecidedReason::Budget));
            }
            let chosen =
                starved.or_else(|| choose_request(self.context, &self.section, &posterior));
            let chosen = chosen.or_else(|| self.outweigh_noise(&posterior));
            if chosen.is_none() && self.learn_tau(&posterior)? {
                continue;
            }
            let Some(action) = chosen.or_else(|| self.build_further(&posterior)) else {
                let tau_decides = posterior.told_by_tau > TELLS;
                return Ok(self.give_up(
                    &posterior,
                    if tau_decides {
                        UndecidedReason::BuildEffect
                    } else {
                        UndecidedReason::Exhausted
                    },
                ));
            };
            if !self.perform_request(action, &posterior)? && action.commit == self.section.end {
                return Ok(SectionOutcome::EndUnusable(self.section.end));
            }
        }
    }

    fn posterior(&self) -> Posterior {
        let SearchContext {
            history,
            settings,
            known,
            ..
        } = &*self.context;
        Posterior::of(
            history,
            &self.section,
            known,
            settings,
            &self.earlier.sections,
        )
    }

    /// Takes more pairs of a build if only the build effect decides and the level of that build is
    /// too uncertain to show how builds differ, in this section or in the whole history. Returns
    /// false if there is no such build.
    fn learn_tau(&mut self, posterior: &Posterior) -> Result<bool, E::Stop> {
        if posterior.told_by_tau <= TELLS || self.learning_builds >= LEARNING_BUILDS {
            return Ok(false);
        }
        let margin = self.context.settings.margin.ln_1p();
        let enough = (9.0 * posterior.variance / (margin * margin)).ceil() as usize;
        let enough = enough.clamp(FEWEST_LEARNING_PAIRS, MOST_LEARNING_PAIRS);
        for section in std::iter::once(&self.section).chain(self.earlier.sections.first()) {
            let codes = list_codes(section, &self.context.known);
            let lacking = codes
                .iter()
                .filter(|code| code.is_measured() && code.level.count < enough);
            let fewest = lacking.min_by_key(|code| code.level.count);
            let Some((commit, count)) =
                fewest.and_then(|code| Some((*code.commits.first()?, code.level.count)))
            else {
                continue;
            };
            let reference = section.reference;
            self.learning_builds += 1;
            if let Some(pairs) = self.context.pairs(reference, commit, enough - count)? {
                self.pairs += pairs.len();
                self.context.known.add_pairs(reference, commit, pairs);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Returns a further build if only the build effect decides: the unexamined commit that is
    /// nearest to the suspect.
    fn build_further(&mut self, posterior: &Posterior) -> Option<PairRequest> {
        if posterior.told_by_tau <= TELLS || self.further_builds >= FURTHER_BUILDS {
            return None;
        }
        let likelihood = |k: &usize| posterior.aim.values[*k];
        let candidates = self.section.candidates.iter();
        let suspect =
            candidates.max_by(|one, other| likelihood(one).total_cmp(&likelihood(other)))?;
        let SearchContext {
            settings, known, ..
        } = &*self.context;
        let unseen = |commit: &usize| known.is_unseen(*commit) && !settings.is_never(*commit);
        let commit = self
            .section
            .measurable
            .iter()
            .filter(unseen)
            .min_by_key(|commit| commit.abs_diff(suspect))?;
        self.further_builds += 1;
        Some(PairRequest {
            commit,
            pairs: FURTHER_PAIRS,
        })
    }

    /// Builds and measures a commit. Returns false if the commit cannot be used.
    fn perform_request(
        &mut self,
        action: PairRequest,
        posterior: &Posterior,
    ) -> Result<bool, E::Stop> {
        let PairRequest { commit, pairs } = action;
        let is_new = posterior.code_of(commit).is_none();
        if !self.context.prepare_commit(commit)? {
            return Ok(false);
        }
        if is_new && self.is_told_by_its_code(commit) {
            return Ok(true);
        }
        let Some(pairs) = self.context.pairs(self.section.reference, commit, pairs)? else {
            return Ok(false);
        };
        self.pairs += pairs.len();
        self.context
            .known
            .add_pairs(self.section.reference, commit, pairs);
        Ok(true)
    }

    /// Returns whether a commit that was just built runs a code whose level is known. Pairs of it
    /// would add little information.
    fn is_told_by_its_code(&self, commit: usize) -> bool {
        let codes = list_codes(&self.section, &self.context.known);
        codes.iter().any(|code| {
            code.commits.contains(&commit) && (code.is_reference || code.level.count > 0)
        })
    }

    /// Returns the largest step that is certain, as hypotheses that no commit distinguishes. Other
    /// steps may still be open.
    fn largest_sure_class(&self, posterior: &Posterior) -> Option<HypothesisClass> {
        let sure = self.sure_classes(&posterior.any);
        sure.into_iter().max_by(|one, other| {
            posterior
                .size_among(&one.commits)
                .total_cmp(&posterior.size_among(&other.commits))
        })
    }

    /// Returns the classes of hypotheses that no commit distinguishes, if their shares together
    /// reach the requested certainty.
    fn sure_classes(&self, shares: &[f64]) -> Vec<HypothesisClass> {
        let tellers = informative_commits(self.context, &self.section);
        let mut classes: BTreeMap<PositionSet, (f64, Vec<usize>)> = BTreeMap::new();
        for k in self.section.candidates.iter().filter(|k| shares[*k] > 0.0) {
            let class = classes
                .entry(self.context.history.containing(k).intersection(&tellers))
                .or_default();
            class.0 += shares[k];
            class.1.push(k);
        }
        let class =
            |(with, (probability, commits)): (PositionSet, (f64, Vec<usize>))| HypothesisClass {
                commits,
                probability: probability.min(1.0),
                with,
            };
        let certainty = self.context.settings.certainty;
        classes
            .into_iter()
            .map(class)
            .filter(|class| class.probability >= certainty)
            .collect()
    }

    /// Returns more pairs of a step whose place is certain, if the change may still be mere noise.
    /// The comparison of the ends allows for noise of any kind, and the posterior gives noise less
    /// weight.
    fn outweigh_noise(&self, posterior: &Posterior) -> Option<PairRequest> {
        let class = self
            .sure_classes(&posterior.aim.values)
            .into_iter()
            .next()?;
        let (_, shown) = self.neighbours(&class);
        let count = posterior
            .code_of(shown)
            .filter(|code| code.is_measured())?
            .level
            .count;
        let error = (posterior.variance / count as f64).sqrt();
        let pairs = (count / 2).max(NEIGHBOUR_PAIRS);
        (error * CLEAR > posterior.height().abs()).then_some(PairRequest {
            commit: shown,
            pairs,
        })
    }

    /// Returns the last commit that lacks the step and the first that shows it, among the
    /// informative commits.
    fn neighbours(&self, class: &HypothesisClass) -> (usize, usize) {
        let history = self.context.history;
        let shown = class.with.iter().next().unwrap_or(self.section.end);
        let before = informative_commits(self.context, &self.section)
            .intersection(history.contained(shown))
            .difference(&class.with);
        (
            history.fullest(&before).unwrap_or(self.section.reference),
            shown,
        )
    }

    /// Returns the pairs that a neighbour of the step still needs.
    fn pairs_lacking(&self, class: &HypothesisClass, posterior: &Posterior) -> Option<PairRequest> {
        let (parent, shown) = self.neighbours(class);
        let lack = |commit: usize| {
            let code = posterior.code_of(commit);
            let fed = |code: &CodeGroup| {
                if code.is_reference {
                    NEIGHBOUR_PAIRS
                } else {
                    code.level.count
                }
            };
            let pairs = NEIGHBOUR_PAIRS.saturating_sub(code.map_or(0, fed));
            (pairs > 0).then_some(PairRequest { commit, pairs })
        };
        lack(shown).or_else(|| lack(parent))
    }

    fn located_step(&self, class: &HypothesisClass, posterior: &Posterior) -> SectionStep {
        let (parent, shown) = self.neighbours(class);
        // The level is a mean and a squared error. The reference is exactly 0, but its build has an
        // effect like any other.
        let level = |commit: usize| match posterior.code_of(commit) {
            Some(code) if !code.is_reference => (
                code.level.mean,
                posterior.tau_squared + posterior.variance / code.level.count.max(1) as f64,
            ),
            _ => (0.0, posterior.tau_squared),
        };
        let between = |(low, low_error): (f64, f64), (high, high_error): (f64, f64)| {
            let (estimate, half) = (high - low, QUANTILE * (low_error + high_error).sqrt());
            RatioEstimate {
                estimate,
                low: estimate - half,
                high: estimate + half,
            }
        };
        let [first, low, high, last] =
            [self.section.reference, parent, shown, self.section.end].map(level);
        SectionStep {
            commits: class.commits.clone(),
            parent,
            shown,
            probability: class.probability,
            change: between(low, high),
            before: between(first, low),
            behind: between(high, last),
        }
    }

    fn give_up(&self, posterior: &Posterior, why: UndecidedReason) -> SectionOutcome {
        let (commits, probability) = self.suspects(posterior);
        undecided_outcome(commits, probability, why)
    }

    /// Returns the smallest set with the requested certainty, given that there is a step, and the
    /// probability that there is one.
    fn suspects(&self, posterior: &Posterior) -> (Vec<usize>, f64) {
        let likelihood = |k: &usize| posterior.aim.values[*k];
        let mut order: Vec<usize> = self.section.candidates.iter().collect();
        order.sort_by(|one, other| likelihood(other).total_cmp(&likelihood(one)));
        let (mut commits, mut probability) = (Vec::new(), 0.0);
        for commit in order {
            if probability >= self.context.settings.certainty {
                break;
            }
            probability += likelihood(&commit);
            commits.push(commit);
        }
        commits.sort_unstable();
        (commits, probability.min(1.0) * (1.0 - posterior.none))
    }

    fn note_progress(&mut self, suspects: Option<(Vec<usize>, f64)>) {
        let (reference, end) = (self.section.reference, self.section.end);
        let (pairs, change) = (self.pairs, self.change);
        self.context.progress = Some(SectionProgress {
            reference,
            end,
            pairs,
            change,
            suspects,
        });
    }

    fn show_search(&mut self, stage: SectionStage, posterior: &Posterior) {
        let of_code = |code: &CodeGroup| {
            let (pairs, level) = (code.level.count, code.level.mean);
            code.commits
                .iter()
                .map(move |commit| MeasuredLevel {
                    commit: *commit,
                    pairs,
                    level,
                })
                .collect::<Vec<_>>()
        };
        let mut measured: Vec<MeasuredLevel> = posterior.codes.iter().flat_map(of_code).collect();
        measured.sort_by_key(|measured| measured.commit);
        self.note_progress(Some(self.suspects(posterior)));
        let bits = entropy_in_bits(&posterior.aim.values);
        let batch = 25.0 * posterior.variance / posterior.height().powi(2).max(1e-12);
        let pairs_left =
            (bits * batch.clamp(5.0, 640.0)).min(self.context.settings.most_pairs as f64);
        self.context.evidence.show_progress(&SectionView {
            stage,
            reference: self.section.reference,
            end: self.section.end,
            posterior: &posterior.aim.values,
            measured: &measured,
            pairs: self.pairs,
            builds_left: bits,
            pairs_left,
            change: self.change,
        });
    }

    fn show_ends(&mut self, pairs: usize) {
        self.note_progress(None);
        let (reference, end) = (self.section.reference, self.section.end);
        let no_position = vec![0.0; self.context.history.positions()];
        self.context.evidence.show_progress(&SectionView {
            stage: SectionStage::CompareEnds,
            reference,
            end,
            posterior: &no_position,
            measured: &[MeasuredLevel {
                commit: end,
                pairs,
                level: self.change.estimate,
            }],
            pairs: self.pairs,
            builds_left: (self.section.candidates.len().max(1) as f64).log2(),
            pairs_left: 0.0,
            change: self.change,
        });
    }
}

fn undecided_outcome(
    commits: Vec<usize>,
    probability: f64,
    why: UndecidedReason,
) -> SectionOutcome {
    SectionOutcome::Undecided {
        commits,
        probability,
        why,
    }
}

/// Returns the bits that are missing to identify the culprit.
fn entropy_in_bits(posterior: &[f64]) -> f64 {
    let part = |p: &f64| if *p > 0.0 { -p * p.log2() } else { 0.0 };
    posterior.iter().map(part).sum::<f64>().max(0.0)
}
