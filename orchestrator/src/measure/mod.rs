//! Reading the clock and turning samples into figures.

pub(crate) mod bandwidth;
pub(crate) mod clock;
pub(crate) mod interval;
pub(crate) mod rounding;
pub(crate) mod sentinel;
