//! Plugins: finding, building and inspecting their files, describing what they offer, calling into
//! them.

mod advice;
mod artefacts;
pub(crate) mod build;
pub(crate) mod cargo;
pub(crate) mod catalog;
pub(crate) mod code;
mod command;
mod compiled_packages;
pub(crate) mod dependencies;
pub(crate) mod elf;
mod freshness;
mod leader;
mod lines;
mod manifest;
mod names;
mod overlay;
mod padding;
pub(crate) mod revision;
mod rustc_wrapper;
mod spec;

pub(crate) use spec::{PluginSource, PluginSpec, SandboxSpec};
