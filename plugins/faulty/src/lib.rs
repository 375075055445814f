//! A plugin that misbehaves on purpose, one way per workload: what the tests of `orch` measure
//! instead of a good one.

mod ends;
mod lasts;
mod memory;
mod output;
mod trigger;

use orch_sdk::export_plugin;
use trigger::Faulty;

export_plugin!(
    output::Good,
    Faulty<ends::Fails>,
    Faulty<ends::Unsupported>,
    Faulty<ends::Panics>,
    Faulty<ends::ThreadPanics>,
    Faulty<ends::Segfaults>,
    Faulty<ends::OverflowsStack>,
    Faulty<ends::Aborts>,
    Faulty<ends::Exits>,
    Faulty<lasts::Hangs>,
    Faulty<lasts::Sleeps>,
    Faulty<lasts::ForksDaemon>,
    Faulty<memory::TakesAll>,
    memory::Leak,
    memory::CLibrary,
    memory::Pool,
    Faulty<output::Noise>,
    output::Nondeterministic,
);
