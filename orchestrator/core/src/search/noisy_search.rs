//! Owns the whole procedure: comparison of the ends, search, confirmation, and the same again on
//! both sides of a step.

use super::commit_graph::PositionSet;
use super::context::{CommitUse, KnownAnswers, SearchContext, SectionProgress};
use super::divisions::SearchSection;
use super::section_search::{EarlierSections, SectionOutcome, SectionSearch, SectionStep};
use super::{
    CommitGraph, Confirmation, EndsVerdict, Evidence, RatioEstimate, SearchConclusion,
    SearchCulprit, SearchSettings, SectionResult, StoppedSearch, UndecidedReason, UndecidedStep,
    UnsearchedPart,
};

/// Share of the largest confirmed step (log ratio) below which a change beside it counts as small.
const SMALL_BESIDE: f64 = 0.1;

/// Finds the commits that changed a noisy number.
///
/// The ends are compared first. If they do not differ, no commit is named. Otherwise the largest
/// step is located and confirmed by a fresh comparison. Both sides of it are then searched in the
/// same way for further steps, of either direction.
///
/// # Errors
/// The reason why the evidence stopped, and the results up to that point.
pub fn bisect<E: Evidence>(
    history: &CommitGraph,
    settings: &SearchSettings,
    evidence: &mut E,
) -> Result<SearchConclusion, StoppedSearch<E::Stop, SearchConclusion>> {
    let known = KnownAnswers::new(history.positions());
    let context = SearchContext {
        history,
        settings,
        evidence,
        known,
        progress: None,
    };
    let todo = vec![UnsearchedPart {
        reference: 0,
        end: history.bad_end(),
        change: RatioEstimate::UNKNOWN,
    }];
    let mut search = NoisySearch {
        context,
        found: empty_conclusion(),
        steps: 0,
        todo,
    };
    match search.run() {
        Ok(()) => Ok(search.conclude()),
        Err(stop) => Err(StoppedSearch {
            stop,
            known: Box::new(search.conclude_stopped()),
        }),
    }
}

fn empty_conclusion() -> SearchConclusion {
    SearchConclusion {
        ends: EndsVerdict::Open {
            change: RatioEstimate::UNKNOWN,
        },
        culprits: Vec::new(),
        undecided: Vec::new(),
        sections: Vec::new(),
        unsearched: Vec::new(),
        unusable: Vec::new(),
    }
}

struct NoisySearch<'a, E> {
    context: SearchContext<'a, E>,
    found: SearchConclusion,
    /// Steps located so far.
    steps: usize,
    /// Stack of parts. The left side of a step, with all its parts, is searched before the right
    /// side.
    todo: Vec<UnsearchedPart>,
}

impl<E: Evidence> NoisySearch<'_, E> {
    fn run(&mut self) -> Result<(), E::Stop> {
        while let Some(next) = self.todo.pop() {
            if self.steps >= self.context.settings.most_steps || !self.is_wanted(&next) {
                self.found.unsearched.push(next);
            } else if let Some(step) = self.search_section(next.reference, next.end)? {
                self.queue_parts_beside(&next, &step);
            }
        }
        self.retry_undecided()
    }

    /// Searches the sections again that only the build effect could decide. More builds may have
    /// shown its size in the meantime.
    fn retry_undecided(&mut self) -> Result<(), E::Stop> {
        let waits = |open: &UndecidedStep| {
            matches!(
                open.why,
                UndecidedReason::BuildEffect | UndecidedReason::Exhausted
            )
        };
        // With a single section, there was no other source for the build effect.
        let is_lone = self.found.sections.len() < 2;
        let waiting: Vec<UndecidedStep> = self
            .found
            .undecided
            .iter()
            .filter(|open| waits(open))
            .cloned()
            .collect();
        for open in waiting.into_iter().filter(|_| !is_lone) {
            let is_it = |section: &SectionResult| {
                (section.reference, section.end) == (open.reference, open.end)
            };
            let Some(at) = self.found.sections.iter().position(is_it) else {
                continue;
            };
            let SectionResult {
                reference,
                end,
                range,
                pairs,
                ..
            } = self.found.sections[at];
            let mut earlier = self.earlier_sections();
            earlier.sections.remove(at);
            let mut search =
                SectionSearch::retry(&mut self.context, (reference, end), earlier, range, pairs);
            let located = search.locate_step()?;
            self.found.sections[at].pairs = search.pairs;
            self.context.progress = None;
            let SectionOutcome::Step(step) = located else {
                continue;
            };
            self.found.undecided.retain(|other| *other != open);
            self.confirm_step(reference, end, step)?;
        }
        Ok(())
    }

    /// Returns whether a part is to be searched. All parts are, unless only the largest step is
    /// requested.
    fn is_wanted(&self, part: &UnsearchedPart) -> bool {
        let is_first = self.found.sections.is_empty();
        is_first
            || !self.context.settings.only_largest
            || part.change.estimate.abs() > self.largest_step()
    }

    /// Returns the largest confirmed step (log ratio, without sign); 0 if there is none.
    fn largest_step(&self) -> f64 {
        let sizes = self
            .found
            .culprits
            .iter()
            .map(|culprit| culprit.change.estimate.abs());
        sizes.fold(0.0, f64::max)
    }

    /// Queues both sides of a step for the search.
    fn queue_parts_beside(&mut self, whole: &UnsearchedPart, step: &SectionStep) {
        let part = |reference: usize, end: usize, change: RatioEstimate| UnsearchedPart {
            reference,
            end,
            change,
        };
        let sides = [
            part(step.shown, whole.end, step.behind),
            part(whole.reference, step.parent, step.before),
        ];
        let beside = self.sections_on_branches(whole.reference, step);
        let beside = beside
            .into_iter()
            .map(|(from, to)| part(from, to, RatioEstimate::UNKNOWN));
        self.todo.extend(
            sides
                .into_iter()
                .filter(|side| side.reference != side.end)
                .chain(beside),
        );
    }

    /// Searches one section and returns its step, confirmed or not.
    fn search_section(
        &mut self,
        reference: usize,
        end: usize,
    ) -> Result<Option<SectionStep>, E::Stop> {
        let asked = self
            .found
            .sections
            .is_empty()
            .then_some(self.context.settings.direction);
        let earlier = self.earlier_sections();
        let mut search = SectionSearch::between(&mut self.context, reference, end, earlier);
        let mut ends = search.judge_ends(asked)?;
        let located = match ends {
            EndsVerdict::Different { .. } => Some(search.locate_step()?),
            _ => None,
        };
        if let Some(SectionOutcome::EndUnusable(end)) = located {
            ends = EndsVerdict::EndUnusable { end };
        }
        let (pairs, range) = (search.pairs, search.change_with_build_effect());
        self.context.progress = None;
        self.found.sections.push(SectionResult {
            reference,
            end,
            ends,
            range,
            pairs,
        });
        match located {
            Some(SectionOutcome::Step(step)) => self.confirm_step(reference, end, step).map(Some),
            Some(SectionOutcome::Undecided {
                commits,
                probability,
                why,
            }) => {
                self.found.undecided.push(UndecidedStep {
                    commits,
                    probability,
                    reference,
                    end,
                    why,
                });
                Ok(None)
            }
            Some(SectionOutcome::EndUnusable(_)) | None => Ok(None),
        }
    }

    fn earlier_sections(&self) -> EarlierSections {
        let sections = self.found.sections.iter();
        let search_section = |section: &SectionResult| {
            SearchSection::between(self.context.history, section.reference, section.end)
        };
        EarlierSections {
            sections: sections.map(search_section).collect(),
            bound: SMALL_BESIDE * self.largest_step(),
        }
    }

    /// Confirms a step. Without a confirmation no commit is named, but both sides of the step are
    /// still searched: a step of the layout does not hide any step of the code.
    fn confirm_step(
        &mut self,
        reference: usize,
        end: usize,
        step: SectionStep,
    ) -> Result<SectionStep, E::Stop> {
        self.steps += 1;
        let confirmation = match self.context.evidence.confirm(step.parent, step.shown) {
            Ok(confirmation) => confirmation,
            Err(stop) => {
                let SectionStep {
                    commits,
                    probability,
                    ..
                } = step;
                self.found.undecided.push(UndecidedStep {
                    commits,
                    probability,
                    reference,
                    end,
                    why: UndecidedReason::Stopped,
                });
                return Err(stop);
            }
        };
        let why = match confirmation {
            Confirmation::Changed { .. } => None,
            Confirmation::Layout => Some(UndecidedReason::Layout),
            Confirmation::Below => Some(UndecidedReason::Below),
            Confirmation::Open => Some(UndecidedReason::Unconfirmed),
        };
        let SectionStep {
            commits,
            parent,
            shown,
            probability,
            change,
            ..
        } = step.clone();
        match why {
            None => self.found.culprits.push(SearchCulprit {
                commits,
                shown,
                parent,
                probability,
                change,
                confirmation,
            }),
            Some(why) => self.found.undecided.push(UndecidedStep {
                commits,
                probability,
                reference,
                end,
                why,
            }),
        }
        Ok(step)
    }

    /// Returns sections that narrow down a set with commits of branches that lack the section's
    /// reference. Such commits cannot be compared with the reference. Each branch can be compared
    /// with the point where it left the commit before the step.
    fn sections_on_branches(&self, reference: usize, step: &SectionStep) -> Vec<(usize, usize)> {
        let SearchContext {
            history,
            settings,
            known,
            ..
        } = &self.context;
        let positions = history.positions();
        let tells = |commit: usize| {
            known.commit_use(commit) != CommitUse::Unusable && !settings.is_never(commit)
        };
        let lacks =
            |commit: usize| step.commits.contains(&commit) && !history.contains(commit, reference);
        let branches = PositionSet::matching(positions, |commit| tells(commit) && lacks(commit));
        let left_at = |tip: usize| {
            let shared = history
                .contained(tip)
                .intersection(history.contained(step.parent));
            history.fullest(&PositionSet::matching(positions, |commit| {
                shared.contains(commit) && tells(commit)
            }))
        };
        history
            .latest(&branches)
            .into_iter()
            .filter_map(|tip| left_at(tip).map(|base| (base, tip)))
            .collect()
    }

    /// Returns the results so far after the evidence ended.
    fn conclude_stopped(mut self) -> SearchConclusion {
        if let Some(SectionProgress {
            reference,
            end,
            pairs,
            change,
            suspects,
        }) = self.context.progress.take()
        {
            let ends = if suspects.is_some() {
                EndsVerdict::Different { change }
            } else {
                EndsVerdict::Open { change }
            };
            self.found.sections.push(SectionResult {
                reference,
                end,
                ends,
                range: change,
                pairs,
            });
            if let Some((commits, probability)) = suspects {
                let why = UndecidedReason::Stopped;
                self.found.undecided.push(UndecidedStep {
                    commits,
                    probability,
                    reference,
                    end,
                    why,
                });
            }
        }
        while let Some(part) = self.todo.pop() {
            self.found.unsearched.push(part);
        }
        self.conclude()
    }

    fn conclude(mut self) -> SearchConclusion {
        if let Some(whole) = self.found.sections.first() {
            self.found.ends = whole.ends;
        }
        let all = self.found.culprits.clone();
        // A wider set that contains the culprit of a branch is redundant.
        let narrows = |wide: &SearchCulprit, own: &SearchCulprit| {
            own.commits.len() < wide.commits.len()
                && own
                    .commits
                    .iter()
                    .all(|commit| wide.commits.contains(commit))
        };
        self.found
            .culprits
            .retain(|wide| !all.iter().any(|own| narrows(wide, own)));
        self.found.culprits.sort_by_key(|culprit| culprit.shown);
        self.found.unusable = self.context.known.unusable();
        self.found
    }
}
