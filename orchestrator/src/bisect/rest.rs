//! Parts of the range beside the culprits: those without another change, those left open, and the
//! reasons.

use super::ReportedCommit;
use crate::comparison::RelativeChange;
use serde::{Deserialize, Serialize};

/// Cause of the end of a bisect that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StopCause {
    /// The user stopped the bisect.
    Interrupted,
    /// The system refused something.
    Failed,
    /// A commit that others are compared with cannot be measured any more.
    Unmeasurable,
}

impl StopCause {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Interrupted => "stopped by the user",
            Self::Failed => "stopped by an error",
            Self::Unmeasurable => "stopped, because the reference commit cannot be measured",
        }
    }
}

/// Obstacle between a change and its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OpenReason {
    Budget,
    Exhausted,
    BuildEffect,
    Contradiction,
    Layout,
    Below,
    Unconfirmed,
    /// The bisect was stopped while it searched.
    Stopped,
    /// The commit is known, but its changes were not measured before the bisect was stopped.
    Unexplained,
}

impl OpenReason {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Budget => "the maximum number of pairs was reached",
            Self::Exhausted => "no further build or pair would give more information",
            Self::BuildEffect => "a change and a build effect explain the times equally well",
            Self::Contradiction => "every step has the same code, but the ends differ",
            Self::Layout => "layout, not code: the times differ, but the machine code is the same",
            Self::Below => {
                "no single step reaches the margin: the change may be spread over several commits"
            }
            Self::Unconfirmed => "fresh processes did not confirm the step",
            Self::Stopped => "the search had not ended yet",
            Self::Unexplained => {
                "found by its value, but not yet compared with the commit before it"
            }
        }
    }
}

/// State of a part of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PartState {
    /// Its ends differ by less than the margin.
    NothingElse,
    /// Its ends differ by far less than the largest step, but possibly by more than the margin.
    Bounded,
    /// Both ends run the same machine code.
    SameCode,
    /// It is open whether its ends differ.
    Open,
    /// One of its ends cannot be measured.
    EndUnusable,
    /// It was not searched.
    NotSearched,
}

impl PartState {
    /// Returns whether a change may exist there that nothing in the report bounds.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::EndUnusable | Self::NotSearched)
    }
}

/// A part of the range in which no commit was named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RangePart {
    /// The commit before the part.
    pub(crate) reference: ReportedCommit,
    /// Its last commit.
    pub(crate) end: ReportedCommit,
    pub(crate) state: PartState,
    /// Relative change of the end against the reference, including the build effect, if pairs
    /// measured it.
    pub(crate) change: Option<RelativeChange>,
    /// Pairs that compared the two.
    pub(crate) pairs: usize,
}

/// Bounds of a change; both are relative.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChangeBounds {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl ChangeBounds {
    /// Returns bounds that hold for every part, or `None` if a part is open, a part has no bounds,
    /// or there is no part.
    pub(crate) fn of_parts(parts: &[RangePart]) -> Option<Self> {
        let own = |part: &RangePart| match (part.state, part.change) {
            (PartState::SameCode, _) => Some(Self {
                low: 0.0,
                high: 0.0,
            }),
            (state, _) if state.is_open() => None,
            (_, change) => change.and_then(|change| {
                Some(Self {
                    low: change.low?,
                    high: change.high?,
                })
            }),
        };
        let all: Vec<Self> = parts.iter().map(own).collect::<Option<_>>()?;
        all.into_iter().reduce(|one, other| Self {
            low: one.low.min(other.low),
            high: one.high.max(other.high),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(state: PartState, bounds: Option<(f64, f64)>) -> RangePart {
        let commit = || ReportedCommit {
            commit: "c".to_owned(),
            subject: String::new(),
            author: String::new(),
            committed: String::new(),
        };
        let change = bounds.map(|(low, high)| RelativeChange {
            estimate: 0.0,
            low: Some(low),
            high: Some(high),
        });
        RangePart {
            reference: commit(),
            end: commit(),
            state,
            change,
            pairs: 20,
        }
    }

    #[test]
    fn bounds_hold_for_every_part_or_there_are_none() {
        let left = part(PartState::NothingElse, Some((-0.012, 0.004)));
        let right = part(PartState::Bounded, Some((-0.003, 0.029)));
        let same = part(PartState::SameCode, None);
        let around = ChangeBounds::of_parts(&[left.clone(), right.clone(), same.clone()]);
        assert_eq!(
            around,
            Some(ChangeBounds {
                low: -0.012,
                high: 0.029
            })
        );
        assert_eq!(
            ChangeBounds::of_parts(&[same]),
            Some(ChangeBounds {
                low: 0.0,
                high: 0.0
            })
        );
        assert_eq!(ChangeBounds::of_parts(&[]), None);
        for state in [
            PartState::Open,
            PartState::EndUnusable,
            PartState::NotSearched,
        ] {
            assert_eq!(
                ChangeBounds::of_parts(&[left.clone(), part(state, Some((-0.1, 0.1)))]),
                None,
                "{state:?}"
            );
        }
        assert_eq!(
            ChangeBounds::of_parts(&[part(PartState::NothingElse, None)]),
            None
        );
    }
}
