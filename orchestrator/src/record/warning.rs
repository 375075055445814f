//! Owns the warnings of a job that its figures give rise to: their kinds, and the one place where
//! they are worded.

use crate::format;
use crate::format::change::{self, ChangedQuantity, size};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a warning is about; `warning_kinds` of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WarningKind {
    Untracked,
    ForeignBlocks,
    OwnAllocator,
    Uncounted,
    UnevenIterations,
    Leak,
    Scattered,
    FewSamples,
    SlowSamples,
    Growing,
    SlowStart,
    Unsteady,
}

impl WarningKind {
    /// Whether the median of such a job says little, so that nothing is concluded from it.
    pub(crate) fn spoils_median(self) -> bool {
        matches!(
            self,
            Self::Scattered | Self::Growing | Self::SlowStart | Self::Unsteady
        )
    }
}

/// A warning with its figures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum JobWarning {
    /// More blocks lived than the table of live blocks holds.
    Untracked,
    /// Blocks were freed or resized that no counted call had given out.
    ForeignBlocks {
        blocks: u64,
    },
    /// The plugin's library holds an allocator, which gives out blocks by this function.
    OwnAllocator {
        name: String,
    },
    /// Resident memory grew by so many bytes more than was allocated.
    Uncounted {
        bytes: f64,
    },
    /// Iterations differ in their allocations; so many were counted.
    UnevenIterations {
        iterations: u64,
    },
    /// Each iteration leaves so many bytes.
    Leak {
        bytes: f64,
    },
    /// The interval over processes is wide; `threads`: the job has several.
    Scattered {
        width: f64,
        low_ns: f64,
        high_ns: f64,
        threads: bool,
    },
    FewSamples {
        samples: usize,
        processes: usize,
    },
    /// A share of the samples took more than `times` the median of their process.
    SlowSamples {
        share: f64,
        times: f64,
    },
    /// The time of an iteration grows inside each process.
    Growing {
        first_ns: f64,
        last_ns: f64,
    },
    /// It falls: the first phase is slow, and part of the samples.
    SlowStart {
        first_ns: f64,
        last_ns: f64,
    },
    /// Warming up never saw two windows agree, and parts of a process differ by so much (relative).
    Unsteady {
        apart: f64,
    },
}

impl JobWarning {
    pub(crate) fn kind(&self) -> WarningKind {
        match self {
            Self::Untracked => WarningKind::Untracked,
            Self::ForeignBlocks { .. } => WarningKind::ForeignBlocks,
            Self::OwnAllocator { .. } => WarningKind::OwnAllocator,
            Self::Uncounted { .. } => WarningKind::Uncounted,
            Self::UnevenIterations { .. } => WarningKind::UnevenIterations,
            Self::Leak { .. } => WarningKind::Leak,
            Self::Scattered { .. } => WarningKind::Scattered,
            Self::FewSamples { .. } => WarningKind::FewSamples,
            Self::SlowSamples { .. } => WarningKind::SlowSamples,
            Self::Growing { .. } => WarningKind::Growing,
            Self::SlowStart { .. } => WarningKind::SlowStart,
            Self::Unsteady { .. } => WarningKind::Unsteady,
        }
    }
}

impl fmt::Display for JobWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untracked => f.write_str(
                "more blocks lived than orch can track: peak and leaked bytes are too low",
            ),
            Self::ForeignBlocks { blocks } => {
                let blocks =
                    format::counted(usize::try_from(*blocks).unwrap_or(usize::MAX), "block");
                write!(
                    f,
                    "counts are not exact: {blocks} freed or resized that no counted call had \
                     allocated, so the plugin reaches malloc by another way, such as dlsym, which \
                     is not counted"
                )
            }
            Self::OwnAllocator { name } => write!(
                f,
                "counts are not exact: the plugin has an allocator of its own (`{name}`), whose \
                 blocks are not counted"
            ),
            Self::Uncounted { bytes } => write!(
                f,
                "resident memory grew by {} more than was allocated through malloc: the plugin has \
                 an allocator of its own, or maps memory, which is not counted",
                format::bytes(*bytes)
            ),
            Self::UnevenIterations { iterations } => write!(
                f,
                "iterations differ in their allocations: the figures are means over {iterations} \
                 of them, from the second on"
            ),
            Self::Leak { bytes } => {
                write!(
                    f,
                    "leaks {} per iteration: as many more bytes are live after each one",
                    format::bytes(*bytes)
                )
            }
            Self::Scattered {
                width,
                low_ns,
                high_ns,
                threads,
            } => {
                let hint = if *threads {
                    "; perhaps its threads did not always have a CPU each"
                } else {
                    ""
                };
                write!(
                    f,
                    "its processes differ by {} of the median, from {} to {}: their median says \
                     little{hint}",
                    format::percent(*width),
                    format::time(*low_ns),
                    format::time(*high_ns)
                )
            }
            Self::FewSamples { samples, processes } => write!(
                f,
                "only {samples} samples in {processes} processes: one sample takes most of a \
                 process's time; a longer `time` gives more"
            ),
            Self::SlowSamples { share, times } => write!(
                f,
                "{} of the samples took more than {times} times the median of their process: the \
                 machine was busy with something else, or iterations differ",
                format::percent(*share)
            ),
            Self::Growing { first_ns, last_ns } => write!(
                f,
                "no steady state: its time grows inside each process, {}: the median depends on \
                 how long it is measured",
                trend(*first_ns, *last_ns)
            ),
            Self::SlowStart { first_ns, last_ns } => write!(
                f,
                "no steady state: its time falls inside each process, {}: the median holds a slow \
                 first phase, which belongs into setup",
                trend(*first_ns, *last_ns)
            ),
            Self::Unsteady { apart } => write!(
                f,
                "no steady state: warming up used its whole time in each process, and parts of a \
                 process differ by {}: the median depends on how long it is measured",
                format::percent(*apart)
            ),
        }
    }
}

/// How the first samples of a process became the last ones.
fn trend(first_ns: f64, last_ns: f64) -> String {
    let [first, last] = change::times([first_ns, last_ns]);
    format!(
        "{} from the first to the last samples, {first} -> {last}",
        size(ChangedQuantity::Time, last_ns / first_ns - 1.0)
    )
}
