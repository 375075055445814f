//! Owns the whole procedure: gate, search, confirmation, and the same again on both sides of a step.

use super::history::Positions;
use super::inquiry::{Inquiry, Known, Use};
use super::section::{Hunt, Located, Step};
use super::{Conclusion, Confirmation, Culprit, Estimate, Evidence, Gate, History, Section, Settings, Undecided, Why};

/// Finds the commits that changed a noisy number.
///
/// The ends are compared first; where they do not differ nobody is accused. The step is located, confirmed by a fresh
/// comparison, and both sides of it are searched in the same way for further ones, of either direction.
///
/// # Errors
/// What the evidence stops with.
pub fn bisect<E: Evidence>(history: &History, settings: &Settings, evidence: &mut E) -> Result<Conclusion, E::Stop> {
    let known = Known::nothing(history.positions());
    let mut search = Search { inquiry: Inquiry { history, settings, evidence, known }, found: nothing(), steps: 0 };
    // A stack: the left side of a step is done, with all that is in it, before the right one.
    let mut todo = vec![(0, history.bad())];
    while let Some((reference, end)) = todo.pop() {
        if search.steps < settings.most_steps
            && let Some(step) = search.section(reference, end)?
        {
            let sides = [(step.shown, end), (reference, step.parent)].into_iter().filter(|(from, to)| from != to);
            todo.extend(sides.chain(search.beside(reference, &step)));
        }
    }
    Ok(search.conclude())
}

fn nothing() -> Conclusion {
    let gate = Gate::Open { change: Estimate::UNKNOWN };
    Conclusion { gate, culprits: Vec::new(), undecided: Vec::new(), sections: Vec::new(), unusable: Vec::new() }
}

struct Search<'a, E> {
    inquiry: Inquiry<'a, E>,
    found: Conclusion,
    /// Steps located so far.
    steps: usize,
}

impl<E: Evidence> Search<'_, E> {
    /// Searches one section; the step it found, confirmed or not.
    fn section(&mut self, reference: usize, end: usize) -> Result<Option<Step>, E::Stop> {
        let asked = self.found.sections.is_empty().then_some(self.inquiry.settings.direction);
        let mut hunt = Hunt::between(&mut self.inquiry, reference, end);
        let mut gate = hunt.gate(asked)?;
        let located = match gate {
            Gate::Different { .. } => Some(hunt.locate()?),
            _ => None,
        };
        if let Some(Located::EndUnusable(end)) = located {
            gate = Gate::EndUnusable { end };
        }
        let pairs = hunt.pairs;
        self.found.sections.push(Section { reference, end, gate, pairs });
        match located {
            Some(Located::Step(step)) => self.judge(reference, end, step).map(Some),
            Some(Located::Undecided { commits, probability, why }) => {
                self.found.undecided.push(Undecided { commits, probability, reference, end, why });
                Ok(None)
            }
            Some(Located::EndUnusable(_)) | None => Ok(None),
        }
    }

    /// Has a step confirmed. Without that, nobody is accused, but both sides of it are still searched: a step of the layout hides
    /// none of the code.
    fn judge(&mut self, reference: usize, end: usize, step: Step) -> Result<Step, E::Stop> {
        self.steps += 1;
        let confirmation = self.inquiry.evidence.confirm(step.parent, step.shown)?;
        let why = match confirmation {
            Confirmation::Changed { .. } => None,
            Confirmation::Layout => Some(Why::Layout),
            Confirmation::Below => Some(Why::Below),
            Confirmation::Open => Some(Why::Unconfirmed),
        };
        let Step { commits, parent, shown, probability, change } = step.clone();
        match why {
            None => self.found.culprits.push(Culprit { commits, shown, parent, probability, change, confirmation }),
            Some(why) => self.found.undecided.push(Undecided { commits, probability, reference, end, why }),
        }
        Ok(step)
    }

    /// Sections that narrow down a set with commits of branches that lack the section's reference: they could not be held
    /// against it, but each branch can be held against where it left the commit before the step.
    fn beside(&self, reference: usize, step: &Step) -> Vec<(usize, usize)> {
        let Inquiry { history, settings, known, .. } = &self.inquiry;
        let positions = history.positions();
        let tells = |commit: usize| known.of(commit) != Use::Unusable && !settings.is_never(commit);
        let lacks = |commit: usize| step.commits.contains(&commit) && !history.contains(commit, reference);
        let branches = Positions::those(positions, |commit| tells(commit) && lacks(commit));
        let left_at = |tip: usize| {
            let shared = history.contained(tip).and(history.contained(step.parent));
            history.fullest(&Positions::those(positions, |commit| shared.has(commit) && tells(commit)))
        };
        history.latest(&branches).into_iter().filter_map(|tip| left_at(tip).map(|base| (base, tip))).collect()
    }

    fn conclude(mut self) -> Conclusion {
        if let Some(whole) = self.found.sections.first() {
            self.found.gate = whole.gate;
        }
        let all = self.found.culprits.clone();
        // A set in which a branch brought its culprit along is told by that culprit.
        let narrows = |wide: &Culprit, own: &Culprit| {
            own.commits.len() < wide.commits.len() && own.commits.iter().all(|commit| wide.commits.contains(commit))
        };
        self.found.culprits.retain(|wide| !all.iter().any(|own| narrows(wide, own)));
        self.found.culprits.sort_by_key(|culprit| culprit.shown);
        self.found.unusable = self.inquiry.known.unusable();
        self.found
    }
}
