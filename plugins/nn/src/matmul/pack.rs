//! Copies of panels of B in the form that suits the micro-kernel: contiguous, aligned, and by rows
//! even if B is transposed.

use std::mem::MaybeUninit;

use super::micro::{COLS, Panel};
use super::operand::Right;
use crate::simd::LANES;

/// Rows in a block of B: a panel of this height (32 KiB with AVX-512) and the rows of A that pass
/// by share the first-level cache.
pub(super) const BLOCK: usize = 256;

/// Space for one panel, on the stack: packing needs no allocation, and nothing is cleared that will
/// be overwritten.
#[repr(C, align(64))]
pub(super) struct Room([MaybeUninit<f32>; BLOCK * COLS * LANES]);

impl Room {
    #[inline(always)]
    pub fn new() -> Self {
        Self([MaybeUninit::uninit(); _])
    }

    /// Returns the begin of the panel.
    pub fn start(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }

    /// Returns the panel of rows of `V` vectors that was written from the start on.
    pub fn panel<const V: usize>(&self) -> Panel {
        Panel {
            ptr: self.0.as_ptr().cast(),
            row: V * LANES,
        }
    }

    /// Copies `b[0..k, 0..cols]` to rows of `V` vectors, and sets the columns beyond `cols` to 0.
    ///
    /// # Safety
    /// This part of `b` can be read, and lies by columns if it fills the width; `k` is at most
    /// [`BLOCK`], `V` at most [`COLS`] and `cols` at most `V * LANES`.
    pub unsafe fn pack<const V: usize>(&mut self, b: Right<'_>, k: usize, cols: usize) -> Panel {
        let width = V * LANES;
        debug_assert!(k <= BLOCK && V <= COLS && cols <= width);
        let to = self.start();
        // SAFETY: `k * width` numbers fit in the room, and the caller promises that `b` can be
        // read.
        unsafe {
            if cols < width {
                copy_few_columns(b, k, cols, to, width);
            } else {
                transpose::<V>(b, k, to);
            }
        }
        self.panel::<V>()
    }
}

/// # Safety
/// `b[0..k, 0..cols]` can be read, and `k` rows of `width` numbers can be written at `to`.
unsafe fn copy_few_columns(b: Right<'_>, k: usize, cols: usize, to: *mut f32, width: usize) {
    for p in 0..k {
        for j in 0..width {
            // SAFETY: p < k, and `b` is read at columns below `cols` only.
            unsafe {
                *to.add(p * width + j) = if j < cols {
                    *b.ptr.add(p * b.row + j * b.col)
                } else {
                    0.0
                }
            };
        }
    }
}

/// Side of the square blocks that are transposed in registers.
const SIDE: usize = if LANES >= 8 { 8 } else { 4 };

#[cfg(not(target_feature = "avx"))]
use wide::f32x4 as Side;
#[cfg(target_feature = "avx")]
use wide::f32x8 as Side;

/// Transposes by squares in registers: reading columns number by number would touch a cache line
/// for each.
///
/// # Safety
/// `b[0..k, 0..V * LANES]` can be read and lies by columns, and as many numbers can be written at
/// `to`.
unsafe fn transpose<const V: usize>(b: Right<'_>, k: usize, to: *mut f32) {
    let width = V * LANES;
    for p in (0..k - k % SIDE).step_by(SIDE) {
        for j in (0..width).step_by(SIDE) {
            // SAFETY: rows p..p + SIDE are below k, columns j..j + SIDE below the width, a multiple
            // of SIDE.
            unsafe {
                let columns: [Side; SIDE] = std::array::from_fn(|i| {
                    b.ptr
                        .add(p + (j + i) * b.col)
                        .cast::<Side>()
                        .read_unaligned()
                });
                for (i, row) in Side::transpose(columns).into_iter().enumerate() {
                    to.add((p + i) * width + j)
                        .cast::<Side>()
                        .write_unaligned(row);
                }
            }
        }
    }
    for p in k - k % SIDE..k {
        for j in 0..width {
            // SAFETY: p < k and j is below the width.
            unsafe { *to.add(p * width + j) = *b.ptr.add(p + j * b.col) };
        }
    }
}
