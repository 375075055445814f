//! A product of two operands on one thread, and the choice of the kernel for each part of C.

use super::Dims;
use super::micro::{COLS, Panel, ROWS, Start, tile, tile_and_copy};
use super::operand::{Left, Out, Right};
use super::pack::{BLOCK, Room};
use super::prefetch::Ahead;
use super::{dot, few_rows};
use crate::simd::LANES;

/// `C[m, n] = A[m, k] B[k, n]`, in any memory layout.
pub(super) struct Product<'a> {
    pub a: Left<'a>,
    pub b: Right<'a>,
    pub c: Out<'a>,
    pub dims: Dims,
    order: Order,
}

/// Order in which the terms of a sum are added. It is chosen for the whole product: if each part
/// chose for itself, the last bit could differ, and results would depend on the number of threads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// One after the other, in tiles of C.
    Tiles,
    /// In vectors along k, if both operands are contiguous in that direction.
    Dots,
}

// SAFETY: a product holds shared references to its operands and the only reference to its result,
// of plain numbers.
unsafe impl Send for Product<'_> {}

/// Columns of the main tile.
const WIDTH: usize = COLS * LANES;

impl<'a> Product<'a> {
    /// Creates a product. The caller has checked that the operands have the size that `dims`
    /// requires.
    pub fn new(a: Left<'a>, b: Right<'a>, c: Out<'a>, dims: Dims) -> Self {
        let Dims { m, n, .. } = dims;
        // Few rows do not justify the transposition of B, and a column would leave all lanes but
        // one empty.
        let dots = a.col == 1 && ((m < ROWS && !b.is_by_rows()) || (n == 1 && b.row == 1));
        Self {
            a,
            b,
            c,
            dims,
            order: if dots { Order::Dots } else { Order::Tiles },
        }
    }

    /// Computes C.
    pub fn run(self) {
        let Dims { m, n, .. } = self.dims;
        if m == 0 || n == 0 {
            return;
        }
        // SAFETY: the operands hold [m, k], [k, n] and [m, n] numbers as their constructors and
        // `split` leave them, and `self` has the only access to C. The functions' further
        // conditions are those of the branches.
        unsafe {
            if self.order == Order::Dots {
                dot::run(&self);
            } else if m < ROWS && self.b.is_by_rows() && n >= LANES {
                few_rows::run(&self);
            } else {
                self.by_blocks();
            }
        }
    }

    /// Cuts C and A in two above row `i`, which is inside.
    pub fn split_rows(self, i: usize) -> (Self, Self) {
        let Dims { m, .. } = self.dims;
        assert!(i <= m, "row {i} of {m}");
        let lower = Self {
            a: self.a.at(i, 0),
            b: self.b,
            c: self.c.at(i, 0),
            dims: Dims {
                m: m - i,
                ..self.dims
            },
            order: self.order,
        };
        (
            Self {
                dims: Dims { m: i, ..self.dims },
                ..self
            },
            lower,
        )
    }

    /// Cuts C and B in two before column `j`, which is inside.
    pub fn split_columns(self, j: usize) -> (Self, Self) {
        let Dims { n, .. } = self.dims;
        assert!(j <= n, "column {j} of {n}");
        let right = Self {
            a: self.a,
            b: self.b.at(0, j),
            c: self.c.at(0, j),
            dims: Dims {
                n: n - j,
                ..self.dims
            },
            order: self.order,
        };
        (
            Self {
                dims: Dims { n: j, ..self.dims },
                ..self
            },
            right,
        )
    }

    /// Cuts the rows into blocks, so that A's part of a block stays in the second-level cache
    /// during a pass over all of B.
    ///
    /// # Safety
    /// As [`tile`], for the whole of A, B and C.
    unsafe fn by_blocks(mut self) {
        let Dims { k, .. } = self.dims;
        let height = (BLOCK_NUMBERS / k.max(1))
            .next_multiple_of(ROWS)
            .max(LEAST_HEIGHT);
        while self.dims.m >= height + ROWS {
            let (upper, lower) = self.split_rows(height);
            // SAFETY: forwarded to the caller.
            unsafe { upper.by_panels(k) };
            self = lower;
        }
        // SAFETY: as above.
        unsafe { self.by_panels(k) };
    }

    /// Walks the columns in panels of one tile's width. What is left over on the right is covered
    /// by a panel that overlaps the one before (a sum computed twice is cheaper than one computed
    /// without vectors).
    ///
    /// # Safety
    /// As [`tile`], for the whole of A, B and C; k is that of the dimensions.
    unsafe fn by_panels(&self, k: usize) {
        let n = self.dims.n;
        let mut room = Room::new();
        // SAFETY: every panel lies inside the n columns.
        unsafe {
            if n < LANES {
                return self.narrow(k, &mut room);
            }
            let mut j = 0;
            while j + WIDTH <= n {
                self.panel::<COLS>(j, &mut room);
                j += WIDTH;
            }
            if n - j > LANES {
                if n >= WIDTH {
                    self.panel::<COLS>(n - WIDTH, &mut room);
                } else {
                    self.panel::<1>(0, &mut room);
                    self.panel::<1>(n - LANES, &mut room);
                }
            } else if n > j {
                self.panel::<1>(n - LANES, &mut room);
            }
        }
    }

    /// Whether the panel's rows are read by every tile directly from B.
    ///
    /// They are not if they lie so far apart that they compete for the same places in the cache, or
    /// if each vector begins inside a cache line.
    fn reads_b_in_place(&self) -> bool {
        let row = self.b.row;
        let aligned =
            self.b.ptr.addr().is_multiple_of(64) && (row * size_of::<f32>()).is_multiple_of(64);
        self.dims.m < 8 * ROWS || (aligned && row < FAR_APART)
    }

    /// Computes `V * LANES` columns of C from column `j` on.
    ///
    /// # Safety
    /// As [`tile`], for all rows and these columns.
    unsafe fn panel<const V: usize>(&self, j: usize, room: &mut Room) {
        let Dims { m, k, .. } = self.dims;
        let in_place = self.reads_b_in_place();
        let mut p = 0;
        // At least once: with k = 0 the product is 0 and must be written.
        loop {
            let depth = BLOCK.min(k - p);
            let start = if p == 0 { Start::Zero } else { Start::Sum };
            let (a, b, c) = (self.a.at(0, p), self.b.at(p, j), self.c.at(0, j));
            // SAFETY: rows p..p + depth are below k, and the caller vouches for the columns; depth
            // fits the room, and without `in_place` there are more rows than in one tile.
            unsafe {
                let panel = Panel {
                    ptr: b.ptr,
                    row: b.row,
                };
                if !b.is_by_rows() {
                    rows::<V>(
                        m,
                        depth,
                        a,
                        room.pack::<V>(b, depth, V * LANES),
                        &c,
                        start,
                        Ahead::NOTHING,
                    );
                } else if in_place {
                    rows::<V>(m, depth, a, panel, &c, start, Ahead::NOTHING);
                } else {
                    let copy = room.panel::<V>();
                    first_rows::<V>(depth, a, panel, &c, start, room.start());
                    let next = if p + depth < k {
                        self.b.at(p + depth, j)
                    } else {
                        self.b.at(0, j + V * LANES)
                    };
                    let ahead = Ahead::new(next, depth.div_ceil(m / ROWS - 1));
                    rows::<V>(
                        m - ROWS,
                        depth,
                        a.at(ROWS, 0),
                        copy,
                        &c.at(ROWS, 0),
                        start,
                        ahead,
                    );
                }
            }
            p += depth;
            if p == k {
                return;
            }
        }
    }

    /// Computes a C that is narrower than a vector: B is widened with zeros, and tiles of C pass
    /// through the stack.
    ///
    /// # Safety
    /// As [`tile`], for the whole of A, B and C; n is less than `LANES`.
    unsafe fn narrow(&self, k: usize, room: &mut Room) {
        let Dims { m, n, .. } = self.dims;
        let mut wide = [0.0_f32; ROWS * LANES];
        let mut p = 0;
        loop {
            let depth = BLOCK.min(k - p);
            let start = if p == 0 { Start::Zero } else { Start::Sum };
            // SAFETY: rows p..p + depth are below k, and n is less than one vector.
            let panel = unsafe { room.pack::<1>(self.b.at(p, 0), depth, n) };
            for i in (0..m).step_by(ROWS) {
                let height = ROWS.min(m - i);
                let c = |r: usize, j: usize| self.c.at(i + r, j).ptr;
                // SAFETY: rows i..i + height are below m; the tile on the stack has room for them.
                unsafe {
                    if p > 0 {
                        for_each(height, n, |r, j| wide[r * LANES + j] = *c(r, j));
                    }
                    rows::<1>(
                        height,
                        depth,
                        self.a.at(i, p),
                        panel,
                        &Out::rows(&mut wide, LANES),
                        start,
                        Ahead::NOTHING,
                    );
                    for_each(height, n, |r, j| *c(r, j) = wide[r * LANES + j]);
                }
            }
            p += depth;
            if p == k {
                return;
            }
        }
    }
}

fn for_each(rows: usize, cols: usize, mut f: impl FnMut(usize, usize)) {
    (0..rows).for_each(|r| (0..cols).for_each(|j| f(r, j)));
}

/// Numbers of A in a block of rows.
const BLOCK_NUMBERS: usize = 256 * 1024;

/// Minimum number of rows of a block, because each block reads, and may copy, all of B.
const LEAST_HEIGHT: usize = 16 * ROWS;

/// Distance between rows of B, in numbers, from which a panel is copied before it is read
/// repeatedly.
const FAR_APART: usize = 128;

/// Computes `V` vectors of columns of the first [`ROWS`] rows and leaves a copy of the panel for
/// the other rows.
///
/// # Safety
/// As [`tile_and_copy`].
#[inline(never)]
unsafe fn first_rows<const V: usize>(
    k: usize,
    a: Left<'_>,
    b: Panel,
    c: &Out<'_>,
    start: Start,
    to: *mut f32,
) {
    // SAFETY: forwarded to the caller.
    unsafe { tile_and_copy::<ROWS, V>(k, a, b, c, start, to) };
}

/// Computes `V` vectors of columns of all `m` rows: tiles of [`ROWS`] rows, then of 4, 2 and 1.
///
/// # Safety
/// As [`tile`], for m rows.
#[inline(never)]
unsafe fn rows<const V: usize>(
    m: usize,
    k: usize,
    a: Left<'_>,
    b: Panel,
    c: &Out<'_>,
    start: Start,
    mut ahead: Ahead,
) {
    let mut i = 0;
    // SAFETY: each tile's rows lie below m.
    unsafe {
        while i + ROWS <= m {
            ahead.ask::<V>();
            tile::<ROWS, V>(k, a.at(i, 0), b, &c.at(i, 0), start);
            i += ROWS;
        }
        if i + 4 <= m {
            tile::<4, V>(k, a.at(i, 0), b, &c.at(i, 0), start);
            i += 4;
        }
        if i + 2 <= m {
            tile::<2, V>(k, a.at(i, 0), b, &c.at(i, 0), start);
            i += 2;
        }
        if i < m {
            tile::<1, V>(k, a.at(i, 0), b, &c.at(i, 0), start);
        }
    }
}
