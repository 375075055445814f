//! Execution of a plan in worker processes, one after the other, and the interpretation of how each
//! of them ends.

pub(crate) mod anchor_pairs;
mod cpu_starvation;
mod crash_site;
pub(crate) mod event;
pub(crate) mod interrupt;
pub(crate) mod journal;
pub(crate) mod lock;
pub(crate) mod orphans;
mod output_tail;
pub(crate) mod pair;
pub(crate) mod pair_series;
pub(crate) mod paired_workloads;
mod pass_ends;
pub(crate) mod plan_execution;
pub(crate) mod process;
pub(crate) mod sandbox_grants;
mod scrambled_times;
mod scratch_folder;
pub(crate) mod shell_limits;
mod watched_worker;
pub(crate) mod worker_exit;

pub(crate) use watched_worker::can_fix_addresses;
