//! How fast memory is copied by one thread.

use std::hint::black_box;
use std::time::Instant;

/// The first copies find pages that the kernel has yet to give, and some meet others at the memory.
const COPIES: usize = 20;

/// Copies a buffer of so many bytes several times; the best rate in bytes per second, of what was
/// read and what was written together. Fetching lines before they are overwritten, as some CPUs do,
/// is not counted.
pub(crate) fn measure_copy(bytes: usize) -> f64 {
    let from = vec![1_u8; bytes];
    let mut to = vec![2_u8; bytes];
    let one = || {
        let start = Instant::now();
        to.copy_from_slice(black_box(&from));
        black_box(&to);
        start.elapsed().as_secs_f64()
    };
    let best = std::iter::repeat_with(one)
        .take(COPIES)
        .fold(f64::INFINITY, f64::min);
    2.0 * bytes as f64 / best.max(f64::MIN_POSITIVE)
}
