//! Plugins: finding, building and inspecting their files, describing what they offer, calling into them.

pub(crate) mod build;
pub(crate) mod cargo;
pub(crate) mod catalog;
pub(crate) mod elf;
mod spec;

pub(crate) use spec::{PluginSource, PluginSpec};
