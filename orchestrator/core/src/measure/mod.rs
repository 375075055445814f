//! Readings of the clock, and figures from samples.

pub mod bandwidth;
pub mod clock;
pub mod interval;
pub mod rounding;
pub mod sentinel;
