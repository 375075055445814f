//! The micro-kernel: a tile of C, held in registers, is the product of a few rows of A and a few
//! vectors of B.

use super::operand::{Left, Out};
use crate::simd::{F32s, LANES};

/// Rows of the main tile. With [`COLS`] vectors of columns it fills the register file: AVX-512 has
/// 32 registers (16 sums, 2 of B, 1 of A; eight rows because m is so often a multiple of 8), AVX2
/// and SSE have 16 (12, 2, 1).
pub(super) const ROWS: usize = if LANES == 16 { 8 } else { 6 };

/// Vectors in a row of the main tile.
pub(super) const COLS: usize = 2;

/// Sums that a tile of fewer rows may hold: enough to hide the latency of an addition, few enough
/// for the registers.
pub(super) const MOST_SUMS: usize = if LANES == 16 { 16 } else { 8 };

/// Contents of the tile of C before the product is added.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing: the product overwrites it.
    Zero,
    /// The product over the columns of A before these. Continuing from it keeps the order of
    /// summation, and with it the last bit, independent of how k is cut.
    Sum,
}

/// Rows of B, each a run of `C` vectors, `row` numbers apart.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub ptr: *const f32,
    pub row: usize,
}

/// Steps of k during which pointers stay fixed and numbers of A lie at constant distances from
/// them. With 16 registers, more than four steps make the compiler load ahead until sums are
/// spilled (a third slower).
const UNROLL: usize = if LANES == 16 { 8 } else { 4 };

/// Computes `c[0..R, 0..C * LANES] (+)= a[0..R, 0..k] b[0..k, 0..C * LANES]`.
///
/// # Safety
/// These parts of `a` and `b` can be read and that of `c` read and written, and no other code uses
/// the latter.
#[inline(always)]
pub(super) unsafe fn tile<const R: usize, const C: usize>(
    k: usize,
    a: Left<'_>,
    b: Panel,
    c: &Out<'_>,
    start: Start,
) {
    // SAFETY: forwarded to the caller.
    unsafe { general::<R, C, false>(k, a, b, c, start, std::ptr::null_mut()) }
}

/// Computes a tile as [`tile`] and copies its part of B, row by row without gaps, to `to`.
///
/// The copy costs next to nothing, because its loads are needed anyway and its stores use a part of
/// the processor that is idle here.
///
/// # Safety
/// As [`tile`], and `k * C * LANES` numbers can be written at `to`.
#[inline(always)]
pub(super) unsafe fn tile_and_copy<const R: usize, const C: usize>(
    k: usize,
    a: Left<'_>,
    b: Panel,
    c: &Out<'_>,
    start: Start,
    to: *mut f32,
) {
    // SAFETY: forwarded to the caller.
    unsafe { general::<R, C, true>(k, a, b, c, start, to) }
}

/// # Safety
/// As [`tile`], or with `COPY` as [`tile_and_copy`].
#[inline(always)]
unsafe fn general<const R: usize, const C: usize, const COPY: bool>(
    k: usize,
    a: Left<'_>,
    b: Panel,
    c: &Out<'_>,
    start: Start,
    to: *mut f32,
) {
    // SAFETY: the caller vouches for every row i < R and vector v < C of `c`.
    unsafe {
        let place = |i: usize, v: usize| c.ptr.add(i * c.row + v * LANES).cast::<F32s>();
        let mut sums = [[F32s::splat(0.0); C]; R];
        if start == Start::Sum {
            for (i, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = place(i, v).read_unaligned();
                }
            }
        }
        // If the compiler knows the distance to be 1, it needs one address for many numbers of A.
        if a.col == 1 {
            sums = accumulate::<R, C, COPY>(k, Left { col: 1, ..a }, b, sums, to);
        } else {
            sums = accumulate::<R, C, COPY>(k, Left { row: 1, ..a }, b, sums, to);
        }
        // By reference, because moving an array of vectors goes through memory.
        for (i, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                place(i, v).write_unaligned(*sum);
            }
        }
    }
}

/// Adds `a[0..R, 0..k] b[0..k, 0..C * LANES]` to `sums`.
///
/// # Safety
/// As [`general`].
#[inline(always)]
unsafe fn accumulate<const R: usize, const C: usize, const COPY: bool>(
    k: usize,
    a: Left<'_>,
    b: Panel,
    mut sums: [[F32s; C]; R],
    mut to: *mut f32,
) -> [[F32s; C]; R] {
    let mut a_ptr = a.ptr;
    let mut b_ptr = b.ptr;
    let mut step = |a_ptr: *const f32, b_ptr: *const f32, sums: &mut [[F32s; C]; R]| {
        // SAFETY: called for each p below k; R rows and C vectors there, and C vectors at `to`, are
        // the caller's promise.
        unsafe {
            let b: [F32s; C] =
                std::array::from_fn(|v| b_ptr.add(v * LANES).cast::<F32s>().read_unaligned());
            if COPY {
                for (v, &b) in b.iter().enumerate() {
                    to.add(v * LANES).cast::<F32s>().write_unaligned(b);
                }
                to = to.wrapping_add(C * LANES);
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let a = F32s::splat(*a_ptr.add(i * a.row));
                for (sum, b) in sums.iter_mut().zip(&b) {
                    *sum = a.mul_add(*b, *sum);
                }
            }
        }
    };
    for _ in 0..k / UNROLL {
        for u in 0..UNROLL {
            step(
                a_ptr.wrapping_add(u * a.col),
                b_ptr.wrapping_add(u * b.row),
                &mut sums,
            );
        }
        a_ptr = a_ptr.wrapping_add(UNROLL * a.col);
        b_ptr = b_ptr.wrapping_add(UNROLL * b.row);
    }
    for u in 0..k % UNROLL {
        step(
            a_ptr.wrapping_add(u * a.col),
            b_ptr.wrapping_add(u * b.row),
            &mut sums,
        );
    }
    sums
}
