//! What the warnings about a job mean as findings about its plugin.

use super::FindingLevel;
use crate::model::warning::WarningKind;

/// Returns the level of a warning in a job's record as a finding about the plugin, and the remedy.
pub(super) fn grade_warning(kind: WarningKind) -> (FindingLevel, &'static str) {
    match kind {
        WarningKind::Leak => (
            FindingLevel::Warning,
            "free what an iteration allocates, or keep it in the instance for the next one",
        ),
        WarningKind::OutputDiffers => (
            FindingLevel::Error,
            "seed random numbers; do not iterate over collections in random order",
        ),
        WarningKind::DigestUnreadable => (
            FindingLevel::Error,
            "write {\"value\": number or text}, or nothing",
        ),
        WarningKind::CounterUnused => (
            FindingLevel::Error,
            "add to the counter in `run`, or leave out the metric",
        ),
        WarningKind::CounterDiffers => (
            FindingLevel::Warning,
            "a counter describes the work: count only what does not depend on chance",
        ),
        WarningKind::ScopesUnbalanced => (
            FindingLevel::Error,
            "close scopes on the way out of every branch, failures included",
        ),
        WarningKind::CounterOverflow => (FindingLevel::Error, "add finite amounts"),
        WarningKind::ForeignBlocks => (
            FindingLevel::Warning,
            "call malloc and related functions by their names, so that their blocks are counted",
        ),
        WarningKind::OwnAllocator => (
            FindingLevel::Warning,
            "mention in `about` that its blocks are not counted, or build the plugin without the \
         allocator",
        ),
        WarningKind::Growing | WarningKind::SlowStart | WarningKind::Unsteady => (
            FindingLevel::Warning,
            "move to setup what only the first iterations do, and restore in `reset` what each of \
             them changes",
        ),
        WarningKind::Uncounted => (
            FindingLevel::Warning,
            "memory that does not come from malloc is not counted: mention it in `about`",
        ),
        WarningKind::UnevenIterations => (
            FindingLevel::Note,
            "reserve memory in setup, so that each iteration does the same",
        ),
        WarningKind::Output => (
            FindingLevel::Warning,
            "write nothing: use `log` for messages, and set_error for failures",
        ),
        WarningKind::LeftProcesses => (FindingLevel::Warning, "end in teardown what setup started"),
        WarningKind::Untracked => (
            FindingLevel::Warning,
            "keep fewer blocks alive at a time, or mention in `about` that peak and leaked bytes \
             are too low",
        ),
        WarningKind::ThreadsUnrecorded => (
            FindingLevel::Warning,
            "open scopes on fewer threads, such as those of one pool",
        ),
        WarningKind::NamesOverflow => (
            FindingLevel::Warning,
            "use fewer names: a size or an index belongs into a counter, not into a name",
        ),
        WarningKind::ScopesOverflow => (
            FindingLevel::Warning,
            "open scopes around steps of the work, not around each element or each level of a \
             recursion",
        ),
        WarningKind::UnalignedFunctions => (
            FindingLevel::Warning,
            "add $ORCH_CFLAGS to the flags of the compiler in the `build:` command",
        ),
        // What the machine may have caused is no finding about the plugin before it is repeated.
        WarningKind::Scattered | WarningKind::SlowSamples => {
            (FindingLevel::Note, "repeat the check on a quiet machine")
        }
        WarningKind::ScatteredThreads => (
            FindingLevel::Note,
            "repeat the check with one CPU for each thread",
        ),
        WarningKind::FewSamples => (
            FindingLevel::Note,
            "do less work in an iteration, or give the job a longer `time`",
        ),
        WarningKind::RandomAddresses => (
            FindingLevel::Note,
            "allow the personality system call, which turns random addresses off",
        ),
        // Only comparisons and bisects have these, and only older journals the last one. A plugin
        // is examined by neither.
        WarningKind::PresentState
        | WarningKind::StaleObject
        | WarningKind::WorktreePath
        | WarningKind::UncommittedChanges
        | WarningKind::Worded => (FindingLevel::Warning, "do what the message asks for"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_belong_to_their_warnings() {
        for (kind, part) in [
            (WarningKind::LeftProcesses, "teardown"),
            (WarningKind::UnalignedFunctions, "ORCH_CFLAGS"),
            (WarningKind::ThreadsUnrecorded, "fewer threads"),
            (WarningKind::NamesOverflow, "fewer names"),
            (WarningKind::ScopesOverflow, "around steps"),
            (WarningKind::Untracked, "fewer blocks"),
        ] {
            let (level, remedy) = grade_warning(kind);
            assert!(remedy.contains(part), "{kind:?}: {remedy}");
            assert_eq!(level, FindingLevel::Warning);
        }
    }

    #[test]
    fn effects_of_a_busy_machine_are_only_notes() {
        for kind in [
            WarningKind::Scattered,
            WarningKind::ScatteredThreads,
            WarningKind::SlowSamples,
            WarningKind::FewSamples,
            WarningKind::RandomAddresses,
        ] {
            assert_eq!(grade_warning(kind).0, FindingLevel::Note, "{kind:?}");
        }
    }
}
