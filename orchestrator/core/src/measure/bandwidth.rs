//! The speed at which one thread copies memory.

use std::hint::black_box;
use std::time::Instant;

/// Number of copies. The first ones use pages that the kernel has yet to provide, and some compete
/// with other users of the memory.
const COPIES: usize = 20;

/// Copies a buffer of `bytes` bytes several times and returns the best rate in bytes per second,
/// with reads and writes added. Some CPUs fetch lines before they overwrite them; these reads are
/// not counted.
pub fn measure_copy(bytes: usize) -> f64 {
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
