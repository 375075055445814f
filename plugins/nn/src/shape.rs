//! Dimensions without heap storage, so that creating a tensor takes one allocation instead of two.

use std::fmt;

/// Maximum number of dimensions of a tensor: batch, head, row, column.
pub const MAX_RANK: usize = 4;

/// The dimensions of a tensor, outermost first; the last one is contiguous in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: usize,
    len: usize,
}

/// Maximum number of numbers in a tensor: half of the maximum of an allocation, so that rounding up
/// to a pool's block size cannot overflow.
const MAX_LEN: usize = usize::MAX / 4 / size_of::<f32>();

impl Shape {
    /// Stores up to [`MAX_RANK`] dimensions; no dimension at all is a single number.
    ///
    /// # Panics
    /// When there are more dimensions, or when their product does not fit in memory.
    #[inline]
    pub fn new(dims: &[usize]) -> Self {
        assert!(
            dims.len() <= MAX_RANK,
            "shape {dims:?} has more than {MAX_RANK} dimensions"
        );
        let mut shape = Self {
            dims: [1; MAX_RANK],
            rank: dims.len(),
            len: 1,
        };
        for (to, &dim) in shape.dims.iter_mut().zip(dims) {
            *to = dim;
            let len = shape.len.checked_mul(dim).filter(|&len| len <= MAX_LEN);
            shape.len = len.unwrap_or_else(|| panic!("shape {dims:?} does not fit in memory"));
        }
        shape
    }

    /// Returns the dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank]
    }

    /// Returns the number of numbers in the shape; 1 if it has no dimension.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether some dimension is 0.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dims().fmt(f)
    }
}

/// The dimensions of a matrix that is processed row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Number of rows.
    pub rows: usize,
    /// Numbers in one row.
    pub cols: usize,
}

impl Rows {
    /// Returns `rows * cols`.
    pub const fn len(self) -> usize {
        self.rows * self.cols
    }

    /// Returns whether the matrix has no numbers.
    pub const fn is_empty(self) -> bool {
        self.rows == 0 || self.cols == 0
    }

    /// Panics unless `slice` has exactly the size of this matrix; `name` is the argument's name in
    /// the message.
    #[track_caller]
    pub(crate) fn check(self, name: &str, slice: &[f32]) {
        let Self { rows, cols } = self;
        let len = slice.len();
        assert!(
            rows.checked_mul(cols) == Some(len),
            "`{name}` holds {len} numbers, [{rows}, {cols}] was asked for"
        );
    }
}
