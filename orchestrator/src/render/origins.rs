//! Texts about where figures come from, as all reports print them.

use crate::machine::Machine;

/// A machine in a few words.
pub(super) fn machine(machine: &Machine) -> String {
    format!(
        "{}, {} CPUs, {}",
        machine.cpu.model, machine.cpu.usable, machine.kernel
    )
}
