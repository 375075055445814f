//! The table of live blocks: it maps addresses to requested sizes, and gives live bytes and their
//! exact peak.
//!
//! A bucket holds four (address, size) pairs on one cache line. The block's address selects the
//! bucket, so that neighbours in memory are neighbours in the table. Only the owner of a block
//! removes it, so removal is a plain store. Insertion claims an empty place with a
//! compare-and-swap, or with plain stores while the process has one thread.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed};

const BUCKETS: usize = 1 << 20;
const WAYS: usize = 4;
/// Number of buckets that a full bucket spills into. A block that finds no place there is counted
/// but not tracked.
const REACH: usize = 8;

#[repr(align(64))]
struct BlockBucket {
    addresses: [AtomicUsize; WAYS],
    sizes: [AtomicUsize; WAYS],
}

static TABLE: AtomicPtr<BlockBucket> = AtomicPtr::new(null_mut());
static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);
static UNTRACKED: AtomicBool = AtomicBool::new(false);
static FOREIGN: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    /// Flag of glibc (2.32 and later); true means that no other thread exists.
    static __libc_single_threaded: u8;
}

/// Maps the table (64 MiB of address space, of which only used pages are touched).
pub(super) fn map_table() -> bool {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    // SAFETY: a fresh private mapping at an address of the kernel's choice.
    let mapped = unsafe {
        mmap_anonymous(
            null_mut(),
            BUCKETS * size_of::<BlockBucket>(),
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::NORESERVE,
        )
    };
    match mapped {
        Ok(memory) => {
            TABLE.store(memory.cast(), Relaxed);
            true
        }
        Err(_) => false,
    }
}

/// Returns the requested bytes of the blocks that were allocated since counting began and are still
/// live.
pub(crate) fn live_bytes() -> u64 {
    LIVE.load(Relaxed)
}

/// Returns the highest value of [`live_bytes`] since the last [`restart_peak`].
pub fn peak_bytes() -> u64 {
    PEAK.load(Relaxed)
}

/// Begins a new peak at the current live bytes.
pub(crate) fn restart_peak() {
    PEAK.store(LIVE.load(Relaxed), Relaxed);
}

/// Returns the size of the last allocation that the C library refused; 0 if it refused none.
pub fn refused_bytes() -> usize {
    REFUSED.load(Relaxed)
}

/// Returns whether blocks did not fit into the table, which makes live bytes and peak too low.
pub fn untracked() -> bool {
    UNTRACKED.load(Relaxed)
}

/// Returns the number of blocks that were freed or resized although no entry point of orch returned
/// them since counting began. The plugin then uses another way to the C library's heap, whose calls
/// are not counted.
pub fn foreign_blocks() -> u64 {
    FOREIGN.load(Relaxed)
}

/// Counts a foreign block. It is inlined although it is rare, because a call here would make every
/// `free` save registers first.
#[inline(always)]
pub(super) fn note_foreign() {
    FOREIGN.fetch_add(1, Relaxed);
}

pub(super) fn note_refused(size: usize) {
    REFUSED.store(size, Relaxed);
}

#[inline(always)]
pub(super) fn insert(address: usize, size: usize) {
    insert_quietly(address, Some(size));
    grow(size as u64);
}

#[inline(always)]
pub(super) fn remove(address: usize) {
    match remove_quietly(address) {
        Some(size) => shrink(size as u64),
        None => note_foreign(),
    }
}

/// Replaces a block of `old` bytes by one of `new` bytes at `address`.
pub(super) fn replace(address: usize, old: Option<usize>, new: usize) {
    insert_quietly(address, Some(new));
    let old = old.unwrap_or(0);
    if new >= old {
        grow((new - old) as u64);
    } else {
        shrink((old - new) as u64);
    }
}

/// Returns whether the process never had a second thread.
#[inline(always)]
pub fn single_threaded() -> bool {
    // SAFETY: a byte of glibc's that always exists; it changes only when this thread creates the
    // first other thread.
    unsafe { (&raw const __libc_single_threaded).read_volatile() != 0 }
}

#[inline(always)]
fn grow(bytes: u64) {
    if single_threaded() {
        let live = LIVE.load(Relaxed) + bytes;
        LIVE.store(live, Relaxed);
        if live > PEAK.load(Relaxed) {
            PEAK.store(live, Relaxed);
        }
    } else {
        let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
        PEAK.fetch_max(live, Relaxed);
    }
}

#[inline(always)]
fn shrink(bytes: u64) {
    if single_threaded() {
        LIVE.store(LIVE.load(Relaxed) - bytes, Relaxed);
    } else {
        LIVE.fetch_sub(bytes, Relaxed);
    }
}

#[inline(always)]
fn bucket(address: usize, step: usize) -> &'static BlockBucket {
    // Thread arenas begin at multiples of 64 MiB. Without the second term, their blocks would share
    // buckets.
    let home = (address >> 6).wrapping_add((address >> 26).wrapping_mul(0x9E37));
    let index = home.wrapping_add(step) & (BUCKETS - 1);
    // SAFETY: `map_table` mapped BUCKETS buckets before counting began and they stay mapped;
    // all-zero bytes are an empty bucket, and every field is atomic.
    unsafe { &*TABLE.load(Relaxed).add(index) }
}

/// Stores a block without changing the live bytes; `None` means a block that was never tracked.
#[inline(always)]
pub(super) fn insert_quietly(address: usize, size: Option<usize>) {
    let Some(size) = size else { return };
    let alone = single_threaded();
    for step in 0..REACH {
        let bucket = bucket(address, step);
        for way in 0..WAYS {
            let place = &bucket.addresses[way];
            if place.load(Relaxed) != 0 {
                continue;
            }
            if alone {
                place.store(address, Relaxed);
            } else if place
                .compare_exchange(0, address, Relaxed, Relaxed)
                .is_err()
            {
                continue;
            }
            // The thread that frees this block got its address from the allocating thread, after
            // this store.
            bucket.sizes[way].store(size, Relaxed);
            return;
        }
    }
    UNTRACKED.store(true, Relaxed);
}

/// Removes a block without changing the live bytes. Returns `None` if it was not tracked.
#[inline(always)]
pub(super) fn remove_quietly(address: usize) -> Option<usize> {
    for step in 0..REACH {
        let bucket = bucket(address, step);
        for way in 0..WAYS {
            if bucket.addresses[way].load(Relaxed) == address {
                let size = bucket.sizes[way].load(Relaxed);
                bucket.addresses[way].store(0, Relaxed);
                return Some(size);
            }
        }
    }
    None
}
