//! Owns the judging of paired timings: samples of one pair of processes become a difference,
//! differences become an interval, intervals become findings. The code is pure: it uses no clock,
//! no process, no file and no randomness.
//!
//! Side A is the baseline, side B the candidate. Every difference is a log ratio d = ln(B/A):
//! positive means that B takes longer. The error rates rest on a single fact: with equal code on
//! both sides, each difference is as likely to be +x as -x, given all the magnitudes. Therefore no
//! sign may influence in this module how the data are summarised, how many turns are taken, or how
//! much a difference counts.

pub mod alarms;
pub mod assessment;
pub mod build_effect;
pub(crate) mod e_bh;
pub(crate) mod e_process;
pub mod estimate;
pub mod pair;
pub mod student_t;
pub mod turns;
pub mod verdict;

#[cfg(test)]
mod simulation;
