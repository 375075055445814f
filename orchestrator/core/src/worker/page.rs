//! The page that `orch` and a worker share. It holds the worker's position and the circumstances of
//! its death, and it outlives the worker.

use crate::format::clean;
use crate::protocol::Phase;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::thread::futex;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64};

const SIZE: usize = 4096;
const SCOPE_BYTES: usize = 1024;
/// Maximum number of stored callers. Between abort() and the code that caused it, there are
/// functions of the C library and of a language runtime.
const CALLERS: usize = 32;

/// Layout of the page. All zeros mean that the worker has not begun.
#[repr(C)]
pub struct PageLayout {
    phase: AtomicU32,
    signal: AtomicI32,
    /// Iteration that is running, from 0.
    pub iteration: AtomicU64,
    /// Address of the failed access.
    pub address: AtomicU64,
    /// Address of the failed instruction.
    pub instruction: AtomicU64,
    /// Whether the fault lies next to the stack pointer.
    pub near_stack: AtomicU32,
    /// Phase of the call from which a process that the plugin forked returned, plus one; 0 if there
    /// was none.
    pub forked: AtomicU32,
    /// Size of the last allocation that was refused.
    pub refused: AtomicU64,
    /// Number of turns that a worker of a pair has taken. The other worker of the pair reads it.
    pub turns_taken: AtomicU32,
    /// Whether a worker of a pair waits for the other one.
    pub waits_for_turn: AtomicU32,
    /// Address at which the plugin's file is mapped.
    pub library_base: AtomicU64,
    /// Return addresses at the time of an abort, innermost first; 0 ends the list.
    callers: [AtomicU64; CALLERS],
    scope_length: AtomicU32,
    scope: [AtomicU8; SCOPE_BYTES],
}

const _: () = assert!(size_of::<PageLayout>() <= SIZE);

/// A mapping of the page.
pub struct SharedPage {
    at: NonNull<PageLayout>,
}

impl SharedPage {
    /// Creates a page and the descriptor with which a worker maps it too.
    pub fn create() -> rustix::io::Result<(Self, OwnedFd)> {
        let file = rustix::fs::memfd_create("orch-page", rustix::fs::MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&file, SIZE as u64)?;
        // The other worker of a pair gets a descriptor for reading, and must not reopen it for
        // writing.
        rustix::fs::fchmod(&file, rustix::fs::Mode::RUSR)?;
        Ok((Self::map(&file)?, file))
    }

    /// Opens the page behind a descriptor for reading only.
    pub fn open_for_reading(file: &impl AsFd) -> rustix::io::Result<OwnedFd> {
        use std::os::fd::AsRawFd;
        rustix::fs::open(
            format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()),
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
    }

    /// Maps the page behind a descriptor.
    pub fn map(file: &impl AsFd) -> rustix::io::Result<Self> {
        Self::map_with(file, ProtFlags::READ | ProtFlags::WRITE)
    }

    fn map_with(file: &impl AsFd, access: ProtFlags) -> rustix::io::Result<Self> {
        // SAFETY: a new shared mapping of the whole file, at an address of the kernel's choice.
        let at = unsafe {
            mmap(
                std::ptr::null_mut(),
                SIZE,
                access,
                MapFlags::SHARED,
                file,
                0,
            )?
        };
        NonNull::new(at.cast())
            .map(|at| Self { at })
            .ok_or(rustix::io::Errno::NOMEM)
    }

    /// Returns the content.
    pub fn get(&self) -> &PageLayout {
        // SAFETY: the mapping is SIZE bytes, page aligned, lives as long as `self`, and has atomic
        // fields only. For these, every bit pattern is valid, whichever process writes it.
        unsafe { self.at.as_ref() }
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: created by `map` with this size; `get` borrows from `self`, so no reference is
        // left. A failure would only leave the page mapped.
        let _ = unsafe { munmap(self.at.as_ptr().cast(), SIZE) };
    }
}

/// The page of the other worker of a pair, for reading.
pub(crate) struct OtherPage(SharedPage);

impl OtherPage {
    pub(crate) fn map(file: &impl AsFd) -> rustix::io::Result<Self> {
        SharedPage::map_with(file, ProtFlags::READ).map(Self)
    }

    /// Sleeps until the other worker has taken this many turns, with a note in the own page. If the
    /// other worker dies, `orch` notices that and ends this worker too.
    pub(crate) fn wait_for_turns(&self, turns: u32, own: &PageLayout) {
        let taken = &self.0.get().turns_taken;
        loop {
            let now = taken.load(Acquire);
            if now >= turns {
                own.waits_for_turn.store(0, Relaxed);
                return;
            }
            own.waits_for_turn.store(1, Relaxed);
            // The call returns at once if the counter has already changed. The counter is read
            // again after waking, whatever the reason.
            let _ = futex::wait(taken, futex::Flags::empty(), now, None);
        }
    }
}

impl PageLayout {
    /// Stores that a worker of a pair has taken this many turns, and wakes the other worker.
    pub(crate) fn hand_over(&self, turns: u32) {
        self.turns_taken.store(turns, Release);
        let _ = futex::wake(&self.turns_taken, futex::Flags::empty(), 1);
    }

    /// Stores that a phase begins.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u32, Relaxed);
    }

    /// Returns the phase that began last.
    pub fn phase(&self) -> Phase {
        Phase::from_number(self.phase.load(Relaxed))
    }

    /// Returns the signal that a handler recorded; 0 if there was none.
    pub fn signal(&self) -> i32 {
        self.signal.load(Relaxed)
    }

    pub(crate) fn set_signal(&self, signal: i32) {
        self.signal.store(signal, Relaxed);
    }

    /// Stores the open scopes, outermost first. It is safe in a signal handler, because it only
    /// stores bytes.
    pub(crate) fn set_scope<'a>(&self, names: impl Iterator<Item = &'a [u8]>) {
        let separator: &[u8] = b" > ";
        let mut length = 0;
        for (index, name) in names.enumerate() {
            let parts = [if index == 0 { &[] } else { separator }, name];
            for byte in parts.into_iter().flatten() {
                let Some(place) = self.scope.get(length) else {
                    break;
                };
                place.store(*byte, Relaxed);
                length += 1;
            }
        }
        // The length is at most SCOPE_BYTES.
        self.scope_length.store(length as u32, Relaxed);
    }

    /// Stores a return address; returns false if there is no room for more. It is safe in a signal
    /// handler.
    pub(crate) fn set_caller(&self, index: usize, address: u64) -> bool {
        let place = self.callers.get(index);
        if let Some(place) = place {
            place.store(address, Relaxed);
        }
        place.is_some()
    }

    /// Returns the stored return addresses, innermost first.
    pub fn callers(&self) -> impl Iterator<Item = u64> {
        self.callers
            .iter()
            .map(|address| address.load(Relaxed))
            .take_while(|address| *address != 0)
    }

    /// Returns the open scopes, outermost first, joined with ` > `. A plugin can write anything to
    /// the page, so the text is cleaned.
    pub fn scope(&self) -> String {
        let length = (self.scope_length.load(Relaxed) as usize).min(SCOPE_BYTES);
        let bytes: Vec<u8> = self.scope[..length]
            .iter()
            .map(|byte| byte.load(Relaxed))
            .collect();
        clean::clean_line(&String::from_utf8_lossy(&bytes)).into_owned()
    }
}
