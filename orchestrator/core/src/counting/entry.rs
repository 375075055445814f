//! The exported entry points (`malloc`, `free`, ...) and the switch between forwarding and
//! counting.

use super::{live, slots};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
compile_error!(
    "orch needs Linux with glibc: its counting allocator forwards to glibc's __libc_malloc family"
);

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_free(block: *mut c_void);
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(align: usize, size: usize) -> *mut c_void;
}

/// Targets of the four hot entry points. They are plain data with a load-time value, because the
/// dynamic loader calls `malloc` before any code of orch runs.
static MALLOC: AtomicPtr<c_void> = AtomicPtr::new(__libc_malloc as *mut c_void);
static FREE: AtomicPtr<c_void> = AtomicPtr::new(__libc_free as *mut c_void);
static CALLOC: AtomicPtr<c_void> = AtomicPtr::new(__libc_calloc as *mut c_void);
static REALLOC: AtomicPtr<c_void> = AtomicPtr::new(__libc_realloc as *mut c_void);
static MEMALIGN: AtomicPtr<c_void> = AtomicPtr::new(__libc_memalign as *mut c_void);

/// Starts counting, for the rest of the process. A worker calls it once, before it loads its plugin
/// and while it has one thread; that thread is the driver. Returns whether the table of live blocks
/// could be mapped.
pub fn start() -> bool {
    if !live::map_table() {
        return false;
    }
    slots::become_driver();
    for (pointer, function) in [
        (&MALLOC, count_malloc as *mut c_void),
        (&FREE, count_free as *mut c_void),
        (&CALLOC, count_calloc as *mut c_void),
        (&REALLOC, count_realloc as *mut c_void),
        (&MEMALIGN, count_memalign as *mut c_void),
    ] {
        pointer.store(function, Ordering::Relaxed);
    }
    true
}

/// Defines an exported function that jumps to the target of a pointer and leaves every argument in
/// place.
macro_rules! jump {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)? => $target:ident;)*) => {$(
        #[cfg(target_arch = "x86_64")]
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $type),*) $(-> $ret)? {
            std::arch::naked_asm!("jmp qword ptr [rip + {target}]", target = sym $target)
        }
        #[cfg(not(target_arch = "x86_64"))]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $type),*) $(-> $ret)? {
            let target = $target.load(Ordering::Relaxed);
            // SAFETY: the pointer only ever holds a function of this signature, see `start`.
            let target: unsafe extern "C" fn($($type),*) $(-> $ret)? =
                unsafe { std::mem::transmute(target) };
            // SAFETY: the caller keeps the contract of the C function of the same name.
            unsafe { target($($arg),*) }
        }
    )*};
}

jump! {
    malloc(size: usize) -> *mut c_void => MALLOC;
    free(block: *mut c_void) => FREE;
    calloc(count: usize, size: usize) -> *mut c_void => CALLOC;
    realloc(block: *mut c_void, size: usize) -> *mut c_void => REALLOC;
    memalign(align: usize, size: usize) -> *mut c_void => MEMALIGN;
    aligned_alloc(align: usize, size: usize) -> *mut c_void => MEMALIGN;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn reallocarray(block: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: the caller's block, as for `realloc`.
        Some(bytes) => unsafe { realloc(block, bytes) },
        None => out_of_memory(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || !align.is_multiple_of(size_of::<usize>()) {
        return libc::EINVAL;
    }
    // SAFETY: `memalign` takes any power of two.
    let block = unsafe { memalign(align, size) };
    if block.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: the caller passes a place for one pointer.
    unsafe { out.write(block) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn valloc(size: usize) -> *mut c_void {
    // SAFETY: a page size is a power of two.
    unsafe { memalign(page_size(), size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pvalloc(size: usize) -> *mut c_void {
    match size.checked_next_multiple_of(page_size()) {
        // SAFETY: a page size is a power of two.
        Some(bytes) => unsafe { memalign(page_size(), bytes.max(page_size())) },
        None => out_of_memory(),
    }
}

fn page_size() -> usize {
    rustix::param::page_size()
}

fn out_of_memory() -> *mut c_void {
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *libc::__errno_location() = libc::ENOMEM };
    null_mut()
}

unsafe extern "C" fn count_malloc(size: usize) -> *mut c_void {
    // SAFETY: as for malloc.
    let block = unsafe { __libc_malloc(size) };
    note(block, size)
}

unsafe extern "C" fn count_calloc(count: usize, size: usize) -> *mut c_void {
    // SAFETY: as for calloc.
    let block = unsafe { __libc_calloc(count, size) };
    // glibc checked the product: a block exists only if the product did not overflow.
    note(block, count.wrapping_mul(size))
}

unsafe extern "C" fn count_memalign(align: usize, size: usize) -> *mut c_void {
    // SAFETY: as for memalign.
    let block = unsafe { __libc_memalign(align, size) };
    note(block, size)
}

unsafe extern "C" fn count_free(block: *mut c_void) {
    if !block.is_null() {
        // The entry is removed before the block is freed, because afterwards another thread may own
        // the same address.
        live::remove(block.addr());
        slots::add_free();
    }
    // SAFETY: the caller's block, as for free.
    unsafe { __libc_free(block) }
}

unsafe extern "C" fn count_realloc(block: *mut c_void, size: usize) -> *mut c_void {
    if block.is_null() {
        // SAFETY: realloc of no block is malloc.
        return unsafe { count_malloc(size) };
    }
    if size == 0 {
        // SAFETY: glibc's realloc to size 0 is free; the block is the caller's.
        unsafe { count_free(block) };
        return null_mut();
    }
    let old = live::remove_quietly(block.addr());
    // SAFETY: as for realloc.
    let moved = unsafe { __libc_realloc(block, size) };
    if moved.is_null() {
        live::insert_quietly(block.addr(), old);
        live::note_refused(size);
        return moved;
    }
    if old.is_none() {
        live::note_foreign();
    }
    live::replace(moved.addr(), old, size);
    slots::add_free();
    slots::add_alloc(size);
    moved
}

#[inline(always)]
fn note(block: *mut c_void, size: usize) -> *mut c_void {
    if block.is_null() {
        live::note_refused(size);
    } else {
        live::insert(block.addr(), size);
        slots::add_alloc(size);
    }
    block
}
