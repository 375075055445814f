//! Faults of a describe document beyond those that make it unreadable.

use super::{FindingLevel, PluginFinding};
use crate::model::metric::Metric;
use crate::plugin::catalog::{PluginDescription, WorkloadInfo};
use crate::scenario::problem::nearest_name;
use crate::scenario::schema_violation::find_violations;
use serde_json::{Value, json};
use std::collections::HashSet;

const PLACE: &str = "describe";
/// Known keys of the document, a workload and a metric in this version.
const DOCUMENT_KEYS: [&str; 5] = ["plugin", "version", "sdk", "build", "workloads"];
const WORKLOAD_KEYS: [&str; 7] = [
    "id",
    "about",
    "iteration",
    "tags",
    "needs",
    "params",
    "metrics",
];
const METRIC_KEYS: [&str; 7] = ["id", "unit", "better", "about", "counter", "per", "scale"];

/// Reads the document that two processes wrote. If it holds no description, nothing further is
/// checked.
pub(crate) fn read_document(
    text: &str,
    again: &str,
) -> (Option<PluginDescription>, Vec<PluginFinding>) {
    let mut found = Vec::new();
    if text != again {
        found.push(PluginFinding::new(
            FindingLevel::Error,
            PLACE,
            "two processes wrote different documents",
            "the description must not depend on the machine, the time or the environment",
        ));
    }
    let description = match PluginDescription::parse(text) {
        Ok(description) => description,
        Err(error) => {
            let remedy = "see the comment of `describe` in orch_plugin.h for the document's fields";
            found.push(PluginFinding::new(
                FindingLevel::Error,
                PLACE,
                error,
                remedy,
            ));
            return (None, found);
        }
    };
    let raw: Value = serde_json::from_str(text).unwrap_or_default();
    report_unknown_keys(&raw, PLACE, &DOCUMENT_KEYS, &mut found);
    if description.workloads.is_empty() {
        found.push(PluginFinding::new(
            FindingLevel::Error,
            PLACE,
            "the plugin offers no workload",
            "name the workloads in export_plugin!, or in the document of a C plugin",
        ));
    }
    for (info, raw) in description
        .workloads
        .iter()
        .zip(raw["workloads"].as_array().into_iter().flatten())
    {
        report_unknown_keys(raw, &info.id, &WORKLOAD_KEYS, &mut found);
        for metric in raw["metrics"].as_array().into_iter().flatten() {
            report_unknown_keys(metric, &info.id, &METRIC_KEYS, &mut found);
        }
        judge_workload(info, &mut found);
    }
    (Some(description), found)
}

fn report_unknown_keys(
    object: &Value,
    place: &str,
    known: &[&str],
    found: &mut Vec<PluginFinding>,
) {
    for key in object
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys())
    {
        if !known.contains(&key.as_str()) {
            let remedy = match nearest_name(key, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known keys are {}", orch_core::format::listed(known)),
            };
            found.push(PluginFinding::new(
                FindingLevel::Warning,
                place,
                format!("the document has the unknown key \"{key}\""),
                remedy,
            ));
        }
    }
}

fn judge_workload(info: &WorkloadInfo, found: &mut Vec<PluginFinding>) {
    let mut add = |level, what: String, remedy: &str| {
        found.push(PluginFinding::new(level, &info.id, what, remedy))
    };
    if info.about.trim().is_empty() {
        add(
            FindingLevel::Warning,
            "the workload has no description".to_owned(),
            "add \"about\" (ABOUT), a sentence on what is measured",
        );
    }
    if info.iteration.trim().is_empty() {
        add(
            FindingLevel::Warning,
            "the workload does not define an iteration, but all figures are per iteration"
                .to_owned(),
            "add \"iteration\" (ITERATION), such as \"one product of two matrices\"",
        );
    }
    match &info.params {
        None => add(
            FindingLevel::Warning,
            "the workload publishes no schema of its parameters, so mistakes in scenarios are not \
             noticed"
                .to_owned(),
            "publish \"params\", a JSON Schema of an object",
        ),
        Some(schema) => judge_parameters(schema, &mut add),
    }
    judge_metrics(info, &mut add);
}

fn judge_parameters(schema: &Value, add: &mut impl FnMut(FindingLevel, String, &str)) {
    if schema["additionalProperties"] != json!(false) {
        add(
            FindingLevel::Warning,
            "the schema accepts unknown parameters, so a misspelt parameter silently keeps its \
             default"
                .to_owned(),
            "add \"additionalProperties\": false",
        );
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(default) = property.get("default") {
            // The values are wrapped in an object, so that the message names the parameter.
            let (schema, value) = (
                json!({ "properties": { name: property } }),
                json!({ name: default }),
            );
            for violation in find_violations(&schema, &value) {
                let what = format!(
                    "a default violates the workload's own schema: {}",
                    violation.message
                );
                add(
                    FindingLevel::Error,
                    what,
                    "correct the default or the schema",
                );
            }
        }
        if property["description"]
            .as_str()
            .is_none_or(|text| text.trim().is_empty())
        {
            let remedy = "add a \"description\" (a doc comment on the field)";
            add(
                FindingLevel::Note,
                format!("parameter `{name}` has no description"),
                remedy,
            );
        }
        if let (Some(low), Some(high)) =
            (property["minimum"].as_f64(), property["maximum"].as_f64())
            && low > high
        {
            let what = format!(
                "parameter `{name}` can have no value: its minimum {low} is above its maximum \
                 {high}"
            );
            add(FindingLevel::Error, what, "swap minimum and maximum");
        }
    }
}

fn judge_metrics(info: &WorkloadInfo, add: &mut impl FnMut(FindingLevel, String, &str)) {
    let mut ids = HashSet::new();
    for metric in &info.metrics {
        let id = &metric.id;
        if Metric::from(id.as_str()).is_own() {
            let what = format!("metric `{id}` has the name of one of orch's own metrics");
            add(FindingLevel::Error, what, "choose another id");
        }
        if !ids.insert(id) {
            add(
                FindingLevel::Error,
                format!("two metrics have the id `{id}`"),
                "give each metric an id of its own",
            );
        }
        if !metric.scale.is_finite() || metric.scale <= 0.0 {
            let what = format!(
                "the scale of metric `{id}` is {}, which is not a scale",
                metric.scale
            );
            add(
                FindingLevel::Error,
                what,
                "use a number above 0, such as 1e-9 for giga",
            );
        }
        if metric.unit.trim().is_empty() {
            add(
                FindingLevel::Warning,
                format!("metric `{id}` has no unit"),
                "add a unit; for a plain number, name what is counted",
            );
        }
        if metric.better.is_none() {
            let what = format!(
                "metric `{id}` does not declare which direction is better, so it gets no verdict"
            );
            add(
                FindingLevel::Note,
                what,
                "add \"better\": \"higher\" or \"lower\", if the metric is to be judged",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"plugin": "p", "workloads": [{"id": "w", "about": "a", "iteration": "i",
        "params": {"type": "object", "additionalProperties": false, "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3, "description": "d"}}},
        "metrics": [{"id": "rate", "unit": "1/s", "better": "higher", "per": "second", "scale": 2}]}]}"#;

    #[test]
    fn complete_document_has_no_findings() {
        assert_eq!(read_document(WHOLE, WHOLE).1, []);
    }

    #[test]
    fn each_fault_of_a_document_is_found_once() {
        use FindingLevel::{Error, Note, Warning};
        for (from, to, level, part) in [
            (
                r#""plugin": "p""#,
                r#""plugin": 3"#,
                Error,
                "document is invalid",
            ),
            (
                r#""plugin": "p""#,
                r#""plugin": "p", "workload": 1"#,
                Warning,
                "unknown key \"workload\"",
            ),
            (
                r#""about": "a""#,
                r#""abuot": "a", "about": "b""#,
                Warning,
                "unknown key \"abuot\"",
            ),
            (
                r#""unit": "1/s""#,
                r#""units": "1/s", "unit": "1""#,
                Warning,
                "unknown key \"units\"",
            ),
            (r#""about": "a", "#, "", Warning, "no description"),
            (
                r#""iteration": "i","#,
                "",
                Warning,
                "does not define an iteration",
            ),
            (
                r#""additionalProperties": false, "#,
                "",
                Warning,
                "accepts unknown parameters",
            ),
            (
                r#""default": 3"#,
                r#""default": 30"#,
                Error,
                "`n` is 30, but must be at most 9",
            ),
            (
                r#", "description": "d""#,
                "",
                Note,
                "`n` has no description",
            ),
            (
                r#""minimum": 1, "maximum": 9, "default": 3"#,
                r#""minimum": 9, "maximum": 1"#,
                Error,
                "no value",
            ),
            (
                r#""id": "rate""#,
                r#""id": "time""#,
                Error,
                "orch's own metrics",
            ),
            (
                r#""scale": 2"#,
                r#""scale": 0"#,
                Error,
                "scale of metric `rate` is 0",
            ),
            (r#""unit": "1/s", "#, "", Warning, "no unit"),
            (
                r#""better": "higher", "#,
                "",
                Note,
                "which direction is better",
            ),
        ] {
            let text = WHOLE.replace(from, to);
            assert_ne!(text, WHOLE, "{from}");
            let found = read_document(&text, &text).1;
            assert!(
                found.len() == 1 && found[0].level == level && found[0].what.contains(part),
                "{to}: {found:?}"
            );
            assert!(!found[0].remedy.is_empty());
        }
        let none = r#"{"plugin": "p", "workloads": []}"#;
        assert_eq!(
            read_document(none, none).1[0].what,
            "the plugin offers no workload"
        );
        assert!(
            read_document(none, WHOLE).1[0]
                .what
                .starts_with("two processes")
        );
        let twice = WHOLE.replace(
            r#""metrics": ["#,
            r#""metrics": [{"id": "rate", "unit": "x", "better": "lower"}, "#,
        );
        assert_eq!(
            read_document(&twice, &twice).1[0].what,
            "two metrics have the id `rate`"
        );
    }
}
