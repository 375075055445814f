//! Texts about the origin of figures, the same in all reports.

use crate::machine::Machine;

/// Returns the first digits of a commit, which identify it.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// Describes a machine in a few words.
pub(super) fn machine(machine: &Machine) -> String {
    format!(
        "{}, {} CPUs, {}",
        machine.cpu.model, machine.cpu.usable, machine.kernel
    )
}
