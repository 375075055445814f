//! Carrying out a plan: worker processes, one after the other, and what becomes of each.

pub(crate) mod anchored;
pub(crate) mod confine;
pub(crate) mod contest;
mod culprit;
mod ends;
pub(crate) mod event;
pub(crate) mod execute;
pub(crate) mod interrupt;
pub(crate) mod journal;
pub(crate) mod limits;
pub(crate) mod lock;
mod output;
pub(crate) mod pair;
pub(crate) mod process;
pub(crate) mod reap;
pub(crate) mod remains;
mod scratch;
pub(crate) mod series;
mod stalled;
mod watch;

pub(crate) use watch::can_fix_addresses;
