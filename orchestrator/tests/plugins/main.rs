//! Tests of the whole program with plugins: good ones, faulty ones, and those of the documents.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/history.rs"]
mod history;
#[path = "../support/mod.rs"]
mod support;

mod abi;
mod bisect_doc;
mod command;
mod counts;
mod criterion;
mod faults;
mod faults_doc;
mod faulty_sides;
mod leaks;
mod nasty;
mod plugin_check;
mod plugin_new;
mod plugins_that_fail;
mod sandbox;
mod tutorial;
mod zoo;
