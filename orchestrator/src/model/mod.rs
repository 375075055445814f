//! Typed facts that records and comparisons store: decisions use these types, and texts follow from
//! them.

pub(crate) mod export_format;
pub(crate) mod metric;
pub(crate) mod reason;
pub(crate) mod run_outcome;
pub(crate) mod warning;
