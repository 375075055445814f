//! Owns the reasons of verdicts: their kinds, and the one place with their wording. Decisions use
//! the kind, never the wording.

use orch_core::format;
use orch_core::judge::verdict::{ALPHA, FEWEST_PAIRS};
use orch_core::protocol::Phase;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Kind of a reason; `reason_kind` of an entry and of an anchored job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReasonKind {
    NotMeasured,
    OnlyOneRecord,
    OnlyB,
    CounterGone,
    Uncounted,
    NotComparable,
    SameCode,
    LayoutOnly,
    SameMachineCode,
    OutputsAgree,
    OutputsWithinTolerance,
    OutputsDiffer,
    OtherOutput,
    SelfDisagreement,
    CountedExactly,
    EqualWithinRounding,
    InexactWithinMargin,
    Inexact,
    OtherWork,
    SideFailed,
    Decided,
    WithinMargin,
    StillOpen,
    Interrupted,
    Unpaired,
    MachineChanged,
    OneSample,
    SeparateSessions,
    OneSession,
}

/// A reason with its figures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reason {
    /// At least one side was not measured; the text is its record's message.
    NotMeasured(String),
    /// The anchor does not have the job.
    AnchorLacksJob(String),
    /// Only the record of this side has the job.
    OnlyOneRecord {
        side: &'static str,
    },
    /// Only B has the job.
    NewJob,
    /// Only B has the metric.
    NewMetric,
    /// B does not describe the counter, or adds nothing to it.
    CounterGone,
    /// Only the allocations of A were counted.
    Uncounted,
    NotComparable(ComparisonObstacle),
    SameCode,
    /// The machine code is the same, so the code did not cause the change of time.
    LayoutOnly,
    /// The machine code is the same; the inner reason is about the times alone.
    SameMachineCode(Box<Self>),
    OutputsAgree,
    OutputsWithinTolerance,
    OutputsDiffer(OutputDifference),
    /// The outputs differ, so the costs do not compare.
    OtherOutput,
    /// Each side whose own processes differ, with two of their values.
    SelfDisagreement(Vec<(&'static str, [String; 2])>),
    CountedExactly,
    EqualWithinRounding,
    InexactWithinMargin,
    Inexact(InexactCount),
    /// The sides count different amounts of work.
    OtherWork,
    SideFailed {
        side: &'static str,
        phase: Phase,
        message: String,
    },
    /// Significant, and the estimate reaches the margin.
    Decided {
        pairs: usize,
        margin: f64,
    },
    /// Significant against an anchor, judged together with other jobs, and the estimate reaches the
    /// margin.
    DecidedByAnchor {
        pairs: usize,
        jobs: usize,
        margin: f64,
    },
    WithinMargin {
        pairs: usize,
        margin: f64,
    },
    StillOpen {
        pairs: usize,
        limit: PairLimit,
        /// Option of the command that gives a workload more time; empty if there is none.
        more: String,
    },
    /// Not decided against an anchor; `anchor` is its commit.
    OpenByAnchor {
        pairs: usize,
        anchor: String,
    },
    Interrupted {
        pairs: usize,
    },
    /// Finding about two records from an anchor that they share.
    ThroughAnchor {
        anchor: String,
        pairs: usize,
        finding: AnchorFinding,
    },
    Unpaired(UnpairedCause),
    /// The sentinel's message.
    MachineChanged(String),
    /// One sample per side. `memory` holds the printed memory of both sides if it grew from
    /// nothing.
    OneSample {
        memory: Option<[String; 2]>,
    },
    /// One session of another tool per side, with the number of samples of each.
    SeparateSessions {
        samples: [Option<u64>; 2],
    },
    /// One session of another tool, and no second one. `only_in` is the file that has it, if there
    /// are two.
    OneSession {
        samples: Option<u64>,
        only_in: Option<String>,
    },
}

/// Dimension in which two sides are not comparable, with both values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ComparisonObstacle {
    MachineClass([String; 2]),
    Toolchain([String; 2]),
    Workload([String; 2]),
    Threads([usize; 2]),
    Parameter { name: String, values: [String; 2] },
    InputFile { name: String },
}

/// Difference between two outputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OutputDifference {
    Scores([f64; 2]),
    Values([String; 2]),
    /// Values of the anchor and of the run.
    SinceAnchor([String; 2]),
    OneSideOnly,
}

/// Cause of counts that are not exact; ranges over the processes of A and B.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InexactCount {
    Processes {
        ranges: [String; 2],
        other_threads: bool,
    },
    Bytes {
        ranges: [String; 2],
    },
    /// The sides counted different numbers of iterations.
    Iterations {
        counted: [u64; 2],
        ranges: Option<[String; 2]>,
    },
}

/// Limit that ended the pairs of an open workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairLimit {
    Pairs,
    Time,
}

/// Finding about two records that share an anchor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AnchorFinding {
    WithinMargin { margin: f64 },
    Open { next: NextMeasurement },
    Decided { jobs: usize },
}

/// Measurement that decides what two records leave open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NextMeasurement {
    Compare([String; 2]),
    SameCommit,
    Unknown,
}

/// Cause of times without pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnpairedCause {
    NoCommonAnchor,
    StoppedEarly,
    /// Only counted metrics are judged.
    CountsAlone,
}

impl Reason {
    pub(crate) fn kind(&self) -> ReasonKind {
        match self {
            Self::NotMeasured(_) | Self::AnchorLacksJob(_) => ReasonKind::NotMeasured,
            Self::OnlyOneRecord { .. } => ReasonKind::OnlyOneRecord,
            Self::NewJob | Self::NewMetric => ReasonKind::OnlyB,
            Self::CounterGone => ReasonKind::CounterGone,
            Self::Uncounted => ReasonKind::Uncounted,
            Self::NotComparable(_) => ReasonKind::NotComparable,
            Self::SameCode => ReasonKind::SameCode,
            Self::LayoutOnly => ReasonKind::LayoutOnly,
            Self::SameMachineCode(_) => ReasonKind::SameMachineCode,
            Self::OutputsAgree => ReasonKind::OutputsAgree,
            Self::OutputsWithinTolerance => ReasonKind::OutputsWithinTolerance,
            Self::OutputsDiffer(_) => ReasonKind::OutputsDiffer,
            Self::OtherOutput => ReasonKind::OtherOutput,
            Self::SelfDisagreement(_) => ReasonKind::SelfDisagreement,
            Self::CountedExactly => ReasonKind::CountedExactly,
            Self::EqualWithinRounding => ReasonKind::EqualWithinRounding,
            Self::InexactWithinMargin => ReasonKind::InexactWithinMargin,
            Self::Inexact(_) => ReasonKind::Inexact,
            Self::OtherWork => ReasonKind::OtherWork,
            Self::SideFailed { .. } => ReasonKind::SideFailed,
            Self::Decided { .. } | Self::DecidedByAnchor { .. } => ReasonKind::Decided,
            Self::WithinMargin { .. } => ReasonKind::WithinMargin,
            Self::StillOpen { .. } | Self::OpenByAnchor { .. } => ReasonKind::StillOpen,
            Self::Interrupted { .. } => ReasonKind::Interrupted,
            Self::ThroughAnchor { finding, .. } => match finding {
                AnchorFinding::WithinMargin { .. } => ReasonKind::WithinMargin,
                AnchorFinding::Open { .. } => ReasonKind::StillOpen,
                AnchorFinding::Decided { .. } => ReasonKind::Decided,
            },
            Self::Unpaired(_) => ReasonKind::Unpaired,
            Self::MachineChanged(_) => ReasonKind::MachineChanged,
            Self::OneSample { .. } => ReasonKind::OneSample,
            Self::SeparateSessions { .. } => ReasonKind::SeparateSessions,
            Self::OneSession { .. } => ReasonKind::OneSession,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = |count: &usize| format::counted(*count, "pair");
        let percent = |share: &f64| format::percent(*share);
        match self {
            Self::NotMeasured(why) | Self::MachineChanged(why) => f.write_str(why),
            Self::AnchorLacksJob(why) => write!(f, "the anchor does not have this job: {why}"),
            Self::OnlyOneRecord { side } => write!(f, "only {side} has this job"),
            Self::NewJob => f.write_str("new: only B has this job"),
            Self::NewMetric => f.write_str("new: only B has this metric"),
            Self::CounterGone => f.write_str(
                "only A has this metric: B adds nothing to its counter, or no longer describes the \
                 metric",
            ),
            Self::Uncounted => f.write_str("only A's allocations were counted"),
            Self::NotComparable(obstacle) => write!(f, "not comparable: {obstacle}"),
            Self::SameCode => f.write_str("same code"),
            Self::LayoutOnly => f.write_str(
                "layout, not code: the machine code that the workload can reach is the same",
            ),
            Self::SameMachineCode(times) => {
                write!(f, "same machine code; judged by the times alone: {times}")
            }
            Self::OutputsAgree => f.write_str("the outputs agree"),
            Self::OutputsWithinTolerance => {
                f.write_str("different values, but within the plugin's digest tolerance")
            }
            Self::OutputsDiffer(difference) => difference.fmt(f),
            Self::OtherOutput => f.write_str("the outputs differ, so the costs cannot be compared"),
            Self::SelfDisagreement(sides) => {
                for (at, (side, [one, other])) in sides.iter().enumerate() {
                    let join = if at == 0 { "" } else { "; " };
                    write!(
                        f,
                        "{join}{side} differs between its own processes: {one} and {other}"
                    )?;
                }
                Ok(())
            }
            Self::CountedExactly => f.write_str("counted exactly"),
            Self::EqualWithinRounding => f.write_str("equal within rounding"),
            Self::InexactWithinMargin => {
                f.write_str("not exact, but all processes of both sides agree within the margin")
            }
            Self::Inexact(cause) => cause.fmt(f),
            Self::OtherWork => f.write_str("the sides count different amounts of work"),
            Self::SideFailed {
                side,
                phase,
                message,
            } => write!(f, "{side} failed in {}: {message}", phase.name()),
            // The evidence only excludes no change at all. Only the estimate is compared with the
            // margin.
            Self::Decided {
                pairs: count,
                margin,
            } => write!(
                f,
                "significant after {} ({} % false discovery rate over all workloads); the \
                 estimated change exceeds the {} margin",
                pairs(count),
                ALPHA * 100.0,
                percent(margin)
            ),
            Self::DecidedByAnchor {
                pairs: count,
                jobs,
                margin,
            } => write!(
                f,
                "significant after {} (level {ALPHA} over {}); the estimated change exceeds {}",
                pairs(count),
                format::counted(*jobs, "job"),
                percent(margin)
            ),
            Self::WithinMargin {
                pairs: count,
                margin,
            } => write!(
                f,
                "after {} the interval is inside ±{}",
                pairs(count),
                percent(margin)
            ),
            Self::StillOpen {
                pairs: count,
                limit,
                more,
            } => {
                write!(f, "undecided after {}, {limit}", pairs(count))?;
                if *count < FEWEST_PAIRS {
                    write!(f, "; a verdict needs at least {FEWEST_PAIRS}")?;
                    if *limit == PairLimit::Time && !more.is_empty() {
                        write!(f, ": {more} allows more pairs")?;
                    }
                }
                Ok(())
            }
            Self::OpenByAnchor {
                pairs: count,
                anchor,
            } => write!(
                f,
                "undecided after {}; for a verdict, run `orch compare {anchor} HEAD`",
                pairs(count)
            ),
            Self::Interrupted { pairs: count } => write!(f, "interrupted after {}", pairs(count)),
            Self::ThroughAnchor {
                anchor,
                pairs,
                finding,
            } => write!(
                f,
                "through the anchor {anchor}, {pairs} pairs each{finding}"
            ),
            Self::Unpaired(UnpairedCause::NoCommonAnchor) => f.write_str(
                "not paired: the records share no anchor, and times of different runs cannot be \
                 compared",
            ),
            Self::Unpaired(UnpairedCause::StoppedEarly) => {
                f.write_str("the user stopped before any pair was measured")
            }
            Self::Unpaired(UnpairedCause::CountsAlone) => f.write_str("only counts were compared"),
            Self::OneSample { memory: None } => f.write_str("one sample per side"),
            Self::OneSample {
                memory: Some([before, after]),
            } => write!(f, "one sample per side; {before} MB became {after} MB"),
            Self::SeparateSessions { samples } => {
                let sessions = match samples {
                    [Some(a), Some(b)] if a == b => {
                        format!("one session of {} per side", count_samples(*a))
                    }
                    [Some(a), Some(b)] => {
                        format!("one session per side ({a} and {})", count_samples(*b))
                    }
                    _ => "one session per side".to_owned(),
                };
                write!(
                    f,
                    "{sessions}, one after the other: a change of the machine looks like a change \
                     of the code"
                )
            }
            Self::OneSession { samples, only_in } => {
                let counts = match samples {
                    Some(count) => format!(" of {}", count_samples(*count)),
                    None => String::new(),
                };
                write!(f, "one session{counts}")?;
                match only_in {
                    Some(file) => write!(f, ", only in {file}"),
                    None => f.write_str(", and none to compare it with"),
                }
            }
        }
    }
}

fn count_samples(count: u64) -> String {
    format::counted(usize::try_from(count).unwrap_or(usize::MAX), "sample")
}

impl fmt::Display for ComparisonObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MachineClass([a, b]) => write!(f, "machine class {a} in A, {b} in B"),
            Self::Toolchain([a, b]) => write!(f, "toolchain {a} in A, {b} in B"),
            Self::Workload([a, b]) => write!(f, "workload {a} in A, {b} in B"),
            Self::Threads([a, b]) => write!(f, "threads {a} in A, {b} in B"),
            Self::Parameter {
                name,
                values: [a, b],
            } => write!(f, "parameter {name} is {a} in A, {b} in B"),
            Self::InputFile { name } => write!(f, "the input file {name} differs in B"),
        }
    }
}

impl fmt::Display for OutputDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scores([a, b]) => write!(f, "the outputs differ: score {a} and {b}"),
            Self::Values([a, b]) => write!(f, "the outputs differ: {a} and {b}"),
            Self::SinceAnchor([anchor, now]) => {
                write!(f, "the outputs differ: {anchor} with the anchor, {now} now")
            }
            Self::OneSideOnly => f.write_str("only one side has a digest"),
        }
    }
}

impl fmt::Display for InexactCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Counts of one process may also differ from those of the next one, for example because
            // of its address or number.
            Self::Processes {
                ranges: [a, b],
                other_threads,
            } => {
                let why = if *other_threads {
                    "; other threads allocate too"
                } else {
                    ""
                };
                write!(f, "not exact: {a} in A's processes, {b} in B's{why}")
            }
            Self::Bytes { ranges: [a, b] } => write!(
                f,
                "not exact, because the bytes are not exact: {a} in A's processes, {b} in B's"
            ),
            Self::Iterations {
                counted: [a, b],
                ranges,
            } => {
                let a = format::counted(usize::try_from(*a).unwrap_or(0), "iteration");
                write!(f, "not exact, because A counted {a} and B {b}")?;
                match ranges {
                    Some([a, b]) => write!(f, ": {a} in A, {b} in B"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for PairLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pairs => "the maximum",
            Self::Time => "at the end of its time",
        })
    }
}

impl fmt::Display for AnchorFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithinMargin { margin } => write!(f, ": inside ±{}", format::percent(*margin)),
            Self::Open { next } => write!(f, ": undecided{next}"),
            Self::Decided { jobs } => {
                let jobs = format::counted(*jobs, "job");
                write!(f, ": significant (level {ALPHA} over {jobs})")
            }
        }
    }
}

impl fmt::Display for NextMeasurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare([a, b]) => {
                write!(f, "; for a verdict, run `orch compare {a} {b}`")
            }
            Self::SameCommit => f.write_str("; both records are of the same commit"),
            Self::Unknown => Ok(()),
        }
    }
}
