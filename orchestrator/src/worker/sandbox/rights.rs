//! What a sandboxed worker gives up that no filter is needed for: capabilities and descriptors.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use std::io;
use std::os::fd::RawFd;

/// What root keeps. Files that belong to others are the business of the sandbox's own rules, and
/// memory that is locked is within the job's limit.
const KEPT: CapabilitySet = CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::IPC_LOCK);

/// Gives up the rights of root that no workload needs; of another user there are none.
pub(super) fn drop_capabilities() -> io::Result<()> {
    let now = capabilities(None)?;
    if now.permitted.is_empty() && now.inheritable.is_empty() {
        return Ok(());
    }
    // What a program of root's gets when it is started is bounded by what this process has, because
    // of no_new_privs.
    let kept = now.permitted & KEPT;
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    match rustix::thread::clear_ambient_capability_set() {
        Err(Errno::INVAL) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Closes what whoever started orch had open: a descriptor is a way to a file, and landlock asks at
/// opening only.
pub(super) fn close_inherited(channel: RawFd) -> io::Result<()> {
    let channel = u32::try_from(channel).map_err(io::Error::other)?;
    for (first, last) in [(3, channel.saturating_sub(1)), (channel + 1, u32::MAX)] {
        // SAFETY: this process has just begun; of the descriptors in these ranges none is used by
        // anything in it.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        let error = io::Error::last_os_error();
        // Older than Linux 5.9, which has no landlock either.
        if closed != 0 && error.raw_os_error() != Some(libc::ENOSYS) {
            return Err(error);
        }
    }
    Ok(())
}
