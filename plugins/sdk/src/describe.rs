//! The describe document: what a plugin says about itself and its workloads.

use crate::metric::{Better, Metric, Per};
use crate::{Params, Workload, cpu};
use serde_json::{Value, json};

/// The whole document.
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

/// The entry of one workload.
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
    let better = match metric.better {
        Better::Higher => "higher",
        Better::Lower => "lower",
    };
    let per = match metric.per {
        Per::Iteration => "iteration",
        Per::Second => "second",
        Per::Unit => "unit",
        Per::BytesPerUnit => "bytes_per_unit",
    };
    let mut entry = json!({ "id": metric.id, "unit": metric.unit, "better": better });
    if !metric.about.is_empty() {
        entry["about"] = metric.about.into();
    }
    entry["counter"] = metric.counter.into();
    entry["per"] = per.into();
    entry["scale"] = metric.scale.into();
    entry
}
