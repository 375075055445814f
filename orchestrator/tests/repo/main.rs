//! Tests of the repository itself: its structure, its names and its words.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod decisions;
mod dependencies;
mod errors_doc;
mod layers;
mod named_tests;
mod names;
mod sizes;
mod sources;
mod templates;
mod timing;
mod words;
