//! Causal attention of new positions to themselves and to earlier ones. Keys and values are stored
//! in the layout in which sums are fastest.

use crate::matmul::{self, Part, PartMut, matmul_parts};
use crate::pool::Pool;
use crate::shape::Rows;
use crate::simd::{self, F32s, LANES};
use crate::softmax;
use crate::tensor::Tensor;

/// Keys and values of `layers` blocks, for the heads of one thread.
pub(super) struct Cache {
    dims: Dims,
    /// `[layers, heads, head_dim, positions]`: a score sums over head_dim, so vectors hold
    /// neighbouring positions.
    keys: Tensor,
    /// `[layers, heads, positions, head_dim]`: a result sums over positions, so vectors hold
    /// neighbouring numbers.
    values: Tensor,
}

/// Dimensions of a [`Cache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dims {
    pub layers: usize,
    pub heads: usize,
    pub head_dim: usize,
    pub positions: usize,
}

impl Dims {
    /// Returns the distance between rows of the keys: whole vectors, so that reading past the last
    /// position stays inside the row.
    fn stride(self) -> usize {
        self.positions.next_multiple_of(LANES)
    }

    /// Returns the distance between rows of the values.
    fn width(self) -> usize {
        self.head_dim.next_multiple_of(LANES)
    }

    /// Returns the size of the scratch space that [`Cache::attend`] needs for the scores of up to
    /// `rows` positions.
    pub fn scores(self, rows: usize) -> usize {
        self.stride() * rows.min(ROWS)
    }
}

impl Cache {
    /// Obtains storage for all positions; its contents are unspecified.
    pub fn new(dims: Dims, pool: Pool) -> Self {
        let Dims {
            layers,
            heads,
            head_dim,
            positions,
        } = dims;
        Self {
            dims,
            keys: pool.scratch(&[layers, heads, head_dim, dims.stride()]),
            values: pool.scratch(&[layers, heads, positions, dims.width()]),
        }
    }

    /// Returns the dimensions.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Stores the key and the value, each `[heads, head_dim]`, of one position of a block.
    pub fn store(&mut self, layer: usize, position: usize, key: &[f32], value: &[f32]) {
        let Dims {
            heads,
            head_dim,
            positions,
            ..
        } = self.dims;
        let (stride, width) = (self.dims.stride(), self.dims.width());
        let keys = &mut self.keys.as_mut_slice()[layer * heads * head_dim * stride..]
            [..heads * head_dim * stride];
        for (row, &number) in keys.chunks_exact_mut(stride).zip(key) {
            row[position] = number;
        }
        let values = &mut self.values.as_mut_slice()[layer * heads * positions * width..]
            [..heads * positions * width];
        for (rows, head) in values
            .chunks_exact_mut(positions * width)
            .zip(value.chunks_exact(head_dim))
        {
            rows[position * width..][..head_dim].copy_from_slice(head);
        }
    }

    /// Writes the attention of each new position to `mixed`, `[rows, heads, head_dim]`: the values
    /// of this and the earlier positions, weighted by the softmax of their keys' products with its
    /// query. The queries are the first third of each row of `qkv`, `[rows, 3, heads, head_dim]`,
    /// already scaled. `cached` positions come before them, and all have been stored. `scores` is
    /// scratch space.
    pub fn attend(
        &self,
        layer: usize,
        cached: usize,
        qkv: &[f32],
        scores: &mut [f32],
        mixed: &mut [f32],
    ) {
        let Dims {
            heads, head_dim, ..
        } = self.dims;
        let own = heads * head_dim;
        if mixed.len() == own {
            return self.attend_one(layer, cached + 1, &qkv[..own], scores, mixed);
        }
        let mut cached = cached;
        for (qkv, mixed) in qkv.chunks(ROWS * 3 * own).zip(mixed.chunks_mut(ROWS * own)) {
            self.attend_some(layer, cached, qkv, scores, mixed);
            cached += ROWS;
        }
    }

    /// Computes one position, the last of `count`.
    fn attend_one(
        &self,
        layer: usize,
        count: usize,
        query: &[f32],
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        let (head_dim, stride, width) = (self.dims.head_dim, self.dims.stride(), self.dims.width());
        let heads = query
            .chunks_exact(head_dim)
            .zip(out.chunks_exact_mut(head_dim));
        for ((keys, values), (query, out)) in self.heads(layer).zip(heads) {
            products(
                query,
                keys,
                stride,
                &mut scores[..count.next_multiple_of(LANES)],
            );
            softmax::softmax_in_place(
                &mut scores[..count],
                Rows {
                    rows: 1,
                    cols: count,
                },
            );
            mix(&scores[..count], &values[..count * width], width, out);
        }
    }

    /// Computes up to [`ROWS`] positions, as products of matrices. Scores of later positions are
    /// computed too and set to 0.
    fn attend_some(
        &self,
        layer: usize,
        cached: usize,
        qkv: &[f32],
        scores: &mut [f32],
        mixed: &mut [f32],
    ) {
        let (head_dim, stride, width) = (self.dims.head_dim, self.dims.stride(), self.dims.width());
        let own = self.dims.heads * head_dim;
        let rows = mixed.len() / own;
        let count = cached + rows;
        let scores = &mut scores[..rows * stride];
        for (head, (keys, values)) in self.heads(layer).enumerate() {
            let queries = Part {
                numbers: &qkv[head * head_dim..],
                stride: 3 * own,
            };
            let dims = matmul::Dims {
                m: rows,
                k: head_dim,
                n: count.next_multiple_of(LANES),
            };
            matmul_parts(
                queries,
                Part {
                    numbers: keys,
                    stride,
                },
                PartMut {
                    numbers: scores,
                    stride,
                },
                dims,
            );
            for (row, scores) in scores.chunks_exact_mut(stride).enumerate() {
                let (seen, ahead) = scores[..count].split_at_mut(cached + row + 1);
                softmax::softmax_in_place(
                    seen,
                    Rows {
                        rows: 1,
                        cols: seen.len(),
                    },
                );
                ahead.fill(0.0);
            }
            let out = PartMut {
                numbers: &mut mixed[head * head_dim..],
                stride: own,
            };
            let dims = matmul::Dims {
                m: rows,
                k: count,
                n: head_dim,
            };
            matmul_parts(
                Part {
                    numbers: scores,
                    stride,
                },
                Part {
                    numbers: values,
                    stride: width,
                },
                out,
                dims,
            );
        }
    }

    /// Returns the keys and values of each head.
    fn heads(&self, layer: usize) -> impl Iterator<Item = (&[f32], &[f32])> {
        let Dims {
            heads,
            head_dim,
            positions,
            ..
        } = self.dims;
        let (keys, values) = (head_dim * self.dims.stride(), positions * self.dims.width());
        let of_layer =
            self.keys.as_slice()[layer * heads * keys..][..heads * keys].chunks_exact(keys);
        of_layer.zip(self.values.as_slice()[layer * heads * values..].chunks_exact(values))
    }
}

/// Positions whose scores are computed together: enough for the products, few enough for the cache.
const ROWS: usize = 64;

/// Writes `sum over d of query[d] keys[d, t]` to `scores[t]`, a whole number of vectors, four of
/// them at a time.
fn products(query: &[f32], keys: &[f32], stride: usize, scores: &mut [f32]) {
    let (blocks, rest) = scores.as_chunks_mut::<{ 4 * LANES }>();
    let mut first = 0;
    for block in blocks {
        let sums = columns::<4>(query, keys, stride, first);
        for (to, sum) in block.as_chunks_mut().0.iter_mut().zip(sums) {
            *to = sum.to_array();
        }
        first += 4 * LANES;
    }
    for to in rest.as_chunks_mut().0 {
        let [sum] = columns::<1>(query, keys, stride, first);
        *to = sum.to_array();
        first += LANES;
    }
}

/// Computes `V` neighbouring vectors of the product of a row with a matrix, from column `first` on.
#[inline(always)]
fn columns<const V: usize>(row: &[f32], matrix: &[f32], stride: usize, first: usize) -> [F32s; V] {
    // Two chains for each vector, because a chain waits for its last addition.
    let mut sums = [[F32s::splat(0.0); V]; 2];
    let add = |sums: &mut [F32s; V], number: f32, line: &[f32]| {
        let vectors = line[first..first + V * LANES].as_chunks().0;
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            *sum = F32s::splat(number).mul_add(simd::load(vector), *sum);
        }
    };
    let (pairs, odd) = row.as_chunks::<2>();
    let mut lines = matrix.chunks_exact(stride);
    for pair in pairs {
        for (sums, &number) in sums.iter_mut().zip(pair) {
            add(sums, number, lines.next().unwrap_or_default());
        }
    }
    for &number in odd {
        add(&mut sums[0], number, lines.next().unwrap_or_default());
    }
    std::array::from_fn(|v| sums[0][v] + sums[1][v])
}

/// Writes `sum over t of weights[t] values[t, d]` to `out[d]`; rows of the values are `width`
/// numbers apart.
fn mix(weights: &[f32], values: &[f32], width: usize, out: &mut [f32]) {
    let mut first = 0;
    for out in out.chunks_mut(2 * LANES) {
        if out.len() > LANES {
            write(out, mixed::<2>(weights, values, width, first));
        } else {
            write(out, mixed::<1>(weights, values, width, first));
        }
        first += 2 * LANES;
    }
}

/// Computes `V` vectors of the mixture, from number `first` on, in four chains each.
#[inline(always)]
fn mixed<const V: usize>(weights: &[f32], values: &[f32], width: usize, first: usize) -> [F32s; V] {
    let mut sums = [[F32s::splat(0.0); V]; 4];
    let add = |sums: &mut [F32s; V], weight: f32, line: &[f32]| {
        for (sum, vector) in sums
            .iter_mut()
            .zip(line[first..first + V * LANES].as_chunks().0)
        {
            *sum = F32s::splat(weight).mul_add(simd::load(vector), *sum);
        }
    };
    let (fours, rest) = weights.as_chunks::<4>();
    let mut blocks = values.chunks_exact(4 * width);
    for (weights, block) in fours.iter().zip(&mut blocks) {
        for ((sums, &weight), line) in sums.iter_mut().zip(weights).zip(block.chunks_exact(width)) {
            add(sums, weight, line);
        }
    }
    for (&weight, line) in rest.iter().zip(blocks.remainder().chunks_exact(width)) {
        add(&mut sums[0], weight, line);
    }
    std::array::from_fn(|v| (sums[0][v] + sums[1][v]) + (sums[2][v] + sums[3][v]))
}

fn write<const V: usize>(out: &mut [f32], vectors: [F32s; V]) {
    for (out, vector) in out.chunks_mut(LANES).zip(vectors) {
        out.copy_from_slice(&vector.to_array()[..out.len()]);
    }
}
