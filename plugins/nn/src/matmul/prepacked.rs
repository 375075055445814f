//! A right operand that is used many times: packed once, in the order in which both kernels below
//! read it.

use super::micro::{COLS, Panel, ROWS, Start, tile};
use super::operand::{Left, Out};
use crate::simd::{self, F32s, LANES};
use crate::tensor::Tensor;

/// Columns of a panel: those of one tile.
const WIDTH: usize = COLS * LANES;

/// The transpose of a linear layer's weights `W[out, in]`, as panels `[out / width][in][width]`,
/// the last one filled up with zeros: `C[m, out] = A[m, in] W^T` reads it once for one row of A,
/// four panels at a time, and once for each tile of rows otherwise, always in contiguous runs.
#[derive(Debug)]
pub struct Prepacked {
    panels: Tensor,
    ins: usize,
    outs: usize,
}

impl Prepacked {
    /// Packs a matrix of `outs` rows and `ins` columns. `number` returns the number at a row and
    /// column.
    ///
    /// # Panics
    /// When the matrix does not fit in memory.
    pub fn new(outs: usize, ins: usize, number: impl Fn(usize, usize) -> f32) -> Self {
        let mut panels = Tensor::zeros(&[outs.div_ceil(WIDTH), ins, WIDTH]);
        for (panel, numbers) in panels
            .as_mut_slice()
            .chunks_exact_mut((ins * WIDTH).max(1))
            .enumerate()
        {
            let first = panel * WIDTH;
            for (i, row) in numbers.chunks_exact_mut(WIDTH).enumerate() {
                for (o, to) in (first..outs).zip(row) {
                    *to = number(o, i);
                }
            }
        }
        Self { panels, ins, outs }
    }

    /// Returns the length of a row of A.
    pub fn ins(&self) -> usize {
        self.ins
    }

    /// Returns the length of a row of C.
    pub fn outs(&self) -> usize {
        self.outs
    }

    /// Writes `A W^T` to `c`, `[m, out]`, for `a`, `[m, in]`.
    ///
    /// # Panics
    /// When a slice does not hold m rows.
    pub fn multiply(&self, a: &[f32], c: &mut [f32], m: usize) {
        c.fill(0.0);
        self.accumulate(a, c, m);
    }

    /// Adds `A W^T` to `c`, `[m, out]`, for `a`, `[m, in]`.
    ///
    /// # Panics
    /// When a slice does not hold m rows.
    pub fn accumulate(&self, a: &[f32], c: &mut [f32], m: usize) {
        let Self { ins, outs, .. } = *self;
        assert!(
            a.len() == m * ins,
            "`a` holds {} numbers, [{m}, {ins}] was asked for",
            a.len()
        );
        assert!(
            c.len() == m * outs,
            "`c` holds {} numbers, [{m}, {outs}] was asked for",
            c.len()
        );
        if ins == 0 {
            return;
        }
        let panels = self.panels.as_slice();
        if m == 1 {
            return row_times_panels(a, panels, c);
        }
        for (index, panel) in panels.chunks_exact(ins * WIDTH).enumerate() {
            let first = index * WIDTH;
            rows_times_panel(
                a,
                ins,
                panel,
                &mut c[first..],
                outs,
                WIDTH.min(outs - first),
            );
        }
    }
}

/// Panels that one row of A passes through side by side. With two vectors in each these are eight
/// independent chains of additions, enough to hide their latency, and each number of A is loaded
/// once for all of them (a fifth faster than panel by panel where weights come from the
/// second-level cache).
const ABREAST: usize = 4;

/// Steps of k that a single panel, left over beyond the fours, takes at a time: eight chains again.
const STEPS: usize = 4;

/// Adds one row times all panels to `c`.
fn row_times_panels(a: &[f32], panels: &[f32], c: &mut [f32]) {
    let size = a.len() * WIDTH;
    for (panels, c) in panels
        .chunks(ABREAST * size)
        .zip(c.chunks_mut(ABREAST * WIDTH))
    {
        if panels.len() == ABREAST * size {
            row_times_four(a, panels, c);
        } else {
            panels
                .chunks_exact(size)
                .zip(c.chunks_mut(WIDTH))
                .for_each(|(panel, c)| row_times_panel(a, panel, c));
        }
    }
}

/// Adds one row times [`ABREAST`] panels to `c`.
#[inline(always)]
fn row_times_four(a: &[f32], panels: &[f32], c: &mut [f32]) {
    let mut panels = panels
        .chunks_exact(a.len() * WIDTH)
        .map(|panel| panel.as_chunks::<WIDTH>().0);
    let mut next = || panels.next().unwrap_or_default();
    let (p0, p1, p2, p3) = (next(), next(), next(), next());
    let mut sums = [[F32s::splat(0.0); COLS]; ABREAST];
    for ((((&a, p0), p1), p2), p3) in a.iter().zip(p0).zip(p1).zip(p2).zip(p3) {
        let a = F32s::splat(a);
        for (sums, row) in sums.iter_mut().zip([p0, p1, p2, p3]) {
            for (sum, vector) in sums.iter_mut().zip(row.as_chunks().0) {
                *sum = a.mul_add(simd::load(vector), *sum);
            }
        }
    }
    for (c, sums) in c.chunks_mut(WIDTH).zip(sums) {
        add_sums(c, sums);
    }
}

/// Adds the sums of a panel's columns to `c`, which ends with the last of them that exists.
#[inline(always)]
fn add_sums(c: &mut [f32], sums: [F32s; COLS]) {
    for (c, sum) in c.chunks_mut(LANES).zip(sums) {
        if let ([c], []) = c.as_chunks_mut::<LANES>() {
            *c = (simd::load(c) + sum).to_array();
        } else {
            c.iter_mut()
                .zip(sum.to_array())
                .for_each(|(c, sum)| *c += sum);
        }
    }
}

/// Adds one row times a panel to `c`, at most as wide as the panel.
#[inline(always)]
fn row_times_panel(a: &[f32], panel: &[f32], c: &mut [f32]) {
    let mut sums = [[F32s::splat(0.0); COLS]; STEPS];
    let (a_steps, a_rest) = a.as_chunks::<STEPS>();
    let (blocks, rest) = panel.as_chunks::<{ STEPS * WIDTH }>();
    for (a, block) in a_steps.iter().zip(blocks) {
        let (vectors, _) = block.as_chunks::<LANES>();
        for (u, sums) in sums.iter_mut().enumerate() {
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = F32s::splat(a[u]).mul_add(simd::load(&vectors[u * COLS + v]), *sum);
            }
        }
    }
    for (a, row) in a_rest.iter().zip(rest.as_chunks::<WIDTH>().0) {
        let (vectors, _) = row.as_chunks::<LANES>();
        for (sum, vector) in sums[0].iter_mut().zip(vectors) {
            *sum = F32s::splat(*a).mul_add(simd::load(vector), *sum);
        }
    }
    add_sums(
        c,
        std::array::from_fn(|v| (sums[0][v] + sums[1][v]) + (sums[2][v] + sums[3][v])),
    );
}

/// Adds rows of `k` numbers times a panel to the first `width` columns of as many rows of `c`,
/// `stride` numbers apart.
fn rows_times_panel(
    a: &[f32],
    k: usize,
    panel: &[f32],
    c: &mut [f32],
    stride: usize,
    width: usize,
) {
    let m = a.len() / k;
    let mut i = 0;
    while i < m {
        // Tiles are of nearly equal height: a tile of few rows would wait for its few sums.
        let left = m - i;
        let height = left.div_ceil(left.div_ceil(ROWS));
        let a = &a[i * k..][..height * k];
        let c = &mut c[i * stride..];
        if width == WIDTH {
            some_rows(a, k, panel, &mut c[..(height - 1) * stride + WIDTH], stride);
        } else {
            // The superfluous columns of the panel are computed on the stack.
            let mut wide = [0.0; ROWS * WIDTH];
            let wide = &mut wide[..height * WIDTH];
            for (wide, c) in wide.chunks_exact_mut(WIDTH).zip(c.chunks(stride)) {
                wide[..width].copy_from_slice(&c[..width]);
            }
            some_rows(a, k, panel, wide, WIDTH);
            for (wide, c) in wide.chunks_exact(WIDTH).zip(c.chunks_mut(stride)) {
                c[..width].copy_from_slice(&wide[..width]);
            }
        }
        i += height;
    }
}

/// Adds 1 to [`ROWS`] rows times a whole panel to rows of `c`.
fn some_rows(a: &[f32], k: usize, panel: &[f32], c: &mut [f32], stride: usize) {
    let height = a.len() / k;
    assert!(panel.len() == k * WIDTH && c.len() == (height - 1) * stride + WIDTH);
    let (a, c) = (Left::rows(a, k), Out::rows(c, stride));
    let panel = Panel {
        ptr: panel.as_ptr(),
        row: WIDTH,
    };
    // SAFETY: A holds `height` rows of k numbers, the panel k rows of a tile's width, and the rows
    // of C, of that width too, end with the slice that is borrowed mutably.
    unsafe {
        let tile = match height {
            8 => tile::<8, COLS>,
            7 => tile::<7, COLS>,
            6 => tile::<6, COLS>,
            5 => tile::<5, COLS>,
            4 => tile::<4, COLS>,
            3 => tile::<3, COLS>,
            2 => tile::<2, COLS>,
            _ => tile::<1, COLS>,
        };
        tile(k, a, panel, &c, Start::Sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, numbers};
    use crate::matmul::{Dims, reference};

    #[test]
    fn remainders_all_agree_with_the_reference() {
        for m in [1, 2, 3, 5, 8, 13, 16, 31] {
            for k in [0, 1, 3, 4, 7, 24, 65] {
                for n in [0, 1, LANES - 1, LANES + 1, WIDTH, WIDTH + 5, 3 * WIDTH] {
                    let (a, w) = (numbers(m * k, 1, 1.0), numbers(k * n, 2, 1.0));
                    let mut expected = vec![0.0; m * n];
                    reference(&a, &w, &mut expected, Dims { m, k, n });
                    let packed = Prepacked::new(n, k, |o, i| w[i * n + o]);
                    let mut c = vec![f32::NAN; m * n];
                    packed.multiply(&a, &mut c, m);
                    assert_close(&c, &expected, 1e-5, &format!("[{m}, {k}] [{k}, {n}]"));
                    packed.accumulate(&a, &mut c, m);
                    expected.iter_mut().for_each(|e| *e *= 2.0);
                    assert_close(
                        &c,
                        &expected,
                        2e-5,
                        &format!("[{m}, {k}] [{k}, {n}], added"),
                    );
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "`a` holds 3 numbers, [2, 2] was asked for")]
    fn wrong_dimensions_are_refused() {
        Prepacked::new(1, 2, |_, _| 0.0).multiply(&[0.0; 3], &mut [0.0; 2], 2);
    }
}
