//! The bottom of the driver's stack as exceptions see it: one that nobody in the plugin catches
//! ends here.
//!
//! Without it a foreign exception would travel on to Rust's own `catch_unwind`, which aborts with a
//! text about Rust. An unwinder that finds no handler does not begin: the language's runtime says
//! what was thrown, and aborts where it was thrown, with all scopes still open.

/// Calls `work` from a function that has no unwinding information, so that no unwinder looks beyond
/// it.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(super) extern "C" fn call_without_unwinding(work: extern "C-unwind" fn() -> !) -> ! {
    std::arch::naked_asm!("sub rsp, 8", "call rdi", "ud2")
}

/// Calls `work` from a function that has no unwinding information, so that no unwinder looks beyond
/// it.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(super) extern "C" fn call_without_unwinding(work: extern "C-unwind" fn() -> !) -> ! {
    std::arch::naked_asm!("blr x0", "brk #1")
}
