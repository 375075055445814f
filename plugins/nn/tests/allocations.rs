//! Tests that count allocations, because benchmarks of memory reuse rely on these counts.

use nn::layer_norm::{self, Affine};
use nn::matmul::{self, Dims, Gradients};
use nn::{Pool, Rows, Tensor, elementwise};

fn allocations(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}

#[test]
fn plain_tensor_is_one_allocation() {
    assert_eq!(allocations(|| drop(Tensor::zeros(&[8, 8, 8]))), 1);
    assert_eq!(allocations(|| drop(Pool::Off.scratch(&[512]))), 1);
    assert_eq!(allocations(|| drop(Tensor::zeros(&[0, 3]))), 0);
}

#[test]
fn warm_pool_allocates_nothing() {
    let sizes = [1, 17, 512, 513, 100_000];
    let use_all = || {
        let alive: [Tensor; 5] = sizes.map(|len| Pool::On.zeros(&[len]));
        drop(alive);
    };
    assert_eq!(allocations(use_all), 5);
    assert_eq!(allocations(|| (0..1000).for_each(|_| use_all())), 0);
}

#[test]
fn layer_norm_allocates_as_documented() {
    let dims = Rows { rows: 4, cols: 50 };
    let (x, mut out) = (Tensor::random(&[4, 50], 1), Tensor::zeros(&[4, 50]));
    let (gamma, beta) = (Tensor::random(&[50], 2), Tensor::random(&[50], 3));
    let affine = Affine {
        gamma: gamma.as_slice(),
        beta: beta.as_slice(),
    };
    let mut passes = |pool| {
        allocations(|| layer_norm::in_passes(x.as_slice(), affine, out.as_mut_slice(), dims, pool))
    };
    assert_eq!(passes(Pool::Off), 5);
    passes(Pool::On);
    assert_eq!(passes(Pool::On), 0);
    assert_eq!(
        allocations(|| layer_norm::fused(x.as_slice(), affine, out.as_mut_slice(), dims)),
        0
    );
}

#[test]
fn products_on_one_thread_allocate_nothing() {
    let dims = Dims {
        m: 70,
        k: 300,
        n: 130,
    };
    let (a, b) = (
        Tensor::random(&[70, 300], 1),
        Tensor::random(&[300, 130], 2),
    );
    let (mut c, mut da, mut db) = (
        Tensor::zeros(&[70, 130]),
        Tensor::zeros(&[70, 300]),
        Tensor::zeros(&[300, 130]),
    );
    let count = allocations(|| {
        matmul::matmul(a.as_slice(), b.as_slice(), c.as_mut_slice(), dims);
        let gradients = Gradients {
            a: da.as_mut_slice(),
            b: db.as_mut_slice(),
        };
        matmul::matmul_backward(a.as_slice(), b.as_slice(), c.as_slice(), gradients, dims);
        elementwise::add_in_place(da.as_mut_slice(), a.as_slice());
    });
    assert_eq!(count, 0);
}
