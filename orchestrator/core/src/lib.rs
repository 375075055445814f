//! The parts of `orch` that measure and decide: the worker process with its counting allocator, the
//! statistics, and the search of a bisect. Nothing here depends on scenarios, git or the command
//! line. The crate is separate so that it can be optimised, while the rest mostly waits and
//! compiles faster.

mod counting;
pub mod format;
pub mod judge;
pub mod measure;
pub mod protocol;
pub mod random;
pub mod search;
pub mod worker;
