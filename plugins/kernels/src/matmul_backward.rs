//! The backward pass of a matrix product.

use crate::checksum::{Checksum, HasChecksum};
use crate::inputs::{seed_of, uniform};
use crate::matmul::tolerance;
use nn::Tensor;
use nn::matmul::{Dims, matmul_a_bt, matmul_a_bt_parallel, matmul_at_b, matmul_at_b_parallel};
use nn::threads::Threads;
use orch_sdk::prelude::*;
use std::hint::black_box;

#[derive(Params)]
pub(crate) struct MatMulBackwardParams {
    /// Rows of A and of C
    #[param(default = 128, range = 1..=4096)]
    m: usize,
    /// Columns of A and rows of B
    #[param(default = 256, range = 1..=4096)]
    k: usize,
    /// Columns of B and of C
    #[param(default = 128, range = 1..=4096)]
    n: usize,
    /// Seed of the numbers in A, B and dC, uniform in [-1, 1)
    #[param(default = 1)]
    seed: u64,
}

/// `dA = dC B^T` and `dB = A^T dC`.
pub(crate) struct MatMulBackward {
    /// Dimensions of the forward product `C[m, n] = A[m, k] B[k, n]`.
    dims: Dims,
    threads: Threads,
    a: Tensor,
    b: Tensor,
    dc: Tensor,
    da: Tensor,
    db: Tensor,
}

impl MatMulBackward {
    fn new(params: MatMulBackwardParams, threads: Threads) -> Self {
        let MatMulBackwardParams { m, k, n, seed } = params;
        Self {
            dims: Dims { m, k, n },
            threads,
            a: uniform(&[m, k], seed, 1.0),
            b: uniform(&[k, n], seed_of(seed, 1), 1.0),
            dc: uniform(&[m, n], seed_of(seed, 2), 1.0),
            da: Tensor::zeros(&[m, k]),
            db: Tensor::zeros(&[k, n]),
        }
    }

    /// Returns the dimensions of the product `dA[m, k] = dC[m, n] B^T[n, k]`.
    fn grad_a(&self) -> Dims {
        let Dims { m, k, n } = self.dims;
        Dims { m, k: n, n: k }
    }

    /// Returns the dimensions of the product `dB[k, n] = A^T[k, m] dC[m, n]`.
    fn grad_b(&self) -> Dims {
        let Dims { m, k, n } = self.dims;
        Dims { m: k, k: m, n }
    }
}

impl Workload for MatMulBackward {
    const ID: &'static str = "matmul_backward";
    const ABOUT: &'static str = "Gradients of a matrix product C[m, n] = A[m, k] B[k, n], given \
        that of C, on all threads of the job";
    const ITERATION: &'static str =
        "both gradients once: dA = dC B^T and dB = A^T dC, into tensors that are kept";
    const METRICS: &'static [Metric] = &[Metric::rate("gflops", "GFLOP/s", "flop", 1e-9).about(
        "4 m k n operations (2 m k n for each of the two products) over the time of the iteration",
    )];
    const TAGS: &'static [&'static str] = &["kernel", "matmul", "backward"];
    type Params = MatMulBackwardParams;

    fn create(params: MatMulBackwardParams) -> Result<Self> {
        Ok(Self::new(params, Threads::asked()?))
    }

    fn setup(&mut self) -> Result<()> {
        self.threads.start()
    }

    fn run(&mut self) -> Result<()> {
        scope!("MatMulBackward");
        let (grad_a, grad_b) = (self.grad_a(), self.grad_b());
        let (a, b, dc) = (
            black_box(self.a.as_slice()),
            black_box(self.b.as_slice()),
            black_box(self.dc.as_slice()),
        );
        let (da, db) = (
            black_box(self.da.as_mut_slice()),
            black_box(self.db.as_mut_slice()),
        );
        {
            scope!("GradA");
            match self.threads {
                Threads::One => matmul_a_bt(dc, b, da, grad_a),
                Threads::Many(_) => matmul_a_bt_parallel(dc, b, da, grad_a),
            }
        }
        {
            scope!("GradB");
            match self.threads {
                Threads::One => matmul_at_b(a, dc, db, grad_b),
                Threads::Many(_) => matmul_at_b_parallel(a, dc, db, grad_b),
            }
        }
        count!("flop", grad_a.flops() + grad_b.flops());
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.checksum().into()))
    }
}

impl HasChecksum for MatMulBackward {
    fn checksum(&self) -> Checksum {
        let tolerance = tolerance(self.grad_a()).max(tolerance(self.grad_b()));
        Checksum::of(&[self.da.as_slice(), self.db.as_slice()], tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::testing::{after_one, assert_different};
    use nn::matmul::{Gradients, matmul_backward, reference};
    use orch_sdk::serde_json::json;

    fn transposed(matrix: &[f32], rows: usize, cols: usize) -> Vec<f32> {
        (0..cols)
            .flat_map(|col| (0..rows).map(move |row| matrix[row * cols + col]))
            .collect()
    }

    #[test]
    fn gradients_are_those_of_the_formula() {
        for (m, k, n) in [(1, 1, 1), (5, 7, 3), (32, 64, 32), (1, 100, 50)] {
            let fast: MatMulBackward = after_one(json!({ "m": m, "k": k, "n": n }));
            let mut slow =
                MatMulBackward::new(MatMulBackwardParams { m, k, n, seed: 1 }, Threads::One);
            let (a_t, b_t) = (
                transposed(slow.a.as_slice(), m, k),
                transposed(slow.b.as_slice(), k, n),
            );
            let (grad_a, grad_b) = (slow.grad_a(), slow.grad_b());
            reference(slow.dc.as_slice(), &b_t, slow.da.as_mut_slice(), grad_a);
            reference(&a_t, slow.dc.as_slice(), slow.db.as_mut_slice(), grad_b);
            assert!(fast.checksum().agrees(slow.checksum()), "{m} {k} {n}");
        }
    }

    /// The scopes split an operation that `nn` offers as one function.
    #[test]
    fn parts_together_are_the_whole() {
        let mut parts: MatMulBackward = after_one(json!({}));
        let sum = parts.checksum();
        let gradients = Gradients {
            a: parts.da.as_mut_slice(),
            b: parts.db.as_mut_slice(),
        };
        matmul_backward(
            parts.a.as_slice(),
            parts.b.as_slice(),
            parts.dc.as_slice(),
            gradients,
            parts.dims,
        );
        assert_eq!(sum, parts.checksum());
    }

    #[test]
    fn inputs_count() {
        assert_different::<MatMulBackward>(&[json!({}), json!({ "seed": 2 }), json!({ "k": 255 })]);
    }

    #[test]
    fn threads_change_nothing() -> Result<()> {
        let one: MatMulBackward = after_one(json!({}));
        let mut two = MatMulBackward::new(
            MatMulBackwardParams {
                m: 128,
                k: 256,
                n: 128,
                seed: 1,
            },
            Threads::Many(2),
        );
        two.setup()?;
        two.run()?;
        assert_eq!(one.checksum(), two.checksum());
        Ok(())
    }
}
