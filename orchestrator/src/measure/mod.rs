//! Readings of the clock, and figures from samples.

pub(crate) mod bandwidth;
pub(crate) mod clock;
pub(crate) mod interval;
pub(crate) mod rounding;
pub(crate) mod sentinel;
