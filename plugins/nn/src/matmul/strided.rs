//! Products of matrices that are parts of larger ones.

use super::Dims;
use super::operand::{Left, Out, Right};
use super::product::Product;

/// A matrix inside a larger one, from the first number of its first row on.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The numbers, at least up to the end of the last row.
    pub numbers: &'a [f32],
    /// Distance between rows.
    pub stride: usize,
}

/// A matrix inside a larger one, to be written.
#[derive(Debug)]
pub struct PartMut<'a> {
    /// The numbers, at least up to the end of the last row.
    pub numbers: &'a mut [f32],
    /// Distance between rows.
    pub stride: usize,
}

/// Writes the product of `a`, `[m, k]`, and `b`, `[k, n]`, to `c`, `[m, n]`, on the calling thread.
///
/// # Panics
/// When rows overlap, or a part ends before its last row does.
pub fn matmul_parts(a: Part<'_>, b: Part<'_>, c: PartMut<'_>, dims: Dims) {
    let Dims { m, k, n } = dims;
    check("A", a.numbers.len(), a.stride, m, k);
    check("B", b.numbers.len(), b.stride, k, n);
    check("C", c.numbers.len(), c.stride, m, n);
    let (a, b) = (
        Left::rows(a.numbers, a.stride),
        Right::rows(b.numbers, b.stride),
    );
    Product::new(a, b, Out::rows(c.numbers, c.stride), dims).run();
}

#[track_caller]
fn check(name: &str, len: usize, stride: usize, rows: usize, cols: usize) {
    let end = if rows == 0 {
        Some(0)
    } else {
        (rows - 1)
            .checked_mul(stride)
            .and_then(|last| last.checked_add(cols))
    };
    assert!(
        stride >= cols && end.is_some_and(|end| end <= len),
        "{name} holds {len} numbers, [{rows}, {cols}] was asked for with {stride} from row to row"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, numbers};
    use crate::matmul::matmul;
    use crate::simd::LANES;

    /// A matrix with `stride` numbers from row to row, the last row only as long as it has to be.
    fn spread(matrix: &[f32], cols: usize, stride: usize) -> Vec<f32> {
        let mut part: Vec<f32> = Vec::new();
        for row in matrix.chunks_exact(cols) {
            part.resize(part.len().next_multiple_of(stride), f32::NAN);
            part.extend(row);
        }
        part
    }

    #[test]
    fn parts_give_the_same_as_wholes() {
        for m in [1, 3, 9, 70] {
            for k in [1, 8, 33] {
                for n in [1, LANES - 1, LANES, 3 * LANES + 2] {
                    let (a, b) = (numbers(m * k, 1, 1.0), numbers(k * n, 2, 1.0));
                    let mut expected = vec![0.0; m * n];
                    matmul(&a, &b, &mut expected, Dims { m, k, n });
                    let (a, b) = (spread(&a, k, k + 3), spread(&b, n, n + 5));
                    let mut c = vec![7.0; (m - 1) * (n + 1) + n];
                    let (a, b) = (
                        Part {
                            numbers: &a,
                            stride: k + 3,
                        },
                        Part {
                            numbers: &b,
                            stride: n + 5,
                        },
                    );
                    matmul_parts(
                        a,
                        b,
                        PartMut {
                            numbers: &mut c,
                            stride: n + 1,
                        },
                        Dims { m, k, n },
                    );
                    for (c, expected) in c.chunks(n + 1).zip(expected.chunks(n)) {
                        assert_close(&c[..n], expected, 1e-5, &format!("[{m}, {k}] [{k}, {n}]"));
                        assert!(c[n..].iter().all(|&gap| gap == 7.0));
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "B holds 5 numbers, [2, 3] was asked for with 3 from row to row")]
    fn parts_that_end_too_soon_are_refused() {
        let part = |numbers| Part { numbers, stride: 3 };
        let c = &mut [0.0; 3];
        matmul_parts(
            part(&[0.0; 2]),
            part(&[0.0; 5]),
            PartMut {
                numbers: c,
                stride: 3,
            },
            Dims { m: 1, k: 2, n: 3 },
        );
    }
}
