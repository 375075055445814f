//! Workloads whose memory is hard to account for: all of it, never freed, or on another thread.

use crate::trigger::fault;
use orch_sdk::prelude::*;
use std::ffi::c_uint;
use std::hint::black_box;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// What follows a refused allocation.
#[derive(Params, Clone, Copy)]
pub enum Refused {
    /// Default reaction of Rust
    Abort,
    Error,
}

fault! {
    /// Allocates and touches memory until it is refused
    "oom" TakesAll {
        /// Amount after which it stops without a fault
        #[param(default = 16_384, unit = "MiB")]
        limit: usize,
        /// Reaction to the refusal
        #[param(default = Refused::Abort)]
        refused: Refused,
    }
    |fault| take_all(fault.limit, fault.refused)
}

fn take_all(limit_mib: usize, refused: Refused) -> Result<()> {
    const CHUNK_MIB: usize = 16;
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    while chunks.len() * CHUNK_MIB < limit_mib {
        let mut chunk = Vec::new();
        match refused {
            Refused::Abort => chunk.reserve_exact(CHUNK_MIB << 20),
            Refused::Error => chunk.try_reserve_exact(CHUNK_MIB << 20)?,
        }
        chunk.resize(CHUNK_MIB << 20, 1);
        chunks.push(black_box(chunk));
    }
    Ok(())
}

#[derive(Params)]
pub struct LeakParams {
    #[param(default = 4096, range = 1.., unit = "bytes")]
    n: usize,
}

/// Never frees.
pub struct Leak(usize);

impl Workload for Leak {
    const ID: &'static str = "leak";
    const ABOUT: &'static str = "Leaks n bytes per iteration";
    const TAGS: &'static [&'static str] = &["faulty"];
    type Params = LeakParams;

    fn create(params: LeakParams) -> Result<Self> {
        Ok(Self(params.n))
    }

    fn run(&mut self) -> Result<()> {
        scope!("faulty");
        std::mem::forget(black_box(vec![1_u8; self.0]));
        Ok(())
    }
}

#[derive(Params)]
pub struct PiecesParams {
    /// Pieces of text
    #[param(default = 20, range = 1..=100_000)]
    n: u32,
}

/// Does nothing wrong, but all of its allocations happen in a C library.
pub struct CLibrary {
    pieces: u32,
    length: u64,
}

unsafe extern "C" {
    /// Length of the longest of some texts that it makes, joins and frees; 0 if there is no memory.
    safe fn pieces_join(pieces: c_uint) -> u64;
}

impl Workload for CLibrary {
    const ID: &'static str = "c_library";
    const ABOUT: &'static str = "Joins n texts in a C library that allocates, and behaves well";
    type Params = PiecesParams;

    fn create(params: PiecesParams) -> Result<Self> {
        Ok(Self {
            pieces: params.n,
            length: 0,
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("join");
        self.length = pieces_join(self.pieces);
        if self.length == 0 {
            Err(Error::msg("the C library found no memory"))
        } else {
            Ok(())
        }
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(Digest::integer(self.length)))
    }
}

#[derive(Params)]
pub struct PoolParams {
    /// Size of one allocation
    #[param(default = 4096, range = 1.., unit = "bytes")]
    n: usize,
}

/// Allocates on a thread of its own, where the driver waits for it.
pub struct Pool {
    bytes: usize,
    thread: Option<Thread>,
}

struct Thread {
    orders: SyncSender<usize>,
    done: Receiver<u64>,
    handle: JoinHandle<()>,
}

impl Workload for Pool {
    const ID: &'static str = "pool";
    const ABOUT: &'static str = "Allocates and frees n bytes per iteration on a background thread";
    const TAGS: &'static [&'static str] = &["faulty"];
    type Params = PoolParams;

    fn create(params: PoolParams) -> Result<Self> {
        Ok(Self {
            bytes: params.n,
            thread: None,
        })
    }

    fn setup(&mut self) -> Result<()> {
        let (orders, inbox) = sync_channel::<usize>(1);
        let (outbox, done) = sync_channel(1);
        let handle = std::thread::Builder::new()
            .name("faulty-pool".to_owned())
            .spawn(move || {
                for bytes in inbox {
                    scope!("pool");
                    let sum = black_box(vec![1_u8; bytes])
                        .iter()
                        .map(|byte| u64::from(*byte))
                        .sum();
                    if outbox.send(sum).is_err() {
                        return;
                    }
                }
            })?;
        self.thread = Some(Thread {
            orders,
            done,
            handle,
        });
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        scope!("faulty");
        let thread = self
            .thread
            .as_ref()
            .ok_or_else(|| Error::msg("run before setup"))?;
        thread.orders.send(self.bytes)?;
        black_box(thread.done.recv()?);
        Ok(())
    }

    fn teardown(&mut self) -> Result<()> {
        let Some(Thread { orders, handle, .. }) = self.thread.take() else {
            return Ok(());
        };
        drop(orders);
        handle
            .join()
            .map_err(|_| Error::msg("the pool's thread panicked"))
    }
}
