//! Products of small matrices that stay in the cache: vector arithmetic determines the speed.

use crate::waste;
use nn::Tensor;
use nn::matmul::{self, Dims};
use orch_sdk::prelude::*;
use std::hint::black_box;

#[derive(Params)]
pub(crate) struct MatMulParams {
    /// Products per iteration
    #[param(default = 100, range = 1..=1_000_000)]
    work: u64,
    /// Rows and columns of both factors
    #[param(default = 64, range = 1..=2048)]
    size: usize,
    /// Superfluous allocations of each iteration
    #[param(default = 0)]
    extra_allocations: u64,
}

pub(crate) struct MatMul {
    params: MatMulParams,
    a: Tensor,
    b: Tensor,
    c: Tensor,
}

impl Workload for MatMul {
    const ID: &'static str = "matmul";
    const ABOUT: &'static str =
        "Products of two square matrices, one after the other, into the same third";
    const ITERATION: &'static str = "`work` products";
    const TAGS: &'static [&'static str] = &["planted"];
    type Params = MatMulParams;

    fn create(params: MatMulParams) -> Result<Self> {
        let shape = [params.size, params.size];
        Ok(Self {
            a: Tensor::random(&shape, 1),
            b: Tensor::random(&shape, 2),
            c: Tensor::zeros(&shape),
            params,
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("products");
        let size = self.params.size;
        let dims = Dims {
            m: size,
            k: size,
            n: size,
        };
        for _ in 0..self.params.work {
            let (a, b, c) = (self.a.as_slice(), self.b.as_slice(), self.c.as_mut_slice());
            matmul::matmul(black_box(a), black_box(b), black_box(c), dims);
        }
        waste(self.params.extra_allocations);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        let sum: f64 = self
            .c
            .as_slice()
            .iter()
            .map(|value| f64::from(*value))
            .sum();
        Ok(Some(Digest::number(sum).tolerance(1e-4)))
    }
}
