//! Plugins' workloads, parameters and metrics as text and as JSON.

use crate::plugin::catalog::{BetterDirection, MetricInfo, PluginDescription, WorkloadInfo};
use orch_core::format::clean::{clean_lines, clean_sentence, part_commands};
use serde_json::Value;
use std::fmt::Write;

pub(crate) fn plugin_document(description: &PluginDescription) -> Value {
    let workloads: Vec<Value> = description
        .workloads
        .iter()
        .map(workload_document)
        .collect();
    serde_json::json!({
        "plugin": description.plugin,
        "version": description.version,
        "sdk": description.sdk,
        "build": description.build,
        "workloads": workloads,
    })
}

pub(crate) fn workload_document(info: &WorkloadInfo) -> Value {
    let metric = |metric: &MetricInfo| {
        serde_json::json!({
            "id": metric.id,
            "unit": metric.unit,
            "better": metric.better,
            "about": metric.about,
            "counter": metric.counter,
            "per": metric.per,
            "scale": metric.scale,
        })
    };
    serde_json::json!({
        "id": info.id,
        "about": info.about,
        "iteration": info.iteration,
        "params": info.params,
        "metrics": info.metrics.iter().map(metric).collect::<Vec<_>>(),
        "tags": info.tags,
        "needs": info.needs,
    })
}

pub(crate) fn describe_plugin(text: &mut String, key: &str, description: &PluginDescription) {
    let version = description
        .version
        .as_deref()
        .map(|version| format!(" {}", clean_sentence(version)))
        .unwrap_or_default();
    let named = if description.plugin == key {
        String::new()
    } else {
        format!(" ({})", clean_sentence(&description.plugin))
    };
    let _ = writeln!(text, "{key}{named}{version}");
    let width = description
        .workloads
        .iter()
        .map(|workload| key.len() + 1 + workload.id.chars().count())
        .max();
    for workload in &description.workloads {
        let name = format!("{key}/{}", workload.id);
        let line = format!(
            "  {name:width$}  {}",
            clean_sentence(&workload.about),
            width = width.unwrap_or(0)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
    *text = part_commands(text).into_owned();
}

pub(crate) fn describe_workload(text: &mut String, key: &str, info: &WorkloadInfo) {
    let _ = writeln!(text, "{key}/{}", info.id);
    if !info.about.is_empty() {
        let _ = writeln!(text, "  {}", clean_sentence(&info.about));
    }
    if !info.iteration.is_empty() {
        let iteration = clean_sentence(&info.iteration);
        let _ = writeln!(text, "  one iteration: {iteration}");
    }
    if !info.tags.is_empty() {
        let _ = writeln!(text, "  tags: {}", clean_sentence(&info.tags.join(", ")));
    }
    describe_parameters(text, info.params.as_ref());
    if !info.metrics.is_empty() {
        let _ = writeln!(text, "\nMetrics");
        for metric in &info.metrics {
            let better = match metric.better {
                Some(BetterDirection::Higher) => ", higher is better",
                Some(BetterDirection::Lower) => ", lower is better",
                None => "",
            };
            let about = if metric.about.is_empty() {
                String::new()
            } else {
                format!(": {}", clean_sentence(&metric.about))
            };
            let _ = writeln!(text, "  {} ({}{better}){about}", metric.id, metric.unit);
        }
    }
    *text = part_commands(text).into_owned();
}

fn describe_parameters(text: &mut String, schema: Option<&Value>) {
    let Some(schema) = schema else {
        let _ = writeln!(text, "\nParameters: any (the plugin publishes no schema)");
        return;
    };
    let Some(properties) = schema["properties"]
        .as_object()
        .filter(|properties| !properties.is_empty())
    else {
        let _ = writeln!(text, "\nNo parameters");
        return;
    };
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let _ = writeln!(text, "\nParameters");
    for (name, property) in properties {
        let mut facts = Vec::new();
        if let Some(options) = property["enum"].as_array() {
            let words: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
            facts.push(words.join(" | "));
        } else if let Some(kind) = property["type"].as_str() {
            facts.push(kind.to_owned());
        }
        match (property.get("minimum"), property.get("maximum")) {
            (Some(low), Some(high)) => facts.push(format!("{low} to {high}")),
            (Some(low), None) => facts.push(format!("at least {low}")),
            (None, Some(high)) => facts.push(format!("at most {high}")),
            (None, None) => {}
        }
        match property.get("default") {
            Some(Value::String(default)) => facts.push(format!("default {default}")),
            Some(default) => facts.push(format!("default {default}")),
            None if required.contains(&name.as_str()) => facts.push("required".to_owned()),
            None => {}
        }
        if let Some(unit) = property["x-unit"].as_str() {
            facts.push(unit.to_owned());
        }
        let facts = clean_sentence(&facts.join(", "));
        let _ = writeln!(text, "  {}: {facts}", clean_sentence(name));
        if let Some(about) = property["description"].as_str() {
            let about = clean_lines(about.trim()).replace('\n', "\n      ");
            let _ = writeln!(text, "      {about}");
        }
    }
}
