//! Owns all random choices. A seed repeats them, in every version of orch.
//!
//! The generator is `pcg32`. Its numbers are part of its definition, and so is the way to whole
//! numbers below a bound. A test compares both, and the shuffle, with the output that the author of
//! the algorithm published.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// Stream of all generators. Another one would give other numbers for the same seed.
const STREAM: u64 = 54;
/// Number of bits of a seed that orch chooses: a program that reads a record as JSON may hold
/// numbers as `f64`.
const SEED_BITS: u32 = 48;

/// Source of random choices that a seed determines.
#[derive(Debug, Clone)]
pub struct SeededRandom(Pcg32);

impl SeededRandom {
    /// Returns a generator that makes the same choices for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(Pcg32::new(seed, STREAM))
    }

    /// Draws a generator. However many numbers are drawn from it, the next ones of `self` stay the
    /// same.
    pub fn draw_generator(&mut self) -> Self {
        Self::from_seed(self.draw_bits())
    }

    /// Draws 64 random bits.
    pub fn draw_bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Draws a number of the range.
    ///
    /// # Panics
    /// If the range is empty or has more than 2^32 - 1 numbers.
    pub fn draw_from(&mut self, range: Range<usize>) -> usize {
        let count = u32::try_from(range.len()).expect("the callers' ranges are small");
        range.start + self.draw_below(count) as usize
    }

    /// Draws a number from 0 up to but not including 1.
    pub fn draw_fraction(&mut self) -> f64 {
        // The bits that an `f64` holds exactly.
        (self.draw_bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Puts items in a random order; all orders are equally likely.
    pub fn shuffle_items<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.draw_from(0..last + 1));
        }
    }

    /// Draws a number below a bound. The lowest numbers of the generator are left out, so that the
    /// others divide evenly (`pcg32_boundedrand_r`).
    fn draw_below(&mut self, bound: u32) -> u32 {
        let left_out = bound.wrapping_neg() % bound;
        loop {
            let number = self.0.next_u32();
            if number >= left_out {
                return number % bound;
            }
        }
    }
}

/// Draws a seed from the system's randomness.
pub fn draw_seed() -> u64 {
    draw_system_bits() >> (u64::BITS - SEED_BITS)
}

/// Draws 64 bits that no seed determines. The standard library keys its hash maps with random bits
/// of the system.
pub fn draw_system_bits() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First round of `pcg32-demo -r`, whose generator has the seed 42 and the stream 54.
    #[test]
    fn numbers_are_those_of_the_published_algorithm() {
        let mut random = SeededRandom::from_seed(42);
        let first = [
            0xa15c_02b7,
            0x7b47_f409,
            0xba1d_3330,
            0x83d2_f293,
            0xbfa4_784b,
            0xcbed_606e,
        ];
        assert_eq!([(); 6].map(|()| random.0.next_u32()), first);
        let coins: String = (0..65)
            .map(|_| ['T', 'H'][random.draw_from(0..2)])
            .collect();
        assert_eq!(
            coins,
            "HHTTTHTHHHTHTTTHHHHHTTTHHHTHTHTHTTHTTTHHHHHHTTTTHHTTTTTHTTTTTTTHT"
        );
        let rolls = [(); 33].map(|()| random.draw_from(1..7));
        assert_eq!(
            rolls,
            [
                3, 4, 1, 1, 2, 2, 3, 2, 4, 3, 2, 4, 3, 3, 5, 2, 3, 1, 3, 1, 5, 1, 4, 1, 5, 6, 4, 6,
                6, 2, 6, 3, 3
            ]
        );
        let mut cards: Vec<String> = "A23456789TJQK"
            .chars()
            .flat_map(|number| "hcds".chars().map(move |suit| format!("{number}{suit}")))
            .collect();
        random.shuffle_items(&mut cards);
        assert_eq!(
            cards.join(" "),
            "Qd Ks 6d 3s 3d 4c 3h Td Kc 5c Jh Kd Jd As 4s 4h Ad Th Ac Jc 7s Qs 2s 7h Kh 2d 6c Ah \
             4d Qh 9h 6s 5s 2c 9c Ts 8d 9s 3c 8c Js 5d 2h 6h 7d 8s 9d 5h 8h Qc 7c Tc"
        );
    }

    /// The algorithm defines numbers of 32 bits. Longer ones have the first as their lower half.
    #[test]
    fn longer_numbers_follow_from_the_published_ones() {
        assert_eq!(
            SeededRandom::from_seed(42).draw_bits(),
            0x7b47_f409_a15c_02b7
        );
        let fraction = SeededRandom::from_seed(42).draw_fraction();
        assert_eq!(
            fraction.to_bits(),
            (f64::from(0x7b47_f409u32) / 2f64.powi(32)
                + f64::from(0xa15c_02b7u32 >> 11) / 2f64.powi(53))
            .to_bits()
        );
    }

    #[test]
    fn drawn_generator_does_not_disturb_the_other() {
        let [mut used, mut unused] = [(); 2].map(|()| SeededRandom::from_seed(1));
        let (mut drawn, _) = (used.draw_generator(), unused.draw_generator());
        assert_ne!(drawn.draw_bits(), used.clone().draw_bits());
        assert_eq!(used.draw_bits(), unused.draw_bits());
    }

    #[test]
    fn seeds_of_orch_are_exact_in_json_of_other_programs() {
        let seeds = [(); 64].map(|()| draw_seed());
        assert!(seeds.iter().all(|seed| seed >> SEED_BITS == 0));
        assert!(seeds.iter().any(|seed| *seed != seeds[0]));
    }
}
