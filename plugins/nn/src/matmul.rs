//! Matrix products `C[m, n] = A[m, k] B[k, n]`, row-major, with any dimensions, 0 and 1 included.
//!
//! The ladder, simplest first:
//! 1. [`reference`](reference()): three loops, accumulating in `f64`.
//! 2. [`matmul`]: a register-blocked micro-kernel keeps a tile of C in vector registers while it
//!    runs down k. Columns of B are walked in panels as wide as the tile, k in blocks short enough
//!    that a panel stays in the first-level cache while all rows of A pass by. Few rows get kernels
//!    with few rows and many columns; one row is a vector-matrix product of eight independent
//!    accumulators.
//! 3. [`matmul_parallel`]: the same, with C split among the threads of the current rayon pool.
//!
//! [`Prepacked`] is for a B that is multiplied again and again: it is copied once, in the order in
//! which it is read. [`matmul_parts`] multiplies matrices that lie inside larger ones.
//!
//! [`matmul_at_b`] and [`matmul_a_bt`] multiply by a transpose without making one;
//! [`matmul_backward`] is made of them. Results of one build have the same bits on any number of
//! threads: a thread gets rows or columns of C, never a part of a sum. Between builds the last bits
//! differ, because multiply-adds are fused only where the target has them.

mod backward;
mod dot;
mod few_rows;
mod micro;
mod operand;
mod pack;
mod parallel;
mod prefetch;
mod prepacked;
mod product;
mod strided;
#[cfg(test)]
mod tests;

pub use backward::{
    Gradients, matmul_a_bt, matmul_at_b, matmul_backward, matmul_backward_parallel,
};
pub use parallel::{matmul_a_bt_parallel, matmul_at_b_parallel, matmul_parallel};
pub use prepacked::Prepacked;
pub use strided::{Part, PartMut, matmul_parts};

use operand::{Left, Out, Right};
use product::Product;

/// The dimensions of a product `C[m, n] = A[m, k] B[k, n]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of A and rows of B: the dimension that is summed over.
    pub k: usize,
    /// Columns of B and C.
    pub n: usize,
}

impl Dims {
    /// Returns the floating-point operations of the product: a multiplication and an addition for
    /// each of `m k n`.
    pub const fn flops(self) -> u64 {
        2 * self.m as u64 * self.k as u64 * self.n as u64
    }

    /// Panics unless the slices hold exactly the matrices.
    #[track_caller]
    fn check(self, a: &[f32], b: &[f32], c: &[f32]) {
        let Self { m, k, n } = self;
        for (name, len, rows, cols) in [
            ("A", a.len(), m, k),
            ("B", b.len(), k, n),
            ("C", c.len(), m, n),
        ] {
            assert!(
                rows.checked_mul(cols) == Some(len),
                "{name} holds {len} numbers, [{rows}, {cols}] was asked for"
            );
        }
    }
}

/// Writes the product of `a`, `[m, k]`, and `b`, `[k, n]`, to `c`, `[m, n]`, on the calling thread.
///
/// Allocates nothing. Fastest when the slices are aligned to 64 bytes and k and n are multiples of
/// 16.
///
/// # Panics
/// When a slice does not hold the matrix that `dims` asks for.
pub fn matmul(a: &[f32], b: &[f32], c: &mut [f32], dims: Dims) {
    plain(a, b, c, dims).run();
}

/// Writes the product of `a` and `b` to `c`, as [`matmul`], by the formula `c[i, j] = sum over p of
/// a[i, p] b[p, j]` in `f64`.
///
/// # Panics
/// As [`matmul`].
pub fn reference(a: &[f32], b: &[f32], c: &mut [f32], dims: Dims) {
    dims.check(a, b, c);
    let Dims { m, k, n } = dims;
    for i in 0..m {
        for j in 0..n {
            let sum: f64 = (0..k)
                .map(|p| f64::from(a[i * k + p]) * f64::from(b[p * n + j]))
                .sum();
            c[i * n + j] = sum as f32;
        }
    }
}

/// Returns the product of matrices that are stored by rows.
#[track_caller]
fn plain<'a>(a: &'a [f32], b: &'a [f32], c: &'a mut [f32], dims: Dims) -> Product<'a> {
    dims.check(a, b, c);
    Product::new(
        Left::rows(a, dims.k),
        Right::rows(b, dims.n),
        Out::rows(c, dims.n),
        dims,
    )
}
