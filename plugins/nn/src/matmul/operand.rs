//! Operands of a product: pointers with strides, which can be cut into parts for separate threads.
//!
//! They are pointers and not slices, because a panel of columns is no slice, and because bounds
//! checks inside a tile would cost as much as its arithmetic.

use std::marker::PhantomData;

/// A left operand: element `(i, p)` lies at `ptr + i * row + p * col`, and one of the distances is
/// 1.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub ptr: *const f32,
    /// Distance between rows, in numbers.
    pub row: usize,
    /// Distance between columns, in numbers.
    pub col: usize,
    pub borrowed: PhantomData<&'a [f32]>,
}

impl<'a> Left<'a> {
    /// A matrix with `cols` columns, stored by rows.
    pub fn rows(values: &'a [f32], cols: usize) -> Self {
        Self {
            ptr: values.as_ptr(),
            row: cols,
            col: 1,
            borrowed: PhantomData,
        }
    }

    /// The transpose of a matrix with `cols` columns, stored by rows.
    pub fn transposed(values: &'a [f32], cols: usize) -> Self {
        Self {
            ptr: values.as_ptr(),
            row: 1,
            col: cols,
            borrowed: PhantomData,
        }
    }

    /// Returns the part that begins at row `i` and column `p`. Computing it is harmless even if
    /// there is no such part.
    pub fn at(self, i: usize, p: usize) -> Self {
        Self {
            ptr: self.ptr.wrapping_add(i * self.row + p * self.col),
            ..self
        }
    }
}

/// A right operand: element `(p, j)` lies at `ptr + p * row + j * col`, and one of the distances is
/// 1.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub ptr: *const f32,
    /// Distance between rows, in numbers.
    pub row: usize,
    /// Distance between columns, in numbers.
    pub col: usize,
    borrowed: PhantomData<&'a [f32]>,
}

impl<'a> Right<'a> {
    /// A matrix with `cols` columns, stored by rows.
    pub fn rows(values: &'a [f32], cols: usize) -> Self {
        Self {
            ptr: values.as_ptr(),
            row: cols,
            col: 1,
            borrowed: PhantomData,
        }
    }

    /// The transpose of a matrix with `cols` columns, stored by rows.
    pub fn transposed(values: &'a [f32], cols: usize) -> Self {
        Self {
            ptr: values.as_ptr(),
            row: 1,
            col: cols,
            borrowed: PhantomData,
        }
    }

    /// Returns the part that begins at row `p` and column `j`; harmless as [`Left::at`].
    pub fn at(self, p: usize, j: usize) -> Self {
        Self {
            ptr: self.ptr.wrapping_add(p * self.row + j * self.col),
            ..self
        }
    }

    /// Returns the transpose as a left operand: its rows are the columns of this operand.
    pub fn transpose(self) -> Left<'a> {
        Left {
            ptr: self.ptr,
            row: self.col,
            col: self.row,
            borrowed: PhantomData,
        }
    }

    /// Whether the numbers of a row are contiguous, so that vectors can be loaded directly.
    pub fn is_by_rows(self) -> bool {
        self.col == 1
    }
}

/// A result: element `(i, j)` lies at `ptr + i * row + j`.
pub(super) struct Out<'a> {
    pub ptr: *mut f32,
    /// Distance between rows, in numbers.
    pub row: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

impl<'a> Out<'a> {
    /// A matrix with `cols` columns, stored by rows.
    pub fn rows(values: &'a mut [f32], cols: usize) -> Self {
        Self {
            ptr: values.as_mut_ptr(),
            row: cols,
            borrowed: PhantomData,
        }
    }

    /// Returns the part that begins at row `i` and column `j`; harmless as [`Left::at`]. The whole
    /// must not be used as long as the part is in use.
    pub fn at(&self, i: usize, j: usize) -> Self {
        Self {
            ptr: self.ptr.wrapping_add(i * self.row + j),
            row: self.row,
            borrowed: PhantomData,
        }
    }
}
