//! Every product against the formula.

use super::*;
use crate::check::{assert_close, numbers, unaligned};
use crate::simd::LANES;

/// Around every tile height and width, primes, and the sizes that workloads use; all combined would
/// take minutes.
fn cases() -> Vec<Dims> {
    let mut cases = Vec::new();
    let edges = [
        0,
        1,
        2,
        3,
        5,
        6,
        7,
        8,
        9,
        13,
        LANES - 1,
        LANES,
        LANES + 1,
        2 * LANES,
        2 * LANES + 1,
        3 * LANES - 1,
        61,
    ];
    for m in edges {
        for n in edges {
            for k in [0, 1, 3, LANES, 37] {
                cases.push(Dims { m, k, n });
            }
        }
    }
    for m in [1, 2, 3, 4, 5, 7, 31] {
        for n in [1, 5, LANES, 127, 128, 257, 1024] {
            // Around one and two blocks of k.
            for k in [255, 256, 257, 513] {
                cases.push(Dims { m, k, n });
            }
        }
    }
    for size in [64, 97, 128, 256] {
        cases.push(Dims {
            m: size,
            k: size,
            n: size,
        });
    }
    cases.push(Dims {
        m: 70,
        k: 300,
        n: 1030,
    });
    cases
}

type Kernel = fn(&[f32], &[f32], &mut [f32], Dims);

/// Numbers are in [-1, 1), so an error of 1e-7 for each of k products is far above what rounding
/// does.
fn tolerance(k: usize) -> f32 {
    1e-6 + 1e-7 * k as f32
}

fn check(kernel: Kernel, a: &[f32], b: &[f32], expected: &[f32], dims: Dims, what: &str) {
    let mut c = vec![f32::NAN; expected.len()];
    kernel(a, b, &mut c, dims);
    assert_close(&c, expected, tolerance(dims.k), &format!("{what} {dims:?}"));
    let (a, b) = (unaligned(a), unaligned(b));
    let mut c = vec![f32::NAN; expected.len() + 1];
    kernel(&a[1..], &b[1..], &mut c[1..], dims);
    assert_close(
        &c[1..],
        expected,
        tolerance(dims.k),
        &format!("{what}, unaligned, {dims:?}"),
    );
    assert!(c[0].is_nan(), "{what} {dims:?} wrote before its result");
}

fn transpose(values: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..cols)
        .flat_map(|c| (0..rows).map(move |r| values[r * cols + c]))
        .collect()
}

fn check_all(kernels: [Kernel; 3], dims: Dims) {
    let Dims { m, k, n } = dims;
    let (a, b) = (numbers(m * k, 1, 1.0), numbers(k * n, 2, 1.0));
    let mut expected = vec![0.0; m * n];
    reference(&a, &b, &mut expected, dims);
    let [plain, at_b, a_bt] = kernels;
    check(plain, &a, &b, &expected, dims, "A B");
    check(at_b, &transpose(&a, m, k), &b, &expected, dims, "A^T B");
    check(a_bt, &a, &transpose(&b, k, n), &expected, dims, "A B^T");
}

#[test]
fn shapes_are_correct_on_one_thread() {
    for dims in cases() {
        check_all([matmul, matmul_at_b, matmul_a_bt], dims);
    }
}

#[test]
fn shapes_give_the_same_bits_on_many_threads() {
    let pairs: [(Kernel, Kernel); 3] = [
        (matmul, matmul_parallel),
        (matmul_at_b, matmul_at_b_parallel),
        (matmul_a_bt, matmul_a_bt_parallel),
    ];
    let sizes = [1, 2, 7, 13, 16, 40, 61, 128, 257];
    for threads in [2, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        for (m, n) in sizes.into_iter().flat_map(|m| sizes.map(|n| (m, n))) {
            // Deep enough for most shapes to be worth dividing, and for blocks of k.
            let dims = Dims { m, k: 1500, n };
            let (a, b) = (numbers(m * dims.k, 1, 1.0), numbers(dims.k * n, 2, 1.0));
            for (serial, parallel) in pairs {
                let (mut expected, mut c) = (vec![0.0; m * n], vec![f32::NAN; m * n]);
                serial(&a, &b, &mut expected, dims);
                pool.install(|| parallel(&a, &b, &mut c, dims));
                assert_eq!(c, expected, "{dims:?} on {threads} threads");
            }
        }
    }
}

#[test]
fn largest_size_of_the_workloads() {
    check_all(
        [matmul, matmul_at_b, matmul_a_bt],
        Dims {
            m: 512,
            k: 512,
            n: 512,
        },
    );
}

#[test]
fn gradients_follow_the_formula() {
    for (m, k, n) in [
        (1, 1, 1),
        (3, 5, 7),
        (17, 33, 40),
        (128, 256, 128),
        (4, 0, 3),
    ] {
        let dims = Dims { m, k, n };
        let (a, b, dc) = (
            numbers(m * k, 1, 1.0),
            numbers(k * n, 2, 1.0),
            numbers(m * n, 3, 1.0),
        );
        let (mut expected_a, mut expected_b) = (vec![0.0; m * k], vec![0.0; k * n]);
        reference(
            &dc,
            &transpose(&b, k, n),
            &mut expected_a,
            Dims { m, k: n, n: k },
        );
        reference(
            &transpose(&a, m, k),
            &dc,
            &mut expected_b,
            Dims { m: k, k: m, n },
        );
        for backward in [matmul_backward, matmul_backward_parallel] {
            let (mut da, mut db) = (vec![f32::NAN; m * k], vec![f32::NAN; k * n]);
            backward(
                &a,
                &b,
                &dc,
                Gradients {
                    a: &mut da,
                    b: &mut db,
                },
                dims,
            );
            assert_close(&da, &expected_a, tolerance(n), "dA");
            assert_close(&db, &expected_b, tolerance(m), "dB");
        }
    }
}

#[test]
fn nan_reaches_its_row_and_nothing_else() {
    let dims = Dims {
        m: 20,
        k: 40,
        n: 50,
    };
    let mut a = numbers(dims.m * dims.k, 1, 1.0);
    a[7 * dims.k + 39] = f32::NAN;
    let mut c = vec![0.0; dims.m * dims.n];
    matmul(&a, &numbers(dims.k * dims.n, 2, 1.0), &mut c, dims);
    for (i, row) in c.chunks(dims.n).enumerate() {
        assert!(row.iter().all(|v| v.is_nan() == (i == 7)), "row {i}");
    }
}

#[test]
#[should_panic(expected = "B holds 5 numbers, [2, 3] was asked for")]
fn wrong_dimensions_are_refused() {
    matmul(
        &[0.0; 4],
        &[0.0; 5],
        &mut [0.0; 6],
        Dims { m: 2, k: 2, n: 3 },
    );
}
