//! The describe document: the description of a plugin and its workloads.

use crate::metric::{Better, Metric, Per};
use crate::{Params, Workload, cpu};
use serde_json::{Value, json};

/// Returns the whole document.
pub(crate) fn plugin(name: &str, version: &str, workloads: Vec<Value>) -> Value {
    json!({
        "plugin": name,
        "version": version,
        "sdk": env!("CARGO_PKG_VERSION"),
        "build": {
            "target_features": cpu::compiled().collect::<Vec<_>>(),
            "debug_assertions": cfg!(debug_assertions),
        },
        "workloads": workloads,
    })
}

/// Returns the entry of one workload.
pub(crate) fn workload<W: Workload>() -> Value {
    let mut entry = json!({ "id": W::ID });
    if !W::ABOUT.is_empty() {
        entry["about"] = W::ABOUT.into();
    }
    entry["iteration"] = W::ITERATION.into();
    entry["params"] = W::Params::schema();
    if !W::METRICS.is_empty() {
        entry["metrics"] = W::METRICS.iter().map(metric).collect();
    }
    if !W::TAGS.is_empty() {
        entry["tags"] = W::TAGS.into();
    }
    entry
}

fn metric(metric: &Metric) -> Value {
    let per = match metric.per {
        Per::Iteration => "iteration",
        Per::Second => "second",
        Per::Unit => "unit",
        Per::BytesPerUnit => "bytes_per_unit",
    };
    let mut entry = json!({ "id": metric.id, "unit": metric.unit });
    if let Some(better) = metric.better {
        let word = match better {
            Better::Higher => "higher",
            Better::Lower => "lower",
        };
        entry["better"] = word.into();
    }
    if !metric.about.is_empty() {
        entry["about"] = metric.about.into();
    }
    entry["counter"] = metric.counter.into();
    entry["per"] = per.into();
    entry["scale"] = metric.scale.into();
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_that_is_not_judged_has_no_direction() {
        assert_eq!(
            metric(&Metric::count("misses", "misses"))["better"],
            "lower"
        );
        assert_eq!(
            metric(&Metric::count("misses", "misses").unjudged()).get("better"),
            None
        );
    }
}
