//! Plugins: finding, building and inspecting their files, describing their workloads, comparing
//! their machine code.

mod advice;
mod artefacts;
mod bench_crate;
pub(crate) mod build;
mod build_group;
mod build_lock;
pub(crate) mod cargo;
pub(crate) mod catalog;
pub(crate) mod code;
mod command;
mod compiled_packages;
pub(crate) mod dependencies;
pub(crate) mod elf;
mod freshness;
mod lent_lock;
pub(crate) mod manifest;
mod overlay;
mod package_index;
mod padding;
pub(crate) mod revision;
mod rustc_wrapper;
mod source_lines;
mod spec;
mod symbol_names;

pub(crate) use bench_crate::{PackageSurvey, survey_packages};
pub(crate) use spec::{BuiltinPlugin, PluginSource, PluginSpec, SandboxSpec};
