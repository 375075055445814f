//! Texts about where figures come from, as all reports print them.

use crate::machine::Machine;

/// The first digits of a commit, which name it.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// A machine in a few words.
pub(super) fn machine(machine: &Machine) -> String {
    format!(
        "{}, {} CPUs, {}",
        machine.cpu.model, machine.cpu.usable, machine.kernel
    )
}
