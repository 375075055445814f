//! Causal attention of many heads over whole sequences, forward and backward.
//!
//! For each sequence and head, with q, k, v `[length, d]`: `P = softmax(mask(q k^T / sqrt d))`,
//! `out = P v`. Backward: `dv = P^T dout`, `dP = dout v^T`, `dS = P (dP - rowsum(dP P))`, `dq = dS
//! k / sqrt d`, `dk = dS^T q / sqrt d`. P is saved: length^2 numbers for each head. Products are of
//! whole squares; the half above the diagonal is computed and set to 0, since the lengths used here
//! have few tiles that lie above it entirely.
//!
//! Source: Vaswani et al., "Attention is all you need", 2017.

use super::resources::{Resources, Threads};
use super::softmax::backward_in_place;
use crate::matmul::{Dims, matmul, matmul_a_bt, matmul_at_b};
use crate::simd::{self, F32s};
use crate::softmax::softmax_in_place;
use crate::{Rows, Tensor};
use rayon::prelude::*;

/// Layout of queries, keys and values: a matrix `[batch * length, 3 * heads * head_width]`, in
/// which each row has the queries of all heads, then the keys, then the values of one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Sequences.
    pub batch: usize,
    /// Positions in a sequence.
    pub length: usize,
    /// Heads.
    pub heads: usize,
    /// Numbers in a query, key or value of one head.
    pub head_width: usize,
}

impl Shape {
    /// Returns the numbers of all heads together.
    pub const fn width(self) -> usize {
        self.heads * self.head_width
    }

    /// Returns the positions of all sequences together: the rows of the matrices.
    pub const fn rows(self) -> usize {
        self.batch * self.length
    }

    /// Returns the floating-point operations of the forward pass's products; the backward pass has
    /// twice as many.
    pub const fn flops(self) -> u64 {
        2 * self.scores().flops() * (self.batch * self.heads) as u64
    }

    /// Of `S[length, length] = q[length, head width] k^T`.
    const fn scores(self) -> Dims {
        Dims {
            m: self.length,
            k: self.head_width,
            n: self.length,
        }
    }

    /// Of `out[length, head width] = P[length, length] v`.
    const fn values(self) -> Dims {
        Dims {
            m: self.length,
            k: self.length,
            n: self.head_width,
        }
    }

    /// Numbers in q, k or v of one head.
    const fn part(self) -> usize {
        self.length * self.head_width
    }

    fn scale(self) -> f32 {
        1.0 / (self.head_width as f32).sqrt()
    }
}

/// Data for the backward pass.
#[derive(Debug)]
pub struct Saved {
    /// q (divided by the root of the head width), k and v of each head apart: `[batch * heads, 3,
    /// length, head width]`.
    parts: Tensor,
    /// P, `[batch * heads, length, length]`.
    weights: Tensor,
}

/// Returns the attention of `qkv`, `[batch * length, 3 width]`: `[batch * length, width]`.
///
/// # Panics
/// When `qkv` does not hold the matrix that `shape` asks for.
pub fn forward(qkv: &[f32], shape: Shape, on: Resources) -> (Tensor, Saved) {
    let Shape {
        batch,
        length,
        heads,
        head_width,
    } = shape;
    Rows {
        rows: shape.rows(),
        cols: 3 * shape.width(),
    }
    .check("qkv", qkv);
    let mut out = on.scratch(&[shape.rows(), shape.width()]);
    let mut saved = Saved {
        parts: on.scratch(&[batch * heads, 3, length, head_width]),
        weights: on.scratch(&[batch * heads, length, length]),
    };
    let sequence = |scratch: &mut Tensor,
                    parts: &mut [f32],
                    weights: &mut [f32],
                    qkv: &[f32],
                    out: &mut [f32]| {
        let heads = parts
            .chunks_exact_mut(3 * shape.part())
            .zip(weights.chunks_exact_mut(length * length));
        for (head, (parts, weights)) in heads.enumerate() {
            let of = scratch.as_mut_slice();
            forward_head(
                shape,
                head,
                Forward {
                    parts,
                    weights,
                    of,
                    qkv,
                    out,
                },
            );
        }
    };
    let shares = (
        heads * 3 * shape.part(),
        heads * length * length,
        length * 3 * shape.width(),
        length * shape.width(),
    );
    let (parts, weights, out_numbers) = (
        saved.parts.as_mut_slice(),
        saved.weights.as_mut_slice(),
        out.as_mut_slice(),
    );
    let scratch = || on.scratch(&[length, head_width]);
    match on.threads {
        Threads::One => {
            let mut scratch = scratch();
            let inner = parts
                .chunks_exact_mut(shares.0)
                .zip(weights.chunks_exact_mut(shares.1));
            let outer = qkv
                .chunks_exact(shares.2)
                .zip(out_numbers.chunks_exact_mut(shares.3));
            inner.zip(outer).for_each(|((parts, weights), (qkv, out))| {
                sequence(&mut scratch, parts, weights, qkv, out);
            });
        }
        Threads::RayonPool => {
            let inner = parts
                .par_chunks_exact_mut(shares.0)
                .zip(weights.par_chunks_exact_mut(shares.1));
            let outer = qkv
                .par_chunks_exact(shares.2)
                .zip(out_numbers.par_chunks_exact_mut(shares.3));
            inner
                .zip(outer)
                .for_each_init(scratch, |scratch, ((parts, weights), (qkv, out))| {
                    sequence(scratch, parts, weights, qkv, out);
                });
        }
    }
    (out, saved)
}

/// The memory of one head's forward pass; `qkv` and `out` are of its whole sequence.
struct Forward<'a> {
    parts: &'a mut [f32],
    weights: &'a mut [f32],
    of: &'a mut [f32],
    qkv: &'a [f32],
    out: &'a mut [f32],
}

fn forward_head(shape: Shape, head: usize, memory: Forward<'_>) {
    let Forward {
        parts,
        weights,
        of,
        qkv,
        out,
    } = memory;
    let length = shape.length;
    for (which, part) in parts.chunks_exact_mut(shape.part()).enumerate() {
        gather(qkv, Columns::of(shape, which, head, 3), part);
    }
    let (q, kv) = parts.split_at_mut(shape.part());
    let (k, v) = kv.split_at(shape.part());
    let scale = F32s::splat(shape.scale());
    simd::map_in_place(q, |q| q * scale);
    matmul_a_bt(q, k, weights, shape.scores());
    for (i, row) in weights.chunks_exact_mut(length).enumerate() {
        softmax_in_place(
            &mut row[..=i],
            Rows {
                rows: 1,
                cols: i + 1,
            },
        );
        row[i + 1..].fill(0.0);
    }
    matmul(weights, v, of, shape.values());
    scatter(of, Columns::of(shape, 0, head, 1), out);
}

/// Returns the gradient of qkv, `[batch * length, 3 width]`, given that of the result.
///
/// # Panics
/// When `dy` does not hold the matrix `[batch * length, width]`.
pub fn backward(saved: &Saved, dy: &[f32], shape: Shape, on: Resources) -> Tensor {
    let Shape { length, heads, .. } = shape;
    Rows {
        rows: shape.rows(),
        cols: shape.width(),
    }
    .check("dy", dy);
    let mut dqkv = on.scratch(&[shape.rows(), 3 * shape.width()]);
    let sequence =
        |scratch: &mut Tensor, parts: &[f32], weights: &[f32], dy: &[f32], dqkv: &mut [f32]| {
            let heads = parts
                .chunks_exact(3 * shape.part())
                .zip(weights.chunks_exact(length * length));
            for (head, (parts, weights)) in heads.enumerate() {
                backward_head(
                    shape,
                    head,
                    Backward {
                        parts,
                        weights,
                        scratch: scratch.as_mut_slice(),
                        dy,
                        dqkv,
                    },
                );
            }
        };
    let shares = (
        heads * 3 * shape.part(),
        heads * length * length,
        length * shape.width(),
        length * 3 * shape.width(),
    );
    let (parts, weights, dqkv_numbers) = (
        saved.parts.as_slice(),
        saved.weights.as_slice(),
        dqkv.as_mut_slice(),
    );
    let scratch = || on.scratch(&[4 * shape.part() + length * length]);
    match on.threads {
        Threads::One => {
            let mut scratch = scratch();
            let inner = parts
                .chunks_exact(shares.0)
                .zip(weights.chunks_exact(shares.1));
            let outer = dy
                .chunks_exact(shares.2)
                .zip(dqkv_numbers.chunks_exact_mut(shares.3));
            inner.zip(outer).for_each(|((parts, weights), (dy, dqkv))| {
                sequence(&mut scratch, parts, weights, dy, dqkv);
            });
        }
        Threads::RayonPool => {
            let inner = parts
                .par_chunks_exact(shares.0)
                .zip(weights.par_chunks_exact(shares.1));
            let outer = dy
                .par_chunks_exact(shares.2)
                .zip(dqkv_numbers.par_chunks_exact_mut(shares.3));
            inner
                .zip(outer)
                .for_each_init(scratch, |scratch, ((parts, weights), (dy, dqkv))| {
                    sequence(scratch, parts, weights, dy, dqkv);
                });
        }
    }
    dqkv
}

/// The memory of one head's backward pass; `dy` and `dqkv` are of its whole sequence.
struct Backward<'a> {
    parts: &'a [f32],
    weights: &'a [f32],
    scratch: &'a mut [f32],
    dy: &'a [f32],
    dqkv: &'a mut [f32],
}

fn backward_head(shape: Shape, head: usize, memory: Backward<'_>) {
    let Backward {
        parts,
        weights,
        scratch,
        dy,
        dqkv,
    } = memory;
    let (part, length) = (shape.part(), shape.length);
    let (q, kv) = parts.split_at(part);
    let (k, v) = kv.split_at(part);
    let (dout, rest) = scratch.split_at_mut(part);
    let (d_parts, d_scores) = rest.split_at_mut(3 * part);
    let (dq, dkv) = d_parts.split_at_mut(part);
    let (dk, dv) = dkv.split_at_mut(part);

    gather(dy, Columns::of(shape, 0, head, 1), dout);
    matmul_a_bt(dout, v, d_scores, shape.scores());
    matmul_at_b(weights, dout, dv, shape.values());
    backward_in_place(
        weights,
        d_scores,
        Rows {
            rows: length,
            cols: length,
        },
    );
    matmul(d_scores, k, dq, shape.values());
    // q was saved with the scale included, so dk is complete; dq still lacks it.
    matmul_at_b(d_scores, q, dk, shape.values());
    let scale = F32s::splat(shape.scale());
    simd::map_in_place(dq, |dq| dq * scale);
    for (which, d_part) in [&*dq, &*dk, &*dv].into_iter().enumerate() {
        scatter(d_part, Columns::of(shape, which, head, 3), dqkv);
    }
}

/// Some columns of a matrix.
#[derive(Clone, Copy)]
struct Columns {
    first: usize,
    count: usize,
    /// Columns of the whole matrix.
    of: usize,
}

impl Columns {
    /// Returns the columns of a head in part `which` of a matrix that has `parts` parts side by
    /// side.
    fn of(shape: Shape, which: usize, head: usize, parts: usize) -> Self {
        let first = which * shape.width() + head * shape.head_width;
        Self {
            first,
            count: shape.head_width,
            of: parts * shape.width(),
        }
    }
}

fn gather(matrix: &[f32], columns: Columns, part: &mut [f32]) {
    for (row, part) in matrix
        .chunks_exact(columns.of)
        .zip(part.chunks_exact_mut(columns.count))
    {
        part.copy_from_slice(&row[columns.first..][..columns.count]);
    }
}

fn scatter(part: &[f32], columns: Columns, matrix: &mut [f32]) {
    for (row, part) in matrix
        .chunks_exact_mut(columns.of)
        .zip(part.chunks_exact(columns.count))
    {
        row[columns.first..][..columns.count].copy_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, assert_gradients, assert_near, dot, wide};
    use super::super::reference;
    use super::*;

    fn shapes() -> impl Iterator<Item = Shape> {
        let all = [
            (1, 1, 1, 1),
            (1, 5, 1, 3),
            (2, 1, 2, 4),
            (3, 7, 2, 5),
            (1, 19, 3, 2),
        ];
        all.into_iter()
            .map(|(batch, length, heads, head_width)| Shape {
                batch,
                length,
                heads,
                head_width,
            })
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for shape in shapes() {
            let Case { x, dy } = Case::new(
                shape.rows() * 3 * shape.width(),
                shape.rows() * shape.width(),
            );
            let (y, saved) = forward(&x, shape, Resources::POOLED);
            let dx = backward(&saved, &dy, shape, Resources::POOLED);
            assert_near(
                y.as_slice(),
                &reference::attention(&wide(&x), shape),
                5e-6,
                "result",
            );
            let loss = |x: &[Vec<f64>]| dot(&wide(&dy), &reference::attention(&x[0], shape));
            assert_gradients(&mut [wide(&x)], &[dx.as_slice().to_vec()], 1e-5, &loss);
        }
    }

    #[test]
    fn threads_change_nothing() {
        let parallel = Resources {
            threads: Threads::RayonPool,
            ..Resources::POOLED
        };
        for shape in shapes() {
            let Case { x, dy } = Case::new(
                shape.rows() * 3 * shape.width(),
                shape.rows() * shape.width(),
            );
            let both = [Resources::POOLED, parallel].map(|on| {
                let (y, saved) = forward(&x, shape, on);
                (y, backward(&saved, &dy, shape, on))
            });
            assert_eq!(both[0], both[1]);
        }
    }
}
