//! Owns the judging of paired timings: samples of one pair of processes become a difference,
//! differences become an interval, intervals become findings. Pure code: no clock, no process, no
//! file, no randomness.
//!
//! Side A is the baseline, side B the candidate. Every difference is a log ratio d = ln(B/A):
//! positive means that B takes more. What the error rates rest on is one fact only: with equal code
//! on both sides, each difference is as likely to be +x as -x, given all the magnitudes. Nothing in
//! this module may therefore let a sign choose how the data are summarised, how many turns are
//! taken, or how large a difference is counted.

pub(crate) mod alarms;
pub(crate) mod assessment;
pub(crate) mod build_effect;
pub(crate) mod e_bh;
pub(crate) mod e_process;
pub(crate) mod estimate;
pub(crate) mod pair;
pub(crate) mod student_t;
pub(crate) mod turns;
pub(crate) mod verdict;

#[cfg(test)]
mod simulation;
