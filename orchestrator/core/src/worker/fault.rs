//! Signal handlers of a worker. They write the circumstances into the shared page and then let the
//! signal take effect.

use super::page::PageLayout;
use super::scopes;
use crate::counting;
use std::ffi::{c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

static PAGE: AtomicPtr<PageLayout> = AtomicPtr::new(null_mut());
const STACK: usize = 64 << 10;
/// A fault at most this far from the stack pointer counts as a stack overflow.
const NEAR: u64 = 64 << 10;

const FATAL: [c_int; 8] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGTERM,
    libc::SIGSYS,
    libc::SIGXFSZ,
];

/// Installs the handlers on a separate stack. `page` stays mapped until the process ends.
pub(super) fn install_handlers(page: &'static PageLayout) {
    PAGE.store((&raw const *page).cast_mut(), Relaxed);
    let stack = Box::leak(vec![0u8; STACK].into_boxed_slice());
    let alternative = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: STACK,
    };
    // SAFETY: the stack is leaked, so it outlives every handler.
    unsafe { libc::sigaltstack(&raw const alternative, null_mut()) };
    // A plugin that calls exit() ends up here; `orch` itself uses _exit.
    // SAFETY: the handler only does plain reads and atomic stores, and lives as long as the
    // program.
    unsafe { libc::atexit(note_exit) };
    for signal in FATAL {
        // SAFETY: all-zero bytes are a valid sigaction.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handle as *const () as usize;
        // SIGTERM may arrive twice, in two threads. The second must not end the process while the
        // first is being recorded.
        let reset = if signal == libc::SIGTERM {
            0
        } else {
            libc::SA_RESETHAND
        };
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | reset;
        // SAFETY: the handler does plain reads and atomic stores, which is safe in a signal
        // handler; for an abort, see `note_callers`.
        unsafe { libc::sigaction(signal, &raw const action, null_mut()) };
    }
}

extern "C" fn note_exit() {
    // SAFETY: set from a reference that lives forever.
    if let Some(page) = unsafe { PAGE.load(Relaxed).as_ref() } {
        page.set_scope(scopes::open_names());
    }
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: set before the handlers were installed, from a reference that lives forever.
    let Some(page) = (unsafe { PAGE.load(Relaxed).as_ref() }) else {
        return;
    };
    page.set_signal(signal);
    page.set_scope(scopes::open_names());
    page.refused
        .store(counting::refused_bytes() as u64, Relaxed);
    let (instruction, stack) = registers(context);
    page.instruction.store(instruction, Relaxed);
    if matches!(
        signal,
        libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE
    ) && !info.is_null()
    {
        // SAFETY: the kernel passes a valid siginfo to a SA_SIGINFO handler, and these signals
        // carry an address.
        let address = unsafe { (*info).si_addr() }.addr() as u64;
        page.address.store(address, Relaxed);
        page.near_stack
            .store(u32::from(address.abs_diff(stack) < NEAR), Relaxed);
    }
    if signal == libc::SIGABRT {
        note_callers(page);
    }
    // The handler was reset on entry, so a fault repeats and ends the process with its own signal.
    // Signals from other processes do not repeat.
    if signal == libc::SIGTERM {
        // SAFETY: signal is async-signal-safe, and the default action is valid for any signal.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    if matches!(signal, libc::SIGTERM | libc::SIGSYS | libc::SIGXFSZ) {
        // SAFETY: raise is async-signal-safe.
        unsafe { libc::raise(signal) };
    }
}

/// Context of the unwinder for a callback; opaque.
#[repr(C)]
struct UnwindContext {
    _private: [u8; 0],
}

type FrameCallback = extern "C" fn(*mut UnwindContext, *mut c_void) -> c_int;

unsafe extern "C" {
    fn _Unwind_Backtrace(on_frame: FrameCallback, argument: *mut c_void) -> c_int;
    fn _Unwind_GetIP(frame: *mut UnwindContext) -> usize;
}

/// Result of a walk over the stack.
struct StackWalk {
    page: &'static PageLayout,
    found: usize,
}

/// Stores the callers of abort(), which is in the C library itself. Only an abort is treated this
/// way: it comes from a call, so the stack can be walked. Any other fault may have destroyed the
/// stack.
fn note_callers(page: &'static PageLayout) {
    let mut walk = StackWalk { page, found: 0 };
    // SAFETY: the callback gets `walk`, which outlives the call. The unwinder takes only the
    // loader's lock, which the same thread may take again. It allocates nothing unless the plugin
    // registered frames of generated code; then an abort inside malloc may wait for malloc's lock
    // until the job's timeout.
    unsafe { _Unwind_Backtrace(on_frame, (&raw mut walk).cast()) };
}

extern "C" fn on_frame(frame: *mut UnwindContext, walk: *mut c_void) -> c_int {
    const GO_ON: c_int = 0;
    const STOP: c_int = 5;
    // SAFETY: `walk` is the pointer that `note_callers` passed.
    let Some(walk) = (unsafe { walk.cast::<StackWalk>().as_mut() }) else {
        return STOP;
    };
    // SAFETY: the unwinder passes a valid frame.
    let address = unsafe { _Unwind_GetIP(frame) } as u64;
    let has_place = address != 0 && walk.page.set_caller(walk.found, address);
    walk.found += 1;
    if has_place { GO_ON } else { STOP }
}

#[cfg(target_arch = "x86_64")]
fn registers(context: *mut c_void) -> (u64, u64) {
    // SAFETY: the kernel passes a ucontext to a SA_SIGINFO handler.
    let Some(context) = (unsafe { context.cast::<libc::ucontext_t>().as_ref() }) else {
        return (0, 0);
    };
    let registers = &context.uc_mcontext.gregs;
    // Registers are unsigned, but the C struct stores them signed.
    (
        registers[libc::REG_RIP as usize] as u64,
        registers[libc::REG_RSP as usize] as u64,
    )
}

#[cfg(target_arch = "aarch64")]
fn registers(context: *mut c_void) -> (u64, u64) {
    // SAFETY: the kernel passes a ucontext to a SA_SIGINFO handler.
    let Some(context) = (unsafe { context.cast::<libc::ucontext_t>().as_ref() }) else {
        return (0, 0);
    };
    (context.uc_mcontext.pc, context.uc_mcontext.sp)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn registers(_: *mut c_void) -> (u64, u64) {
    (0, 0)
}

/// Returns the address at which the file that contains `symbol` is mapped.
pub(super) fn base_of(symbol: *const c_void) -> u64 {
    let mut info = libc::Dl_info {
        dli_fname: null(),
        dli_fbase: null_mut(),
        dli_sname: null(),
        dli_saddr: null_mut(),
    };
    // SAFETY: dladdr only looks up the address.
    let found = unsafe { libc::dladdr(symbol, &raw mut info) };
    if found == 0 {
        0
    } else {
        info.dli_fbase.addr() as u64
    }
}
