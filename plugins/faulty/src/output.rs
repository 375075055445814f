//! Workloads whose output is right, too much, or never the same; the right one is the control of
//! all tests.

use crate::trigger::fault;
use orch_sdk::prelude::*;
use std::hint::black_box;
use std::io::Write as _;

#[derive(Params)]
pub struct GoodParams {
    /// Numbers to add
    #[param(default = 1000, range = 1..=1_000_000)]
    n: u64,
}

/// Does nothing wrong.
pub struct Good {
    n: u64,
    sum: u64,
}

impl Workload for Good {
    const ID: &'static str = "good";
    const ABOUT: &'static str = "Adds the squares of 1 to n, and behaves well";
    const ITERATION: &'static str = "n additions, one allocation";
    const METRICS: &'static [Metric] = &[Metric::time_per("ns_per_add", "ns", "adds", 1e9)];
    type Params = GoodParams;

    fn create(params: GoodParams) -> Result<Self> {
        Ok(Self {
            n: params.n,
            sum: 0,
        })
    }

    fn reset(&mut self) -> Result<()> {
        self.sum = 0;
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        scope!("good");
        let squares: Vec<u64> = {
            scope!("fill");
            black_box((1..=self.n).map(|i| i * i).collect())
        };
        scope!("add");
        self.sum = squares.iter().sum();
        count!("adds", self.n);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(Digest::integer(self.sum)))
    }
}

fault! {
    /// Writes to standard output, and continues
    "noise" Noise {
        #[param(default = 2_097_152, unit = "bytes")]
        bytes: usize,
    }
    |fault| {
        const LINE: &[u8] = b"a plugin that prints while it is being measured\n";
        let mut stdout = std::io::stdout().lock();
        let mut left = fault.bytes;
        while left > 0 {
            let piece = left.min(LINE.len());
            stdout.write_all(&LINE[..piece])?;
            left -= piece;
        }
        stdout.flush()?;
        Ok(())
    }
}

/// Computes something else in every process.
pub struct Nondeterministic;

impl Workload for Nondeterministic {
    const ID: &'static str = "nondeterministic";
    const ABOUT: &'static str = "Its digest is the id of the process";
    const TAGS: &'static [&'static str] = &["faulty"];
    type Params = ();

    fn create((): ()) -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self) -> Result<()> {
        scope!("faulty");
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(Digest::integer(std::process::id().into())))
    }
}
