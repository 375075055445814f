//! Tests that count the allocations of whole iterations.

use crate::infer::testing::ready;
use nn::threads::Threads;
use orch_sdk::prelude::*;
use orch_sdk::serde_json::{Value, json};

/// Returns the allocations of the second iteration.
fn allocations(params: Value) -> Result<u64> {
    let mut workload = ready(params, Threads::One)?;
    workload.run()?;
    let mut second = Ok(());
    let counted = allocation_counter::measure(|| second = workload.run());
    second.map(|()| counted.count_total)
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
