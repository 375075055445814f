//! Tests of the whole program on scenarios, revisions and records.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/history.rs"]
mod history;
#[path = "../support/mod.rs"]
mod support;

mod acceptances;
mod anchor;
mod bad_input;
mod bisect;
mod bisect_refusals;
mod bisect_scripted;
mod check;
mod ci_doc;
mod compare;
mod completions;
mod contradictions;
mod doctor;
mod failing_io;
mod help;
mod import;
mod init;
mod interplay;
mod json_keys;
mod limits;
mod lock;
mod measuring;
mod outcomes;
mod overlay;
mod pages;
mod precision;
mod provenance;
mod report;
mod time;
mod verify;
