//! Resources of a training step: the origin of its tensors, and the threads of its products.

use crate::matmul::{self, Dims};
use crate::simd::LANES;
use crate::{Pool, Tensor};

/// Threads that work on a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread alone.
    One,
    /// Those of the current rayon pool, for matrix products, attention, activations and optimisers.
    RayonPool,
}

/// Passed by value to every forward and backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Origin of results, saved activations and scratch space.
    pub pool: Pool,
    /// Threads that work.
    pub threads: Threads,
}

impl Resources {
    /// The calling thread, with reuse of storage.
    pub const POOLED: Self = Self {
        pool: Pool::On,
        threads: Threads::One,
    };

    /// Creates a tensor that the caller will overwrite; see [`Pool::scratch`].
    ///
    /// # Panics
    /// As [`Pool::scratch`].
    pub fn scratch(self, shape: &[usize]) -> Tensor {
        self.pool.scratch(shape)
    }

    /// Returns the length of the pieces into which elementwise work on `len` numbers is cut, at
    /// least 1. With one thread, there is one piece.
    ///
    /// Pieces are whole vectors, so that neither a number's neighbours nor its bits depend on the
    /// cuts.
    pub(super) fn piece(self, len: usize) -> usize {
        /// Numbers that take about as long as waking another thread.
        const LEAST: usize = 16 * 1024;
        match self.threads {
            Threads::One => len.max(1),
            Threads::RayonPool => len
                .div_ceil(rayon::current_num_threads())
                .max(LEAST)
                .next_multiple_of(LANES),
        }
    }

    /// Returns `C = A B` as a new tensor `[m, n]`.
    ///
    /// # Panics
    /// When a slice does not hold the matrix that `dims` asks for.
    pub fn matmul(self, a: &[f32], b: &[f32], dims: Dims) -> Tensor {
        let mut c = self.scratch(&[dims.m, dims.n]);
        match self.threads {
            Threads::One => matmul::matmul(a, b, c.as_mut_slice(), dims),
            Threads::RayonPool => matmul::matmul_parallel(a, b, c.as_mut_slice(), dims),
        }
        c
    }

    /// Returns `C = A B^T` as a new tensor `[m, n]`; `a` is `[m, k]` and `b` is `[n, k]`.
    ///
    /// # Panics
    /// As [`Resources::matmul`].
    pub fn matmul_a_bt(self, a: &[f32], b: &[f32], dims: Dims) -> Tensor {
        let mut c = self.scratch(&[dims.m, dims.n]);
        match self.threads {
            Threads::One => matmul::matmul_a_bt(a, b, c.as_mut_slice(), dims),
            Threads::RayonPool => matmul::matmul_a_bt_parallel(a, b, c.as_mut_slice(), dims),
        }
        c
    }

    /// Writes `C = A^T B` to `c`, `[m, n]`; `a` is `[k, m]` and `b` is `[k, n]`.
    ///
    /// # Panics
    /// As [`Resources::matmul`].
    pub fn matmul_at_b(self, a: &[f32], b: &[f32], c: &mut [f32], dims: Dims) {
        match self.threads {
            Threads::One => matmul::matmul_at_b(a, b, c, dims),
            Threads::RayonPool => matmul::matmul_at_b_parallel(a, b, c, dims),
        }
    }
}
