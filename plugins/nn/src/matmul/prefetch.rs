//! Prefetching of the next panel of B during the work on the present one.
//!
//! The rows of a panel lie too far apart for the processor to predict them, and the first tile of a
//! panel reads all of it at once. Without prefetching, a product whose matrices exceed the
//! second-level cache waits there (5 % of the time of 512 x 512 x 512 if that cache holds 2 MB).

use super::operand::Right;
use crate::simd::LANES;

/// The part that has not been prefetched yet.
pub(super) struct Ahead {
    ptr: *const f32,
    row: usize,
    rows_per_tile: usize,
}

impl Ahead {
    /// Nothing to prefetch.
    pub const NOTHING: Self = Self {
        ptr: std::ptr::null(),
        row: 0,
        rows_per_tile: 0,
    };

    /// Prefetches `rows_per_tile` rows of `next` each time. The rows need not exist: prefetching an
    /// invalid address has no effect.
    pub fn new(next: Right<'_>, rows_per_tile: usize) -> Self {
        Self {
            ptr: next.ptr,
            row: next.row,
            rows_per_tile,
        }
    }

    /// Prefetches the next few rows of `V` vectors.
    #[inline(always)]
    pub fn ask<const V: usize>(&mut self) {
        for _ in 0..self.rows_per_tile {
            for v in 0..V {
                prefetch(self.ptr.wrapping_add(v * LANES));
            }
            self.ptr = self.ptr.wrapping_add(self.row);
        }
    }
}

/// Prefetches one cache line into the second-level cache; the first level is full of data in use.
#[inline(always)]
fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch is a hint; no address makes it fault, and it changes nothing that can
        // be observed.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
