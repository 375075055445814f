//! Tests that count the allocations of whole iterations.

use crate::infer::testing::ready;
use nn::threads::Threads;
use orch_sdk::prelude::*;
use orch_sdk::serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct CountingAllocator;

thread_local! {
    // Per thread, so that the test harness and other tests are not counted.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: forwards everything to the system's allocator; counting touches only a thread-local
// without a destructor.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: forwarded to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: forwarded to the caller.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Returns the allocations of the second iteration.
fn allocations(params: Value) -> Result<u64> {
    let mut workload = ready(params, Threads::One)?;
    workload.run()?;
    let before = ALLOCATIONS.get();
    workload.run()?;
    Ok(ALLOCATIONS.get() - before)
}

#[test]
fn warm_iteration_allocates_nothing() -> Result<()> {
    for params in [
        json!({}),
        json!({ "kv_cache": false }),
        json!({ "temperature": 0.8, "sessions": 3, "tokens": 50 }),
        json!({ "prompt": 100, "tokens": 3 }),
    ] {
        assert_eq!(allocations(params.clone())?, 0, "{params}");
    }
    Ok(())
}

#[test]
fn tokens_and_sessions_allocate_without_the_pool() -> Result<()> {
    // Seven tensors for each of 25 tokens; keys and values for each session.
    assert_eq!(allocations(json!({ "pool": "off" }))?, 7 * 25 + 2);
    assert_eq!(
        allocations(json!({ "pool": "off", "sessions": 2 }))?,
        2 * (7 * 25 + 2)
    );
    Ok(())
}
