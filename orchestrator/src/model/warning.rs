//! Owns the warnings of a job: their kinds, and the one place with their wording. Decisions use the
//! kind, never the wording.

use orch_core::format;
use orch_core::format::change::{self, ChangedQuantity, size};
use orch_core::protocol::ScopeComplaint;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// Kind of a warning; `warning_kinds` of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WarningKind {
    Untracked,
    ForeignBlocks,
    OwnAllocator,
    Uncounted,
    UnevenIterations,
    Leak,
    Scattered,
    /// The same of a job with several threads.
    ScatteredThreads,
    FewSamples,
    SlowSamples,
    Growing,
    SlowStart,
    Unsteady,
    LeftProcesses,
    Output,
    DigestUnreadable,
    OutputDiffers,
    CounterUnused,
    CounterDiffers,
    ThreadsUnrecorded,
    ScopesUnbalanced,
    CounterOverflow,
    NamesOverflow,
    ScopesOverflow,
    RandomAddresses,
    UnalignedFunctions,
    /// The plugin is in no commit, so its present state was measured.
    PresentState,
    /// The library may contain an object of older sources.
    StaleObject,
    /// The library contains the path of the build worktree.
    WorktreePath,
    UncommittedChanges,
    /// A warning of an older journal, whose kind is not known.
    Worded,
}

impl WarningKind {
    /// Returns whether the warning makes a job's median unreliable, so that no conclusion uses it.
    pub(crate) fn spoils_median(self) -> bool {
        matches!(
            self,
            Self::Scattered
                | Self::ScatteredThreads
                | Self::Growing
                | Self::SlowStart
                | Self::Unsteady
        )
    }

    /// Returns whether the texts of two such warnings differ only in their figures, so that one of
    /// them can stand for the others.
    pub(crate) fn differs_in_figures(self) -> bool {
        !matches!(
            self,
            Self::DigestUnreadable
                | Self::CounterUnused
                | Self::CounterDiffers
                | Self::PresentState
                | Self::StaleObject
                | Self::WorktreePath
                | Self::Worded
        )
    }
}

/// Side of a comparison that a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WarnedSide {
    A,
    B,
    Both,
}

impl WarnedSide {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::Both => "A and B",
        }
    }

    /// Returns A for side 0 and B for any other side.
    pub(crate) fn of_index(side: usize) -> Self {
        if side == 0 { Self::A } else { Self::B }
    }
}

/// Kind of a comparison's warning, and its side; no side if the warning is about the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct SidedKind {
    pub(crate) kind: WarningKind,
    pub(crate) side: Option<WarnedSide>,
}

/// A warning with the side of a pair that its text begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SidedWarning {
    pub(crate) side: Option<WarnedSide>,
    pub(crate) warning: JobWarning,
}

impl SidedWarning {
    /// Returns a warning about no side.
    pub(crate) fn of_both(warning: JobWarning) -> Self {
        Self {
            side: None,
            warning,
        }
    }

    pub(crate) fn kind(&self) -> SidedKind {
        SidedKind {
            kind: self.warning.kind(),
            side: self.side,
        }
    }
}

impl fmt::Display for SidedWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(side) = self.side {
            write!(f, "{}: ", side.name())?;
        }
        self.warning.fmt(f)
    }
}

/// A warning with its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobWarning {
    /// More blocks lived than the table of live blocks holds.
    Untracked,
    /// A free or a resize met blocks that no counted call had returned.
    ForeignBlocks {
        blocks: u64,
    },
    /// The plugin's library holds an allocator; `name` is the function that returns its blocks.
    OwnAllocator {
        name: String,
    },
    /// Resident memory grew by `bytes` more than was allocated.
    Uncounted {
        bytes: f64,
    },
    /// Iterations differ in their allocations; `iterations` were counted.
    UnevenIterations {
        iterations: u64,
    },
    /// Each iteration leaves `bytes` allocated.
    Leak {
        bytes: f64,
    },
    /// The interval over processes is wide; `threads` states whether the job has several threads.
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
    /// The time of an iteration falls inside each process. Part of the samples belongs to the slow
    /// beginning.
    SlowStart {
        first_ns: f64,
        last_ns: f64,
    },
    /// No two windows agreed during warm-up, and the parts of a process differ by `apart`
    /// (relative).
    Unsteady {
        apart: f64,
    },
    /// Processes that the plugin left running.
    LeftProcesses {
        count: usize,
    },
    /// The plugin wrote to its standard output or error.
    Output {
        bytes: u64,
        last_words: Option<String>,
    },
    DigestUnreadable {
        error: String,
    },
    /// The digests of two processes differ.
    OutputDiffers {
        digests: [String; 2],
    },
    /// Nothing was added to the counter of a metric.
    CounterUnused {
        metric: String,
        counter: String,
    },
    CounterDiffers {
        counter: String,
        sums: [f64; 2],
    },
    Recording(ScopeComplaint),
    /// The system gives both sides of a pair random addresses.
    RandomAddresses,
    UnalignedFunctions,
    /// A plugin that is in no commit was measured in its present state.
    PresentState {
        plugin: String,
    },
    /// Something about the build of a plugin's library.
    Build {
        plugin: String,
        note: BuildNote,
    },
    /// Uncommitted changes are in no commit of a bisect.
    UncommittedChanges,
    /// A warning of an older journal, with its own wording.
    #[serde(untagged)]
    Worded(String),
}

/// A note about the build of a library, for readers of its figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BuildNote {
    /// A source has new content, but a time before the last build.
    StaleObject { source: PathBuf },
    /// The library contains the path of the build worktree.
    WorktreePath,
}

impl fmt::Display for BuildNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StaleObject { source } => write!(
                f,
                "may contain an old object: {} has new content, but a time before the last build; \
                 make rebuilt everything, but another build tool may have reused the object; run \
                 `touch` on the file",
                source.display()
            ),
            Self::WorktreePath => f.write_str(
                "contains the path of the build worktree: files that it reads there belong to the \
                 commit that was built last; pass input files through parameters",
            ),
        }
    }
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
            Self::Scattered { threads: true, .. } => WarningKind::ScatteredThreads,
            Self::Scattered { .. } => WarningKind::Scattered,
            Self::FewSamples { .. } => WarningKind::FewSamples,
            Self::SlowSamples { .. } => WarningKind::SlowSamples,
            Self::Growing { .. } => WarningKind::Growing,
            Self::SlowStart { .. } => WarningKind::SlowStart,
            Self::Unsteady { .. } => WarningKind::Unsteady,
            Self::LeftProcesses { .. } => WarningKind::LeftProcesses,
            Self::Output { .. } => WarningKind::Output,
            Self::DigestUnreadable { .. } => WarningKind::DigestUnreadable,
            Self::OutputDiffers { .. } => WarningKind::OutputDiffers,
            Self::CounterUnused { .. } => WarningKind::CounterUnused,
            Self::CounterDiffers { .. } => WarningKind::CounterDiffers,
            Self::Recording(complaint) => match complaint {
                ScopeComplaint::Threads { .. } => WarningKind::ThreadsUnrecorded,
                ScopeComplaint::Unbalanced { .. } => WarningKind::ScopesUnbalanced,
                ScopeComplaint::NotFinite { .. } => WarningKind::CounterOverflow,
                ScopeComplaint::Names { .. } => WarningKind::NamesOverflow,
                ScopeComplaint::Places { .. } => WarningKind::ScopesOverflow,
                ScopeComplaint::Worded(_) => WarningKind::Worded,
            },
            Self::RandomAddresses => WarningKind::RandomAddresses,
            Self::UnalignedFunctions => WarningKind::UnalignedFunctions,
            Self::PresentState { .. } => WarningKind::PresentState,
            Self::Build { note, .. } => match note {
                BuildNote::StaleObject { .. } => WarningKind::StaleObject,
                BuildNote::WorktreePath => WarningKind::WorktreePath,
            },
            Self::UncommittedChanges => WarningKind::UncommittedChanges,
            Self::Worded(_) => WarningKind::Worded,
        }
    }
}

impl fmt::Display for JobWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untracked => f.write_str(
                "more blocks were alive than orch can track: peak and leaked bytes are too low",
            ),
            Self::ForeignBlocks { blocks } => {
                let blocks =
                    format::counted(usize::try_from(*blocks).unwrap_or(usize::MAX), "block");
                write!(
                    f,
                    "counts are not exact: {blocks} freed or resized without a counted allocation, \
                     so the plugin reaches malloc in another way, such as dlsym, which is not \
                     counted"
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
                 iterations, starting with the second"
            ),
            Self::Leak { bytes } => {
                write!(
                    f,
                    "leaks {} per iteration: each iteration leaves this many more bytes allocated",
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
                    "; its threads may not always have had one CPU each"
                } else {
                    ""
                };
                write!(
                    f,
                    "its processes differ by {} of the median, from {} to {}: their median is not \
                     representative{hint}",
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
                 machine was busy, or iterations differ",
                format::percent(*share)
            ),
            Self::Growing { first_ns, last_ns } => write!(
                f,
                "no steady state: its time grows inside each process, {}: the median depends on \
                 the length of the measurement",
                trend(*first_ns, *last_ns)
            ),
            Self::SlowStart { first_ns, last_ns } => write!(
                f,
                "no steady state: its time falls inside each process, {}: the median includes a \
                 slow first phase, which belongs in setup",
                trend(*first_ns, *last_ns)
            ),
            Self::Unsteady { apart } => write!(
                f,
                "no steady state: warm-up used all of its time in each process, and parts of a \
                 process differ by {}: the median depends on the length of the measurement",
                format::percent(*apart)
            ),
            Self::LeftProcesses { count } => write!(
                f,
                "processes that the plugin left running: {count}; orch ended them"
            ),
            Self::Output { bytes, last_words } => {
                write!(
                    f,
                    "the plugin wrote {bytes} bytes to its standard output or error"
                )?;
                match last_words {
                    Some(words) => write!(f, "; its last words: {words}"),
                    None => Ok(()),
                }
            }
            Self::DigestUnreadable { error } => {
                write!(f, "the plugin's digest cannot be read: {error}")
            }
            Self::OutputDiffers {
                digests: [one, other],
            } => write!(
                f,
                "output differs between processes: digest {one} and {other}, for example"
            ),
            Self::CounterUnused { metric, counter } => write!(
                f,
                "metric {metric}: nothing was added to its counter `{counter}`"
            ),
            Self::CounterDiffers {
                counter,
                sums: [one, other],
            } => write!(
                f,
                "counter `{counter}` differs between processes: {one} and {other}, for example"
            ),
            Self::Recording(complaint) => describe_recording(complaint, f),
            Self::RandomAddresses => f.write_str(
                "both sides have random addresses (the system does not let workers disable them), \
                 so pairs scatter more",
            ),
            Self::UnalignedFunctions => f.write_str(
                "functions are not aligned to 64 bytes, so layout alone can change the time; build \
                 the plugin with $ORCH_CFLAGS",
            ),
            Self::PresentState { plugin } => write!(
                f,
                "plugin `{plugin}` is outside of the repository, so its present state was measured"
            ),
            Self::Build { plugin, note } => write!(f, "plugin `{plugin}` {note}"),
            Self::UncommittedChanges => f.write_str(
                "the working tree has uncommitted changes; they are in no commit, so the bisect \
                 does not measure them, but it uses the working tree's scenario and input files",
            ),
            Self::Worded(text) => f.write_str(text),
        }
    }
}

fn describe_recording(complaint: &ScopeComplaint, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match complaint {
        ScopeComplaint::Threads { threads } => {
            write!(f, "scopes of {threads} threads were not recorded")
        }
        ScopeComplaint::Unbalanced { scopes } => write!(
            f,
            "{scopes} scopes were closed out of order or never closed; every scope_enter needs its \
             own scope_exit on the same thread"
        ),
        ScopeComplaint::NotFinite { additions } => write!(
            f,
            "{additions} additions to counters were NaN, infinite, or too large for the sum, and \
             were left out"
        ),
        ScopeComplaint::Names { most } => write!(
            f,
            "more than {most} names of scopes and counters: the others are recorded as (unnamed)"
        ),
        ScopeComplaint::Places {
            dropped,
            places,
            depth,
            counters,
        } => write!(
            f,
            "{dropped} scopes or counters were not recorded: more than {places} places in the \
             tree, {depth} levels or {counters} counters"
        ),
        ScopeComplaint::Worded(text) => f.write_str(text),
    }
}

/// Describes the change from the first samples of a process to the last ones.
fn trend(first_ns: f64, last_ns: f64) -> String {
    let [first, last] = change::times([first_ns, last_ns]);
    format!(
        "{} from the first to the last samples, {first} -> {last}",
        size(ChangedQuantity::Time, last_ns / first_ns - 1.0)
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn warnings_survive_a_journal_and_texts_of_older_ones_are_read() {
        let stored = [
            JobWarning::Untracked,
            JobWarning::LeftProcesses { count: 2 },
            JobWarning::Recording(ScopeComplaint::Unbalanced { scopes: 3 }),
            JobWarning::Worded("a note".to_owned()),
        ];
        let text = serde_json::to_string(&stored).unwrap();
        let read: Vec<JobWarning> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, stored);
        let words = "the plugin left 2 process(es) running; they were ended";
        let older: Vec<JobWarning> = serde_json::from_value(serde_json::json!([words])).unwrap();
        assert_eq!(older[0].kind(), WarningKind::Worded);
        assert_eq!(older[0].to_string(), words);
    }
}
