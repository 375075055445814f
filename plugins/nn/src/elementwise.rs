//! Elementwise sums and products: of slices of one length, and of a matrix with a row.
//!
//! These kernels are bound by memory: two loads and a store for one operation. The forms that write
//! to a given slice or in place exist because an allocation for each result costs more than the
//! arithmetic.

use crate::shape::Rows;
use crate::simd;

/// Writes `a[i] + b[i]` to `out[i]`.
///
/// # Panics
/// When the slices differ in length.
pub fn add(a: &[f32], b: &[f32], out: &mut [f32]) {
    check_lengths(a, b, out);
    simd::zip(a, b, out, |a, b| a + b);
}

/// Adds `b[i]` to `a[i]`.
///
/// # Panics
/// When the slices differ in length.
pub fn add_in_place(a: &mut [f32], b: &[f32]) {
    check_lengths(a, b, a);
    simd::zip_in_place(a, b, |a, b| a + b);
}

/// Writes `a[i] * b[i]` to `out[i]`.
///
/// # Panics
/// When the slices differ in length.
pub fn mul(a: &[f32], b: &[f32], out: &mut [f32]) {
    check_lengths(a, b, out);
    simd::zip(a, b, out, |a, b| a * b);
}

/// Multiplies `a[i]` by `b[i]`.
///
/// # Panics
/// When the slices differ in length.
pub fn mul_in_place(a: &mut [f32], b: &[f32]) {
    check_lengths(a, b, a);
    simd::zip_in_place(a, b, |a, b| a * b);
}

/// Writes `matrix[r, c] + row[c]` to `out[r, c]`: matrices `[rows, cols]`, row `[cols]`.
///
/// # Panics
/// When a slice does not hold the numbers that `dims` asks for.
pub fn broadcast_add(matrix: &[f32], row: &[f32], out: &mut [f32], dims: Rows) {
    dims.check("matrix", matrix);
    dims.check("out", out);
    Rows { rows: 1, ..dims }.check("row", row);
    if dims.is_empty() {
        return;
    }
    for (matrix, out) in matrix
        .chunks_exact(dims.cols)
        .zip(out.chunks_exact_mut(dims.cols))
    {
        simd::zip(matrix, row, out, |a, b| a + b);
    }
}

/// Adds `row[c]` to `matrix[r, c]`: matrix `[rows, cols]`, row `[cols]`.
///
/// # Panics
/// When a slice does not hold the numbers that `dims` asks for.
pub fn broadcast_add_in_place(matrix: &mut [f32], row: &[f32], dims: Rows) {
    dims.check("matrix", matrix);
    Rows { rows: 1, ..dims }.check("row", row);
    if dims.is_empty() {
        return;
    }
    for matrix in matrix.chunks_exact_mut(dims.cols) {
        simd::zip_in_place(matrix, row, |a, b| a + b);
    }
}

#[track_caller]
fn check_lengths(a: &[f32], b: &[f32], out: &[f32]) {
    let (a, b, out) = (a.len(), b.len(), out.len());
    assert!(
        a == b && a == out,
        "`a` holds {a} numbers, `b` {b}, `out` {out}"
    );
}

/// The same operations, one number at a time in `f64`.
pub mod reference {
    use crate::shape::Rows;

    /// Writes `a[i] + b[i]` to `out[i]`.
    pub fn add(a: &[f32], b: &[f32], out: &mut [f32]) {
        for i in 0..out.len() {
            out[i] = (f64::from(a[i]) + f64::from(b[i])) as f32;
        }
    }

    /// Writes `a[i] * b[i]` to `out[i]`.
    pub fn mul(a: &[f32], b: &[f32], out: &mut [f32]) {
        for i in 0..out.len() {
            out[i] = (f64::from(a[i]) * f64::from(b[i])) as f32;
        }
    }

    /// Writes `matrix[r, c] + row[c]` to `out[r, c]`.
    pub fn broadcast_add(matrix: &[f32], row: &[f32], out: &mut [f32], dims: Rows) {
        for r in 0..dims.rows {
            for c in 0..dims.cols {
                out[r * dims.cols + c] =
                    (f64::from(matrix[r * dims.cols + c]) + f64::from(row[c])) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{lengths, numbers, unaligned};

    type Binary = fn(&[f32], &[f32], &mut [f32]);
    type InPlace = fn(&mut [f32], &[f32]);

    /// Results must be equal: `f64` represents the sum and the product of two `f32`s precisely
    /// enough to round only once.
    fn check(fast: Binary, in_place: InPlace, slow: Binary, len: usize) {
        let (a, b) = (numbers(len, 1, 3.0), numbers(len, 2, 3.0));
        let mut expected = vec![0.0; len];
        slow(&a, &b, &mut expected);
        let (a, b, mut out) = (unaligned(&a), unaligned(&b), unaligned(&a));
        fast(&a[1..], &b[1..], &mut out[1..]);
        assert_eq!(out[1..], expected, "length {len}");
        let mut a = a;
        in_place(&mut a[1..], &b[1..]);
        assert_eq!(a[1..], expected, "length {len}, in place");
    }

    #[test]
    fn sums_and_products_of_every_length() {
        for len in lengths() {
            check(add, add_in_place, reference::add, len);
            check(mul, mul_in_place, reference::mul, len);
        }
    }

    #[test]
    fn broadcast_of_every_width() {
        for cols in lengths() {
            for rows in [0, 1, 2, 5] {
                let dims = Rows { rows, cols };
                let (matrix, row) = (numbers(rows * cols, 1, 3.0), numbers(cols, 2, 3.0));
                let mut expected = vec![0.0; rows * cols];
                reference::broadcast_add(&matrix, &row, &mut expected, dims);
                let (mut matrix, row, mut out) =
                    (unaligned(&matrix), unaligned(&row), unaligned(&matrix));
                broadcast_add(&matrix[1..], &row[1..], &mut out[1..], dims);
                assert_eq!(out[1..], expected, "{dims:?}");
                broadcast_add_in_place(&mut matrix[1..], &row[1..], dims);
                assert_eq!(matrix[1..], expected, "{dims:?}, in place");
            }
        }
    }

    #[test]
    #[should_panic(expected = "`a` holds 2 numbers, `b` 3, `out` 2")]
    fn different_lengths_are_refused() {
        add(&[0.0; 2], &[0.0; 3], &mut [0.0; 2]);
    }

    #[test]
    #[should_panic(expected = "`row` holds 2 numbers, [1, 3] was asked for")]
    fn a_row_of_the_wrong_width_is_refused() {
        broadcast_add(
            &[0.0; 6],
            &[0.0; 2],
            &mut [0.0; 6],
            Rows { rows: 2, cols: 3 },
        );
    }
}
