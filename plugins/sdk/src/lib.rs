//! Everything that a plugin of `orch` needs: the ABI, a safe trait on top of it, and the macro that
//! joins the two.
//!
//! A plugin is a library of `crate-type = ["cdylib"]` that depends on this crate:
//!
//! ```
//! use orch_sdk::prelude::*;
//!
//! #[derive(Params)]
//! struct SpinParams {
//!     /// Steps of the generator in one iteration
//!     #[param(default = 1000, range = 1..=1_000_000)]
//!     steps: u64,
//! }
//!
//! struct Spin {
//!     steps: u64,
//!     state: u64,
//! }
//!
//! impl Workload for Spin {
//!     const ID: &'static str = "spin";
//!     const ABOUT: &'static str = "A chain of dependent multiplications";
//!     const METRICS: &'static [Metric] = &[Metric::time_per("ns_per_step", "ns", "steps", 1e9)];
//!     type Params = SpinParams;
//!
//!     fn create(params: SpinParams) -> Result<Self> {
//!         Ok(Self { steps: params.steps, state: 1 })
//!     }
//!
//!     fn reset(&mut self) -> Result<()> {
//!         self.state = 1;
//!         Ok(())
//!     }
//!
//!     fn run(&mut self) -> Result<()> {
//!         scope!("chain");
//!         for _ in 0..self.steps {
//!             self.state = self.state.wrapping_mul(6364136223846793005).wrapping_add(1);
//!         }
//!         count!("steps", self.steps);
//!         Ok(())
//!     }
//!
//!     fn digest(&mut self) -> Result<Option<Digest>> {
//!         Ok(Some(Digest::integer(self.state)))
//!     }
//! }
//!
//! export_plugin!(Spin);
//! # fn main() {}
//! ```
//!
//! The host calls the methods of an instance in this order, all on one thread of a worker process:
//! [`Workload::create`], [`Workload::setup`], then any number of [`Workload::reset`],
//! [`Workload::run`] and [`Workload::digest`], then [`Workload::teardown`] and `Drop`.
//!
//! Plugins in other languages use `include/orch_plugin.h`, which is the same contract in C.

// The derive macro writes `::orch_sdk::..`, also in this crate's own unit tests.
#[cfg(test)]
extern crate self as orch_sdk;

pub mod abi;
#[doc(hidden)]
pub mod boundary;
pub mod cpu;
#[cfg(feature = "workloads")]
mod describe;
#[cfg(feature = "workloads")]
mod digest;
mod error;
#[cfg(feature = "workloads")]
#[doc(hidden)]
pub mod export;
#[doc(hidden)]
pub mod host;
#[cfg(feature = "workloads")]
mod metric;
#[cfg(feature = "workloads")]
mod nearest;
#[cfg(feature = "workloads")]
pub mod params;
#[cfg(feature = "workloads")]
pub mod prelude;
pub mod scope;
#[cfg(feature = "workloads")]
mod workload;

#[cfg(feature = "workloads")]
pub use digest::Digest;
pub use error::{Error, Result};
#[cfg(feature = "workloads")]
pub use metric::{Better, Metric, Per};
#[cfg(feature = "workloads")]
pub use orch_sdk_derive::Params;
#[cfg(feature = "workloads")]
pub use params::{ParamValue, Params};
#[cfg(feature = "workloads")]
pub use serde_json;
#[cfg(feature = "workloads")]
pub use workload::Workload;
