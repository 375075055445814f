//! Lists and texts in the messages of a worker. A plugin can forge a message, so each is accepted
//! only up to the size that an honest worker can send.

use super::ScopeNode;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Most samples of a process. A timing pass ends there, because more samples give no more
/// information about one process.
pub const MOST_SAMPLES: usize = 10_000;
/// Most places in the scope tree of a process, all threads together.
pub(super) const MOST_SCOPES: usize = 1 << 16;
/// Most counters of a process, all threads together.
pub(super) const MOST_COUNTERS: usize = 1 << 14;
/// Most calls of a scope whose durations are kept one by one.
pub(super) const MOST_SERIES: usize = 256;
/// Most items of any other list.
pub(super) const MOST_ITEMS: usize = 256;
/// Most bytes of the name of a scope or counter.
pub(super) const MOST_NAME: usize = 512;
/// Most bytes of an error's text. Invalid bytes triple when they are replaced.
pub(super) const MOST_ERROR: usize = 16 << 10;
/// Most bytes of a digest.
pub(super) const MOST_DIGEST: usize = 256 << 10;

/// Deserializes a list of at most `MOST` items.
pub(super) fn list<'de, D, T, const MOST: usize>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    from.deserialize_seq(BoundedList::<T, MOST>(PhantomData))
}

/// Deserializes a text of at most `MOST` bytes.
pub(super) fn text<'de, D: Deserializer<'de>, const MOST: usize>(
    from: D,
) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if text.len() > MOST {
        return Err(D::Error::custom(format_args!(
            "a text of more than {MOST} bytes"
        )));
    }
    Ok(text)
}

/// Deserializes the outermost scopes of a tree.
pub(super) fn tree<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ScopeNode>, D::Error> {
    let scopes: Vec<ScopeNode> = list::<D, ScopeNode, MOST_SCOPES>(from)?;
    if count_scopes(&scopes) > MOST_SCOPES {
        return Err(D::Error::custom(format_args!(
            "a tree of more than {MOST_SCOPES} scopes"
        )));
    }
    Ok(scopes)
}

/// The recursion ends, because the deserializer refuses text that is nested deeper than 128 levels.
fn count_scopes(scopes: &[ScopeNode]) -> usize {
    let count = |scope: &ScopeNode| 1 + count_scopes(&scope.children);
    scopes.iter().map(count).sum()
}

struct BoundedList<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for BoundedList<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, text: &mut fmt::Formatter) -> fmt::Result {
        write!(text, "a list of at most {MOST} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == MOST {
                return Err(A::Error::custom(format_args!(
                    "a list of more than {MOST} items"
                )));
            }
            list.push(item);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ScopeProfile, TimedSamples, WorkerReply};
    use super::*;
    use serde_json::{Value, json};

    fn read(reply: &Value) -> Result<WorkerReply, String> {
        serde_json::from_value(reply.clone()).map_err(|error| error.to_string())
    }

    fn timed(samples: usize, digest: &str) -> Value {
        json!({ "timed": {
            "digest": digest, "iterations": 1, "samples_ns": vec![1; samples],
            "warm_up": { "ns": 1, "iterations": 1, "ended": "steady" },
            "usage": {
                "minor_faults": 0, "major_faults": 0, "voluntary_switches": 0,
                "involuntary_switches": 0
            },
            "resolution_ns": 1
        } })
    }

    fn scope(series: usize, children: Vec<Value>) -> Value {
        json!({
            "name": "s", "pool": false, "calls": 1, "total_ns": 1, "self_ns": 1, "min_ns": 1,
            "max_ns": 1, "allocations": 0, "bytes": 0, "series_min_ns": vec![1; series],
            "counters": [], "children": children
        })
    }

    fn profiled(scopes: Vec<Value>) -> Value {
        json!({ "profiled": {
            "digest": "", "iterations": 1, "run_ns": 1, "iteration_ns": 1.0, "scopes": scopes,
            "complaints": []
        } })
    }

    #[test]
    fn messages_of_honest_size_are_read() {
        let reply = read(&timed(MOST_SAMPLES, "{}")).unwrap();
        assert!(
            matches!(reply, WorkerReply::Timed(TimedSamples { samples_ns, .. })
            if samples_ns.len() == MOST_SAMPLES)
        );
        let inner = vec![scope(MOST_SERIES, Vec::new()); 8192];
        let reply = read(&profiled(vec![scope(0, inner)])).unwrap();
        assert!(
            matches!(reply, WorkerReply::Profiled(ScopeProfile { scopes, .. })
            if scopes[0].children.len() == 8192)
        );
    }

    #[test]
    fn messages_that_no_honest_worker_sends_are_refused() {
        let failed = json!({ "failed": {
            "phase": "run", "kind": "error", "message": "m".repeat(MOST_ERROR + 1), "scope": "",
            "iteration": 0
        } });
        let sentinel = json!({ "sentinel": {
            "compute_ns": vec![1; MOST_SAMPLES + 1], "memory_ns": [],
            "usage": {
                "minor_faults": 0, "major_faults": 0, "voluntary_switches": 0,
                "involuntary_switches": 0
            }
        } });
        let half = vec![scope(0, Vec::new()); MOST_SCOPES / 2];
        let both = vec![scope(0, half.clone()), scope(0, half)];
        for (reply, part) in [
            (
                timed(MOST_SAMPLES + 1, ""),
                "a list of more than 10000 items",
            ),
            (
                timed(1, &"d".repeat(MOST_DIGEST + 1)),
                "a text of more than 262144 bytes",
            ),
            (
                profiled(vec![scope(MOST_SERIES + 1, Vec::new())]),
                "more than 256 items",
            ),
            (profiled(both), "a tree of more than 65536 scopes"),
            (failed, "a text of more than 16384 bytes"),
            (sentinel, "a list of more than 10000 items"),
        ] {
            let error = read(&reply).map(|_| ()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
