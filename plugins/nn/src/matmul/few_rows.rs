//! Products with fewer rows than the main tile: tiles of 4, 2 and 1 rows, which are correspondingly
//! wider.
//!
//! With one row (a vector-matrix product), all time goes into reading B once, and a tile of eight
//! vectors keeps eight independent chains of additions busy. Nothing is packed: B would be read to
//! be copied and then read again.

use super::Dims;
use super::micro::{MOST_SUMS, Panel, Start, tile};
use super::operand::{Left, Out};
use super::product::Product;
use crate::simd::LANES;

/// Computes C.
///
/// # Safety
/// As [`tile`], for the whole of A, B and C; B lies by rows, and n is at least `LANES`.
pub(super) unsafe fn run(product: &Product<'_>) {
    let m = product.dims.m;
    let mut i = 0;
    // SAFETY: each group's rows lie below m.
    unsafe {
        while i + 4 <= m {
            group::<4>(product, i);
            i += 4;
        }
        if i + 2 <= m {
            group::<2>(product, i);
            i += 2;
        }
        if i < m {
            group::<1>(product, i);
        }
    }
}

/// Computes `R` rows of C from row `i` on, in tiles as wide as the number of sums allows, and an
/// overlapping last one.
///
/// # Safety
/// As [`run`], for these rows.
unsafe fn group<const R: usize>(product: &Product<'_>, i: usize) {
    let Dims { k, n, .. } = product.dims;
    let a = product.a.at(i, 0);
    let mut j = 0;
    // SAFETY: every tile lies inside the n columns.
    unsafe {
        let run = |j: usize, tile: Tile| {
            let b = product.b.at(0, j);
            tile(
                k,
                a,
                Panel {
                    ptr: b.ptr,
                    row: b.row,
                },
                &product.c.at(i, j),
                Start::Zero,
            );
        };
        if R * 8 <= MOST_SUMS {
            while j + 8 * LANES <= n {
                run(j, tile::<R, 8>);
                j += 8 * LANES;
            }
        }
        if R * 4 <= MOST_SUMS {
            while j + 4 * LANES <= n {
                run(j, tile::<R, 4>);
                j += 4 * LANES;
            }
        }
        while j + 2 * LANES <= n {
            run(j, tile::<R, 2>);
            j += 2 * LANES;
        }
        if j + LANES <= n {
            run(j, tile::<R, 1>);
            j += LANES;
        }
        if j < n {
            run(n - LANES, tile::<R, 1>);
        }
    }
}

type Tile = unsafe fn(usize, Left<'_>, Panel, &Out<'_>, Start);
