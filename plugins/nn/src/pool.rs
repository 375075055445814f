//! Reuse of storage: freed blocks are kept in lists by size and handed out again, without calling
//! the allocator.
//!
//! Every thread has its own lists, so taking and giving back blocks needs neither a lock nor an
//! atomic instruction. A list is threaded through the free blocks themselves, so it needs no
//! memory. After each size has been allocated as often as it is alive at one time, a program that
//! allocates through [`Pool::On`] allocates nothing more.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::buffer::{ALIGN, Buffer};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Bytes that one thread keeps for reuse; blocks beyond this are freed.
pub const MAX_HELD_BYTES: usize = 1 << 30;

/// Whether storage is reused. The same calling code runs with both settings for comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Takes storage from this thread's lists of free blocks, and from the allocator only if there
    /// is none.
    On,
    /// Takes storage from the global allocator and returns it there.
    Off,
}

impl Pool {
    /// Creates a tensor of zeros with dimensions `shape`.
    ///
    /// # Panics
    /// When the shape has more than four dimensions or does not fit in memory.
    pub fn zeros(self, shape: &[usize]) -> Tensor {
        let mut tensor = self.scratch(shape);
        if self == Self::On {
            tensor.as_mut_slice().fill(0.0);
        }
        tensor
    }

    /// Creates a tensor with dimensions `shape` that the caller will overwrite. Its numbers are
    /// initialised but unspecified: old contents if pooled, otherwise zeros.
    ///
    /// # Panics
    /// As [`Pool::zeros`].
    pub fn scratch(self, shape: &[usize]) -> Tensor {
        let shape = Shape::new(shape);
        let buffer = match self {
            Self::On => Buffer::pooled(shape.len()),
            Self::Off => Buffer::zeros(shape.len()),
        };
        Tensor::from_parts(shape, buffer)
    }
}

/// Statistics of this thread's pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Blocks that were handed out again.
    pub reused: u64,
    /// Blocks that had to be allocated.
    pub allocated: u64,
    /// Bytes of free blocks that wait for reuse.
    pub held_bytes: usize,
}

/// Returns the statistics of this thread's pool since the thread started, and the bytes that it
/// holds now.
pub fn stats() -> Stats {
    LISTS.with(|lists| Stats {
        reused: lists.reused.get(),
        allocated: lists.allocated.get(),
        held_bytes: lists.held_bytes.get(),
    })
}

/// Frees every block that waits for reuse on this thread; tensors that are alive are not touched.
pub fn release() {
    LISTS.with(Lists::release);
}

/// A size of block: a power of two of bytes, or that and one, two or three quarters of it.
///
/// Quarters bound the waste to a fifth of a block, where whole powers of two would waste up to a
/// half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(u8);

/// Four classes for each power of two from 64 bytes (2^6) up to the largest that an address can
/// span.
const CLASSES: usize = (usize::BITS as usize - 6) * 4;

impl Class {
    /// Returns the smallest class that holds `len` numbers; `len` is not 0 and was checked to fit
    /// in memory.
    #[inline]
    pub fn holding(len: usize) -> Self {
        let bytes = (len * size_of::<f32>()).next_multiple_of(ALIGN);
        let power = bytes.ilog2();
        let quarter = (1_usize << power) / 4;
        let quarters = (bytes - (1 << power)).div_ceil(quarter);
        let index = (power as usize - 6) * 4 + quarters;
        Self(u8::try_from(index).expect("fewer than 256 classes span the address space"))
    }

    /// Returns the bytes of a block, a multiple of the alignment.
    fn bytes(self) -> usize {
        let base = 1_usize << (usize::from(self.0) / 4 + 6);
        // The quarters of 64 and 128 bytes are not multiples of 64.
        (base + base / 4 * (usize::from(self.0) % 4)).next_multiple_of(ALIGN)
    }

    fn layout(self) -> Layout {
        Layout::from_size_align(self.bytes(), ALIGN)
            .expect("a shape fits in memory with a quarter to spare")
    }
}

/// First bytes of a free block: the next free block of its class.
struct Free {
    next: *mut Free,
}

struct Lists {
    heads: [Cell<*mut Free>; CLASSES],
    reused: Cell<u64>,
    allocated: Cell<u64>,
    held_bytes: Cell<usize>,
}

thread_local! {
    static LISTS: Lists = const {
        Lists {
            heads: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            reused: Cell::new(0),
            allocated: Cell::new(0),
            held_bytes: Cell::new(0),
        }
    };
}

/// Takes a block of `class` whose bytes are all initialised.
#[inline]
pub(crate) fn take(class: Class) -> NonNull<f32> {
    LISTS
        .try_with(|lists| lists.take(class))
        .unwrap_or_else(|_| allocate(class))
}

/// Gives a block back to this thread's lists, or frees it if the thread is ending.
///
/// # Safety
/// The block was taken with the same `class`, all its bytes are initialised, and no other code uses
/// it any more.
#[inline]
pub(crate) unsafe fn give_back(block: NonNull<f32>, class: Class) {
    // SAFETY: forwarded to the caller.
    let kept = LISTS
        .try_with(|lists| unsafe { lists.give_back(block, class) })
        .unwrap_or(false);
    if !kept {
        // SAFETY: every block of a class was allocated with the class's layout.
        unsafe { dealloc(block.as_ptr().cast(), class.layout()) };
    }
}

fn allocate(class: Class) -> NonNull<f32> {
    let layout = class.layout();
    // SAFETY: no class has size 0.
    let raw = unsafe { alloc_zeroed(layout) };
    NonNull::new(raw.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

impl Lists {
    #[inline]
    fn take(&self, class: Class) -> NonNull<f32> {
        let head = &self.heads[usize::from(class.0)];
        let Some(block) = NonNull::new(head.get()) else {
            self.allocated.set(self.allocated.get() + 1);
            return allocate(class);
        };
        // SAFETY: only this code uses a block in a list, and the block begins with a `Free` that
        // `give_back` wrote. Zeroing it replaces the link by numbers, so the whole block consists
        // of initialised `f32`s again.
        unsafe {
            head.set(block.as_ref().next);
            block
                .cast::<[f32; size_of::<Free>() / size_of::<f32>()]>()
                .write([0.0; _]);
        }
        self.reused.set(self.reused.get() + 1);
        self.held_bytes.set(self.held_bytes.get() - class.bytes());
        block.cast()
    }

    /// Returns whether the block was kept.
    ///
    /// # Safety
    /// As [`give_back`].
    #[inline]
    unsafe fn give_back(&self, block: NonNull<f32>, class: Class) -> bool {
        let held = self.held_bytes.get() + class.bytes();
        if held > MAX_HELD_BYTES {
            return false;
        }
        let head = &self.heads[usize::from(class.0)];
        let free = block.cast::<Free>();
        // SAFETY: the caller gives the block up; it is aligned to 64 bytes and at least that large.
        unsafe { free.write(Free { next: head.get() }) };
        head.set(free.as_ptr());
        self.held_bytes.set(held);
        true
    }

    fn release(&self) {
        for (index, head) in (0..).zip(&self.heads) {
            let class = Class(index);
            let mut next = head.replace(ptr::null_mut());
            while let Some(block) = NonNull::new(next) {
                // SAFETY: the list, detached above, has blocks of this class that no other code
                // uses, each beginning with its link.
                unsafe {
                    next = block.as_ref().next;
                    dealloc(block.as_ptr().cast(), class.layout());
                }
            }
        }
        self.held_bytes.set(0);
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_is_asked_for_and_waste_little() {
        for len in (1..5000).chain([1 << 20, (1 << 20) + 1, 50_000_000]) {
            let bytes = len * 4;
            let class = Class::holding(len);
            assert!(
                class.bytes() >= bytes && class.bytes().is_multiple_of(ALIGN),
                "{len}: {}",
                class.bytes()
            );
            assert!(
                class.bytes() < bytes + (bytes / 4).max(2 * ALIGN),
                "{len}: {}",
                class.bytes()
            );
        }
        assert_eq!(Class::holding(512).bytes(), 2048);
        assert_eq!(Class::holding(640).bytes(), 2560);
    }

    #[test]
    fn blocks_come_back() {
        std::thread::spawn(|| {
            let first = Pool::On.zeros(&[512]);
            let address = first.as_slice().as_ptr();
            drop(first);
            assert_eq!(
                stats(),
                Stats {
                    reused: 0,
                    allocated: 1,
                    held_bytes: 2048
                }
            );
            let second = Pool::On.zeros(&[500]);
            assert_eq!(second.as_slice().as_ptr(), address);
            assert_eq!(
                stats(),
                Stats {
                    reused: 1,
                    allocated: 1,
                    held_bytes: 0
                }
            );
            drop(second);
            release();
            assert_eq!(stats().held_bytes, 0);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn pooled_zeros_are_zeros_even_on_used_blocks() {
        for len in [1, 3, 17, 512] {
            Pool::On.scratch(&[len]).as_mut_slice().fill(7.0);
            assert!(Pool::On.zeros(&[len]).as_slice().iter().all(|&v| v == 0.0));
        }
    }

    #[test]
    fn tensor_may_be_dropped_on_another_thread_and_outlive_its_own() {
        let tensor = std::thread::spawn(|| Pool::On.zeros(&[100]))
            .join()
            .unwrap();
        assert_eq!(tensor.as_slice(), [0.0; 100]);
        std::thread::spawn(move || drop(tensor)).join().unwrap();
    }

    #[test]
    fn storage_is_aligned_and_may_be_empty_with_both_policies() {
        for pool in [Pool::On, Pool::Off] {
            for len in [0, 1, 15, 16, 17, 1000] {
                let tensor = pool.zeros(&[len]);
                assert_eq!(tensor.as_slice().len(), len);
                assert_eq!(tensor.as_slice().as_ptr().addr() % ALIGN, 0);
            }
        }
    }
}
