//! The names that every plugin uses: `use orch_sdk::prelude::*;`.

pub use crate::{Better, Digest, Error, Metric, ParamValue, Params, Result, Workload};
pub use crate::{count, export_plugin, scope};
