//! Vectors of a row by their first column, for kernels that read more rows at once than
//! [`simd::zip`] does.

use crate::simd::{self, F32s, LANES};

/// The first column of every vector of a row, the last of which may be partly empty.
#[inline(always)]
pub fn starts(cols: usize) -> impl Iterator<Item = usize> {
    (0..cols).step_by(LANES)
}

/// Loads the vector that begins at column `c`; lanes beyond the row are 0.
#[inline(always)]
pub fn get(row: &[f32], c: usize) -> F32s {
    let rest = &row[c..];
    match rest.first_chunk() {
        Some(chunk) => simd::load(chunk),
        None => simd::load_part(rest, 0.0),
    }
}

/// Stores the vector that begins at column `c`, as far as the row goes.
#[inline(always)]
pub fn put(row: &mut [f32], c: usize, v: F32s) {
    let rest = &mut row[c..];
    match rest.first_chunk_mut::<LANES>() {
        Some(chunk) => *chunk = v.to_array(),
        None => rest.copy_from_slice(&v.to_array()[..rest.len()]),
    }
}

/// Writes the sum of every column of `matrix`, `[rows, cols]`, to `sums`, `[cols]`.
pub fn column_sums(matrix: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    if !sums.is_empty() {
        matrix
            .chunks_exact(sums.len())
            .for_each(|row| simd::zip_in_place(sums, row, |sum, v| sum + v));
    }
}
