//! Owns the whole procedure: gate, search, confirmation, and the same again on both sides of a step.

use super::inquiry::{Inquiry, Known};
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
            todo.extend([(step.shown, end), (reference, step.parent)].into_iter().filter(|(from, to)| from != to));
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

    fn conclude(mut self) -> Conclusion {
        if let Some(whole) = self.found.sections.first() {
            self.found.gate = whole.gate;
        }
        self.found.culprits.sort_by_key(|culprit| culprit.shown);
        self.found.unusable = self.inquiry.known.unusable();
        self.found
    }
}
