//! Products whose sums run along contiguous memory in both operands: a few rows times a transpose,
//! and a single column.

use super::Dims;
use super::operand::Left;
use super::product::Product;
use crate::simd::{F32s, LANES};

/// Columns that share the loads of a row.
const GROUP: usize = 4;

/// Computes C: row by row, or a single column as a row times the transpose of A.
///
/// # Safety
/// The operands hold [m, k], [k, n] and [m, n] numbers, A lies by rows, B by columns (one column
/// may be declared as rows of one number, which is the same), and no other code uses C.
pub(super) unsafe fn run(product: &Product<'_>) {
    let Dims { m, k, n } = product.dims;
    let (a, b, c) = (product.a, product.b, &product.c);
    // SAFETY: rows below m, columns below n.
    unsafe {
        if n == 1 {
            return across(b.ptr, a, m, k, |i, sum| *c.at(i, 0).ptr = sum);
        }
        for i in 0..m {
            across(a.at(i, 0).ptr, b.transpose(), n, k, |j, sum| {
                *c.at(i, j).ptr = sum
            });
        }
    }
}

/// Calls `write` with `j` and the inner product of `x` with row `j` of `rows`, for each of `n` rows
/// of `k` numbers.
///
/// # Safety
/// `x` and the rows can be read.
unsafe fn across(
    x: *const f32,
    rows: Left<'_>,
    n: usize,
    k: usize,
    mut write: impl FnMut(usize, f32),
) {
    let mut j = 0;
    // SAFETY: rows below n.
    unsafe {
        while j + GROUP <= n {
            for (i, sum) in dots::<GROUP>(x, rows.at(j, 0), k).into_iter().enumerate() {
                write(j + i, sum);
            }
            j += GROUP;
        }
        while j < n {
            write(j, dots::<1>(x, rows.at(j, 0), k)[0]);
            j += 1;
        }
    }
}

/// Inner products of `x` with `N` rows, in two chains for each row: eight in all for a whole group.
///
/// # Safety
/// `x` and the rows hold k numbers that can be read.
#[inline(always)]
unsafe fn dots<const N: usize>(x: *const f32, rows: Left<'_>, k: usize) -> [f32; N] {
    let mut sums = [[F32s::splat(0.0); 2]; N];
    let mut p = 0;
    // SAFETY: vectors end at or before k.
    unsafe {
        let load = |from: *const f32, p: usize| from.add(p).cast::<F32s>().read_unaligned();
        while p + 2 * LANES <= k {
            for chain in 0..2 {
                let x = load(x, p + chain * LANES);
                for (j, sums) in sums.iter_mut().enumerate() {
                    sums[chain] =
                        x.mul_add(load(rows.at(j, 0).ptr, p + chain * LANES), sums[chain]);
                }
            }
            p += 2 * LANES;
        }
        if p + LANES <= k {
            for (j, sums) in sums.iter_mut().enumerate() {
                sums[0] = load(x, p).mul_add(load(rows.at(j, 0).ptr, p), sums[0]);
            }
            p += LANES;
        }
        std::array::from_fn(|j| {
            let rest = (p..k).fold(0.0, |sum, p| sum + *x.add(p) * *rows.at(j, p).ptr);
            (sums[j][0] + sums[j][1]).reduce_add() + rest
        })
    }
}
