//! Products on many threads: C is cut into parts of equal work, one for each thread of the current
//! rayon pool.
//!
//! Call these functions inside a pool (`pool.install(..)`). Outside of it, each call first wakes a
//! thread of the global pool, which costs more than a product of two 64 x 64 matrices. k is never
//! split, so a result does not depend on the number of threads.

use super::micro::{COLS, ROWS};
use super::product::Product;
use super::{Dims, backward, plain};
use crate::simd::LANES;

/// Multiplies and additions below which another thread is not worth waking: a few microseconds of
/// one thread.
const LEAST_FLOPS: u64 = 400_000;

/// Writes the product of `a`, `[m, k]`, and `b`, `[k, n]`, to `c`, `[m, n]`, on the threads of the
/// current rayon pool.
///
/// # Panics
/// When a slice does not hold the matrix that `dims` asks for.
pub fn matmul_parallel(a: &[f32], b: &[f32], c: &mut [f32], dims: Dims) {
    fork(plain(a, b, c, dims));
}

/// Writes `A^T B` to `c` as [`matmul_at_b`](super::matmul_at_b), on the threads of the current
/// rayon pool.
///
/// # Panics
/// As [`matmul_parallel`].
pub fn matmul_at_b_parallel(a: &[f32], b: &[f32], c: &mut [f32], dims: Dims) {
    fork(backward::at_b(a, b, c, dims));
}

/// Writes `A B^T` to `c` as [`matmul_a_bt`](super::matmul_a_bt), on the threads of the current
/// rayon pool.
///
/// # Panics
/// As [`matmul_parallel`].
pub fn matmul_a_bt_parallel(a: &[f32], b: &[f32], c: &mut [f32], dims: Dims) {
    fork(backward::a_bt(a, b, c, dims));
}

fn fork(product: Product<'_>) {
    let worth = usize::try_from(product.dims.flops() / LEAST_FLOPS).unwrap_or(usize::MAX);
    divide(product, rayon::current_num_threads().min(worth));
}

/// Runs `product` in `parts` parts of nearly equal work.
fn divide(product: Product<'_>, parts: usize) {
    if parts < 2 {
        return product.run();
    }
    let first = parts / 2;
    let cut = cut(&product, first, parts);
    let (left, right) = match cut {
        Cut::Row(i) => product.split_rows(i),
        Cut::Column(j) => product.split_columns(j),
        Cut::Nowhere => return product.run(),
    };
    rayon::join(|| divide(left, first), || divide(right, parts - first));
}

/// Place at which C is cut.
enum Cut {
    Row(usize),
    Column(usize),
    Nowhere,
}

/// Chooses the place at which `first` of `parts` parts are on one side, between whole tiles. Rows
/// are cut if each part gets some tiles: a part then reads all of B, but only its share of A and
/// C. A transposed B would be transposed for each part, which costs more than the product if there
/// are few rows; in that case columns are cut.
fn cut(product: &Product<'_>, first: usize, parts: usize) -> Cut {
    let dims = product.dims;
    let at = |len: usize, unit: usize| {
        let units = len / unit;
        let place = (units * first + parts / 2) / parts * unit;
        (place > 0 && place < len).then_some(place)
    };
    let by_rows = dims.m >= 2 * ROWS * parts && (product.b.is_by_rows() || dims.m >= dims.n);
    let rows = at(dims.m, ROWS).filter(|_| by_rows);
    rows.map(Cut::Row)
        .or_else(|| at(dims.n, COLS * LANES).map(Cut::Column))
        .or_else(|| at(dims.m, ROWS).map(Cut::Row))
        .unwrap_or(Cut::Nowhere)
}
