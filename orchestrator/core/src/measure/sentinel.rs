//! The sentinel kernels: fixed work that measures only the machine. Their code is part of orch and
//! bound by latencies, so neither a plugin nor the compiler's choices affect them.

use crate::random::SeededRandom;
use std::hint::black_box;
use std::time::Instant;

/// Samples of each kernel in a reading.
const SAMPLES: usize = 12;
/// Dependent multiplications of a sample: about 0.1 ms, in registers only.
const STEPS: u64 = 64 << 10;
/// Bytes of a line; the chase touches each line once in a round.
const LINE: usize = 64;
/// Bytes of the chase: more than a core's own caches hold, and less than most shared caches do.
const RING: usize = 4 << 20;
/// Lines visited in a sample.
const VISITS: usize = 8 << 10;

/// Durations of samples in nanoseconds, in the order taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KernelSamples {
    /// A chain of dependent multiplications. It depends on the core's clock and on other users of
    /// the core.
    pub compute_ns: Vec<u64>,
    /// A walk through memory in an order that no prefetcher can predict. It depends on caches,
    /// memory, and their other users.
    pub memory_ns: Vec<u64>,
}

/// The kernels with their memory touched and ready.
pub(crate) struct PreparedKernels {
    ring: Vec<CacheLine>,
}

impl PreparedKernels {
    /// Allocates and touches the memory.
    pub fn new() -> Self {
        Self {
            ring: shuffled_ring(),
        }
    }

    /// Takes one reading, in a few milliseconds.
    pub fn read(&self) -> KernelSamples {
        read(&self.ring)
    }
}

fn read(ring: &[CacheLine]) -> KernelSamples {
    let (mut samples, mut at, mut value) = (KernelSamples::default(), 0, 1);
    // The first samples meet cold caches and a core that has not reached its full speed.
    (0..SAMPLES / 2).for_each(|_| value = multiply_chain(value));
    samples
        .compute_ns
        .extend((0..SAMPLES).map(|_| time_work(|| value = multiply_chain(value))));
    (0..SAMPLES / 2).for_each(|_| at = chase_ring(ring, at));
    samples
        .memory_ns
        .extend((0..SAMPLES).map(|_| time_work(|| at = chase_ring(ring, at))));
    black_box((at, value));
    samples
}

fn time_work(work: impl FnOnce()) -> u64 {
    let start = Instant::now();
    work();
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Runs Knuth's generator step by step. Each step needs the one before it.
fn multiply_chain(mut value: u64) -> u64 {
    // If the compiler could see the factor, it would combine eight steps into one.
    let factor = black_box(6_364_136_223_846_793_005);
    for _ in 0..STEPS {
        value = value
            .wrapping_mul(factor)
            .wrapping_add(1_442_695_040_888_963_407);
    }
    value
}

fn chase_ring(ring: &[CacheLine], mut at: usize) -> usize {
    for _ in 0..VISITS {
        at = ring[at].next;
    }
    at
}

/// A line with the number of the next line.
#[repr(align(64))]
struct CacheLine {
    next: usize,
}

/// Returns all lines in one cycle, in an order that is always the same (Sattolo's algorithm).
fn shuffled_ring() -> Vec<CacheLine> {
    let mut random = SeededRandom::from_seed(7);
    let mut order: Vec<usize> = (0..RING / LINE).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, random.draw_from(0..last));
    }
    order.into_iter().map(|next| CacheLine { next }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_is_one_cycle() {
        let ring = shuffled_ring();
        let (mut at, mut length) = (ring[0].next, 1);
        while at != 0 {
            at = ring[at].next;
            length += 1;
        }
        assert_eq!(length, RING / LINE);
    }

    #[test]
    fn reading_has_all_samples_and_each_took_time() {
        let samples = PreparedKernels::new().read();
        for kernel in [samples.compute_ns, samples.memory_ns] {
            assert_eq!(kernel.len(), SAMPLES);
            assert!(kernel.iter().all(|ns| *ns > 0), "{kernel:?}");
        }
    }
}
