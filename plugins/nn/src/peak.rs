//! The arithmetic rate that no kernel can exceed, measured with fused multiply-adds in registers
//! only.

use std::hint::black_box;

use crate::simd::{F32s, LANES};

/// Independent chains: more than latency times throughput of any processor so far, and few enough
/// for 16 registers.
const CHAINS: usize = 12;

/// Floating-point operations in one round of [`multiply_adds`].
pub const FLOPS_PER_ROUND: u64 = 2 * (CHAINS * LANES) as u64;

/// Runs `rounds` of independent multiply-adds on vectors and returns a number that depends on all
/// of them.
///
/// Operations over duration is this thread's peak in this build: fused where the target has FMA,
/// else two instructions.
pub fn multiply_adds(rounds: u64) -> f32 {
    let factor = F32s::splat(black_box(0.999_999));
    let summand = F32s::splat(black_box(1e-6));
    let mut chains: [F32s; CHAINS] = std::array::from_fn(|i| F32s::splat(i as f32));
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = chain.mul_add(factor, summand);
        }
    }
    chains
        .into_iter()
        .fold(F32s::splat(0.0), |sum, chain| sum + chain)
        .reduce_add()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_all_count() {
        // Each chain converges to its fixed point, summand / (1 - factor), about 1.
        assert_ne!(multiply_adds(10), multiply_adds(11));
        let converged = multiply_adds(40_000_000) / (CHAINS * LANES) as f32;
        assert!((converged - 1.0).abs() < 0.2, "{converged}");
    }
}
