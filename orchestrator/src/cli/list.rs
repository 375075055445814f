//! `orch list` and `orch schema`: what can be measured and how a scenario is written.

use super::CommandResult;
use super::args::ListOptions;
use super::exit::Exit;
use super::output;
use super::progress::Progress;
use crate::error::CommandError;
use crate::plugin::catalog::{BetterDirection, PluginDescription, WorkloadInfo};
use crate::project;
use crate::scenario::problem::nearest_name;
use serde_json::Value;
use std::fmt::Write;

/// Prints the JSON Schema of scenarios.
pub(super) fn schema() -> CommandResult {
    let text = serde_json::to_string_pretty(&crate::scenario::wire::schema())
        .map_err(|error| CommandError::system_while("the schema", &error))?;
    output::print(&(text + "\n"))?;
    Ok(Exit::Fine)
}

/// Prints plugins, the workloads of one, or all about one workload.
pub(super) fn list(options: &ListOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let file = project::named_or_default(options.scenario.as_deref(), "--scenario FILE")?;
    let loaded = project::load(&file)?;
    let (wanted, workload) = match options
        .subject
        .as_deref()
        .map(|subject| subject.split_once('/'))
    {
        None => (None, None),
        Some(Some((plugin, workload))) => (Some(plugin), Some(workload)),
        Some(None) => (options.subject.as_deref(), None),
    };
    let keys: Vec<&str> = loaded
        .scenario
        .plugins
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    if let Some(plugin) = wanted
        && !keys.contains(&plugin)
    {
        let hint = match nearest_name(plugin, keys.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", crate::format::listed(&keys)),
        };
        return Err(
            CommandError::input(format!("{} has no plugin `{plugin}`", loaded.shown))
                .with_hint(hint),
        );
    }
    let is_wanted = |key: &str| wanted.is_none_or(|wanted| wanted == key);
    let mark = format!("list-{}", std::process::id());
    let plugins = project::prepare(
        &loaded.scenario,
        is_wanted,
        &crate::plugin::build::prepare,
        project::BuildWait::Never,
        &mark,
        &interrupt,
        &mut Progress::new(),
    )?;
    let mut text = String::new();
    let mut documents = serde_json::Map::new();
    let mut exit = Exit::Fine;
    for key in keys.into_iter().filter(|key| is_wanted(key)) {
        match (
            plugins.described.get(key),
            plugins.prepared.get(key),
            workload,
        ) {
            (Some(description), _, None) => {
                documents.insert(key.to_owned(), document(description));
                plugin_text(&mut text, key, description);
            }
            (Some(description), _, Some(id)) => {
                let info = description
                    .workload(id)
                    .ok_or_else(|| unknown(key, id, description))?;
                documents.insert(key.to_owned(), workload_document(info));
                workload_text(&mut text, key, info);
            }
            (None, Some(Err(failure)), _) => {
                output::note(&format!(
                    "{key}: failed in {}: {}",
                    failure.phase.name(),
                    failure.message
                ));
                exit = Exit::Incomplete;
            }
            (None, _, _) => {}
        }
    }
    if options.json {
        text = serde_json::to_string_pretty(&documents)
            .map_err(|error| CommandError::system_while("the list", &error))?
            + "\n";
    }
    output::print(&text)?;
    Ok(exit)
}

fn unknown(key: &str, id: &str, description: &PluginDescription) -> CommandError {
    let known: Vec<&str> = description
        .workloads
        .iter()
        .map(|workload| workload.id.as_str())
        .collect();
    let hint = match nearest_name(id, known.iter().copied()) {
        Some(near) => format!("did you mean `{key}/{near}`?"),
        None => format!("it has {}", crate::format::listed(&known)),
    };
    CommandError::input(format!("plugin `{key}` has no workload `{id}`")).with_hint(hint)
}

fn document(description: &PluginDescription) -> Value {
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

fn workload_document(info: &WorkloadInfo) -> Value {
    let metric = |metric: &crate::plugin::catalog::MetricInfo| {
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

fn plugin_text(text: &mut String, key: &str, description: &PluginDescription) {
    let version = description
        .version
        .as_deref()
        .map(|version| format!(" {version}"))
        .unwrap_or_default();
    let named = if description.plugin == key {
        String::new()
    } else {
        format!(" ({})", description.plugin)
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
            workload.about,
            width = width.unwrap_or(0)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}

fn workload_text(text: &mut String, key: &str, info: &WorkloadInfo) {
    let _ = writeln!(text, "{key}/{}", info.id);
    if !info.about.is_empty() {
        let _ = writeln!(text, "  {}", info.about);
    }
    if !info.iteration.is_empty() {
        let _ = writeln!(text, "  one iteration: {}", info.iteration);
    }
    if !info.tags.is_empty() {
        let _ = writeln!(text, "  tags: {}", info.tags.join(", "));
    }
    parameters(text, info.params.as_ref());
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
                format!(": {}", metric.about)
            };
            let _ = writeln!(text, "  {} ({}{better}){about}", metric.id, metric.unit);
        }
    }
}

fn parameters(text: &mut String, schema: Option<&Value>) {
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
        let _ = writeln!(text, "  {name}: {}", facts.join(", "));
        if let Some(about) = property["description"].as_str() {
            let _ = writeln!(text, "      {}", about.trim().replace('\n', "\n      "));
        }
    }
}
