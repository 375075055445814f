//! The vector type in which every kernel is written: the widest one that the build's target has
//! registers for.

#[cfg(not(target_feature = "avx"))]
pub(crate) use wide::{f32x4 as F32s, u32x4 as U32s};
#[cfg(all(target_feature = "avx", not(target_feature = "avx512f")))]
pub(crate) use wide::{f32x8 as F32s, u32x8 as U32s};
#[cfg(target_feature = "avx512f")]
pub(crate) use wide::{f32x16 as F32s, u32x16 as U32s};

/// Number of `f32`s in one vector register of this build: 16 (AVX-512), 8 (AVX) or 4.
pub const LANES: usize = size_of::<F32s>() / size_of::<f32>();

/// Loads one vector from a chunk of exactly `LANES` numbers; no alignment is needed.
#[inline(always)]
pub(crate) fn load(chunk: &[f32; LANES]) -> F32s {
    F32s::new(*chunk)
}

/// Loads fewer than `LANES` numbers and sets the other lanes to `fill`.
#[inline(always)]
pub(crate) fn load_part(values: &[f32], fill: f32) -> F32s {
    let mut lanes = [fill; LANES];
    lanes[..values.len()].copy_from_slice(values);
    F32s::new(lanes)
}

/// Returns the largest lane; a NaN lane may or may not win.
#[inline(always)]
pub(crate) fn reduce_max(v: F32s) -> f32 {
    // By halves, which the compiler turns into vector operations. Reducing lane by lane takes as
    // long as a row of softmax.
    let mut lanes = v.to_array();
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = if lanes[i] > lanes[i + half] {
                lanes[i]
            } else {
                lanes[i + half]
            };
        }
        half /= 2;
    }
    lanes[0]
}

/// Applies `f` to `x`, vector by vector, and writes the results to `out`.
///
/// The rest that fills no vector uses the same `f`, so a result never depends on its position.
#[inline(always)]
pub(crate) fn map(x: &[f32], out: &mut [f32], f: impl Fn(F32s) -> F32s) {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (out_chunks, out_rest) = out.as_chunks_mut::<LANES>();
    for (chunk, out) in chunks.iter().zip(out_chunks) {
        *out = f(load(chunk)).to_array();
    }
    if !rest.is_empty() {
        let lanes = f(load_part(rest, 0.0)).to_array();
        out_rest.copy_from_slice(&lanes[..rest.len()]);
    }
}

/// Replaces every number of `x` by `f` of it; see [`map`].
#[inline(always)]
pub(crate) fn map_in_place(x: &mut [f32], f: impl Fn(F32s) -> F32s) {
    let (chunks, rest) = x.as_chunks_mut::<LANES>();
    for chunk in chunks {
        *chunk = f(load(chunk)).to_array();
    }
    if !rest.is_empty() {
        let lanes = f(load_part(rest, 0.0)).to_array();
        rest.copy_from_slice(&lanes[..rest.len()]);
    }
}

/// Combines `a` and `b`, vector by vector, and writes the results to `out`; all three have one
/// length.
#[inline(always)]
pub(crate) fn zip(a: &[f32], b: &[f32], out: &mut [f32], f: impl Fn(F32s, F32s) -> F32s) {
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let (out_chunks, out_rest) = out.as_chunks_mut::<LANES>();
    for ((a, b), out) in a_chunks.iter().zip(b_chunks).zip(out_chunks) {
        *out = f(load(a), load(b)).to_array();
    }
    if !a_rest.is_empty() {
        let lanes = f(load_part(a_rest, 0.0), load_part(b_rest, 0.0)).to_array();
        out_rest.copy_from_slice(&lanes[..a_rest.len()]);
    }
}

/// Replaces every number of `a` by `f` of it and its partner in `b`; both have one length.
#[inline(always)]
pub(crate) fn zip_in_place(a: &mut [f32], b: &[f32], f: impl Fn(F32s, F32s) -> F32s) {
    let (a_chunks, a_rest) = a.as_chunks_mut::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter_mut().zip(b_chunks) {
        *a = f(load(a), load(b)).to_array();
    }
    if !a_rest.is_empty() {
        let lanes = f(load_part(a_rest, 0.0), load_part(b_rest, 0.0)).to_array();
        a_rest.copy_from_slice(&lanes[..a_rest.len()]);
    }
}

/// Folds `x` into one vector: `f` accumulates into four independent vectors, `join` merges two of
/// them.
///
/// There are four chains, because one chain of additions waits four cycles for each result.
#[inline(always)]
pub(crate) fn fold(
    x: &[f32],
    ends: Ends,
    f: impl Fn(F32s, F32s) -> F32s,
    join: impl Fn(F32s, F32s) -> F32s,
) -> F32s {
    let mut acc = [F32s::splat(ends.start); 4];
    let (blocks, rest) = x.as_chunks::<{ 4 * LANES }>();
    for block in blocks {
        let (chunks, _) = block.as_chunks::<LANES>();
        for (acc, chunk) in acc.iter_mut().zip(chunks) {
            *acc = f(*acc, load(chunk));
        }
    }
    let (chunks, rest) = rest.as_chunks::<LANES>();
    for (acc, chunk) in acc.iter_mut().zip(chunks) {
        *acc = f(*acc, load(chunk));
    }
    if !rest.is_empty() {
        acc[3] = f(acc[3], load_part(rest, ends.padding));
    }
    join(join(acc[0], acc[1]), join(acc[2], acc[3]))
}

/// Values for the places without numbers in a [`fold`].
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    /// Initial contents of the accumulators; joining it to a result must not change the result.
    pub start: f32,
    /// Value of the lanes beyond the last number; accumulating it must change nothing.
    pub padding: f32,
}
