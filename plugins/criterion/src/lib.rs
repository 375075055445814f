//! The API of criterion over the plugin ABI of `orch`: a bench file that was written for criterion
//! is compiled, unchanged, against this crate instead of criterion, and becomes a plugin. Each
//! benchmark is a workload of it.
//!
//! `orch` builds the crate around a bench file; a scenario only names the file
//! (`criterion: benches/parse.rs`). Criterion's own settings (sample size, warm-up and measurement
//! time, plots) are accepted and have no effect, because `orch` decides how it measures.
//!
//! A benchmark calls `iter` once and expects the harness to run inside that call, while `orch`
//! calls a plugin once per sample. A coroutine on the calling thread joins the two: the bench
//! function stays suspended inside `iter`, and each sample resumes it. Nothing runs on another
//! thread, so allocations are counted exactly.

#[doc(hidden)]
pub mod plugin;

mod batch_size;
mod bench_code;
mod bench_name;
mod bencher;
mod configuration;
mod criterion;
mod fiber;
mod group;
mod listing;
pub mod measurement;
mod throughput;
mod walk;

pub use batch_size::BatchSize;
pub use bench_name::{BenchmarkId, IntoBenchmarkId};
pub use bencher::Bencher;
pub use configuration::{AxisScale, PlotConfiguration, PlottingBackend, SamplingMode};
pub use criterion::Criterion;
pub use group::BenchmarkGroup;
pub use std::hint::black_box;
pub use throughput::Throughput;

#[doc(hidden)]
pub use orch_sdk::{abi, cpu};
#[doc(hidden)]
pub use walk::visit_target;

/// Defines a group of benchmark functions, in either of criterion's two forms.
#[macro_export]
macro_rules! criterion_group {
    (name = $name:ident; config = $config:expr; targets = $($target:path),+ $(,)*) => {
        pub fn $name() {
            let mut criterion: $crate::Criterion<_> = $config.configure_from_args();
            $($crate::visit_target(stringify!($target), $target as fn(&mut _), &mut criterion);)+
        }
    };
    ($name:ident, $($target:path),+ $(,)*) => {
        $crate::criterion_group! {
            name = $name;
            config = $crate::Criterion::default();
            targets = $($target),+
        }
    };
}

/// Exports the benchmarks of the groups as a plugin, in place of criterion's `main`.
#[macro_export]
macro_rules! criterion_main {
    ($($group:path),+ $(,)*) => {
        const _: () = {
            struct Exported;

            impl $crate::plugin::Benches for Exported {
                const NAME: &'static str = env!("CARGO_PKG_NAME");
                const VERSION: &'static str = env!("CARGO_PKG_VERSION");

                fn visit_all() {
                    $($group();)+
                }
            }

            #[unsafe(no_mangle)]
            pub static orch_plugin_v1: $crate::abi::Plugin = $crate::plugin::table::<Exported>();

            #[unsafe(no_mangle)]
            pub static orch_plugin_cpu_features: [u8; $crate::cpu::LIST_LEN] = $crate::cpu::LIST;
        };
    };
}
