//! Products with a transposed operand, and the backward pass of a product, which consists of two of
//! them.
//!
//! No transpose is ever stored. The micro-kernel reads A one number at a time, so A^T is only
//! another stride. Of B it needs vectors of columns, so panels of B^T are transposed in registers
//! on their way to the first-level cache.

use super::operand::{Left, Out, Right};
use super::product::Product;
use super::{Dims, parallel};

/// Writes `C = A^T B` to `c`, `[m, n]`, where `a` is `[k, m]` and `b` is `[k, n]`, on the calling
/// thread.
///
/// # Panics
/// When a slice does not hold the matrix that `dims` asks for.
pub fn matmul_at_b(a: &[f32], b: &[f32], c: &mut [f32], dims: Dims) {
    at_b(a, b, c, dims).run();
}

/// Writes `C = A B^T` to `c`, `[m, n]`, where `a` is `[m, k]` and `b` is `[n, k]`, on the calling
/// thread.
///
/// # Panics
/// When a slice does not hold the matrix that `dims` asks for.
pub fn matmul_a_bt(a: &[f32], b: &[f32], c: &mut [f32], dims: Dims) {
    a_bt(a, b, c, dims).run();
}

/// Destination of the gradients of the operands.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// `dA`, shaped as A, `[m, k]`.
    pub a: &'a mut [f32],
    /// `dB`, shaped as B, `[k, n]`.
    pub b: &'a mut [f32],
}

/// Writes the gradients of `C = A B`, given `dc`, that of C, `[m, n]`: `dA = dC B^T` and `dB = A^T
/// dC`.
///
/// `a` is `[m, k]`, `b` is `[k, n]`, and `dims` are those of the forward product. The gradients are
/// overwritten, not accumulated.
///
/// # Panics
/// When a slice does not hold the matrix that `dims` asks for.
pub fn matmul_backward(a: &[f32], b: &[f32], dc: &[f32], gradients: Gradients<'_>, dims: Dims) {
    let Dims { m, k, n } = dims;
    matmul_a_bt(dc, b, gradients.a, Dims { m, k: n, n: k });
    matmul_at_b(a, dc, gradients.b, Dims { m: k, k: m, n });
}

/// Writes the gradients as [`matmul_backward`], on the threads of the current rayon pool.
///
/// # Panics
/// As [`matmul_backward`].
pub fn matmul_backward_parallel(
    a: &[f32],
    b: &[f32],
    dc: &[f32],
    gradients: Gradients<'_>,
    dims: Dims,
) {
    let Dims { m, k, n } = dims;
    parallel::matmul_a_bt_parallel(dc, b, gradients.a, Dims { m, k: n, n: k });
    parallel::matmul_at_b_parallel(a, dc, gradients.b, Dims { m: k, k: m, n });
}

#[track_caller]
pub(super) fn at_b<'a>(a: &'a [f32], b: &'a [f32], c: &'a mut [f32], dims: Dims) -> Product<'a> {
    dims.check(a, b, c);
    Product::new(
        Left::transposed(a, dims.m),
        Right::rows(b, dims.n),
        Out::rows(c, dims.n),
        dims,
    )
}

#[track_caller]
pub(super) fn a_bt<'a>(a: &'a [f32], b: &'a [f32], c: &'a mut [f32], dims: Dims) -> Product<'a> {
    dims.check(a, b, c);
    Product::new(
        Left::rows(a, dims.k),
        Right::transposed(b, dims.k),
        Out::rows(c, dims.n),
        dims,
    )
}
