//! One aligned, owned block of numbers. Its origin determines where it goes when it is dropped.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use crate::pool;

/// Alignment of all storage in bytes: one cache line, and one AVX-512 vector that never straddles
/// two of them.
pub const ALIGN: usize = 64;

/// Origin of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// No memory at all.
    Nowhere,
    /// The global allocator, in exactly the requested size.
    Heap,
    /// The pool, in the size of its class.
    Pool(pool::Class),
}

/// `len` numbers, 64-byte aligned, always initialised.
pub(crate) struct Buffer {
    ptr: NonNull<f32>,
    len: usize,
    home: Home,
}

// SAFETY: this value alone owns the block, and plain numbers are not bound to a thread. A pooled
// block that is dropped on another thread goes to that thread's lists; blocks of a class are
// interchangeable.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Takes `len` zeros from the global allocator: one allocation, or none when `len` is 0.
    pub fn zeros(len: usize) -> Self {
        if len == 0 {
            return Self::empty();
        }
        let layout = heap_layout(len);
        // SAFETY: the layout's size is not 0 because `len` is not.
        let raw = unsafe { alloc_zeroed(layout) };
        let Some(ptr) = NonNull::new(raw.cast::<f32>()) else {
            handle_alloc_error(layout)
        };
        Self {
            ptr,
            len,
            home: Home::Heap,
        }
    }

    /// Takes `len` initialised numbers of unspecified value from this thread's pool.
    pub fn pooled(len: usize) -> Self {
        if len == 0 {
            return Self::empty();
        }
        let class = pool::Class::holding(len);
        Self {
            ptr: pool::take(class),
            len,
            home: Home::Pool(class),
        }
    }

    fn empty() -> Self {
        // A dangling pointer, but an aligned one: empty slices keep the promise about alignment
        // too.
        let ptr = NonNull::without_provenance(DANGLING);
        Self {
            ptr,
            len: 0,
            home: Home::Nowhere,
        }
    }

    /// Returns the origin of the block.
    pub fn home(&self) -> Home {
        self.home
    }

    /// Returns the numbers.
    #[inline]
    pub fn as_slice(&self) -> &[f32] {
        // SAFETY: `ptr` is aligned and points to `len` initialised numbers (or `len` is 0) that
        // live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }

    /// Returns the numbers, to be changed.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as in `as_slice`, and `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        match self.home {
            Home::Nowhere => {}
            // SAFETY: allocated in `zeros` with the same layout, and not used after this.
            Home::Heap => unsafe { dealloc(self.ptr.as_ptr().cast(), heap_layout(self.len)) },
            // SAFETY: taken from the pool with this class in `pooled`, and not used after this.
            Home::Pool(class) => unsafe { pool::give_back(self.ptr, class) },
        }
    }
}

/// An aligned address that points to nothing.
const DANGLING: NonZeroUsize = NonZeroUsize::new(ALIGN).expect("the alignment is not 0");

fn heap_layout(len: usize) -> Layout {
    Layout::array::<f32>(len)
        .and_then(|l| l.align_to(ALIGN))
        .expect("the shape was checked to fit in memory")
}
