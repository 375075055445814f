//! The describe document of a plugin: its workloads, parameters and metrics, checked and converted
//! to types.

use crate::json_schema::{CompiledSchema, SchemaSizes};
use orch_core::format::clean;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;

/// Most workloads of a plugin.
const MOST_WORKLOADS: usize = 10_000;
/// Most metrics, and most tags, of a workload.
const MOST_ITEMS: usize = 100;
/// Most bytes of an id, a name or a unit.
const MOST_NAME_BYTES: usize = 200;
/// Most bytes of an explanation.
const MOST_TEXT_BYTES: usize = 10_000;

/// The describe document as plugins write it. Unknown keys belong to newer plugins and are ignored.
#[derive(Debug, Deserialize)]
struct WireDocument {
    plugin: Option<String>,
    version: Option<String>,
    sdk: Option<String>,
    #[serde(default)]
    build: Value,
    workloads: Option<Vec<WireWorkload>>,
    #[serde(default)]
    problems: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct WireWorkload {
    id: Option<String>,
    #[serde(default)]
    about: String,
    #[serde(default)]
    iteration: String,
    params: Option<Value>,
    #[serde(default)]
    metrics: Vec<WireMetric>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    needs: Value,
}

#[derive(Debug, Deserialize)]
struct WireMetric {
    id: String,
    #[serde(default)]
    unit: String,
    better: Option<BetterDirection>,
    #[serde(default)]
    about: String,
    counter: Option<String>,
    per: Option<CounterBasis>,
    scale: Option<f64>,
}

impl WireWorkload {
    /// Refuses texts and lists that are longer than anybody needs, and names that control a
    /// terminal.
    fn check_texts(&self, id: &str) -> Result<(), String> {
        let of = |what: &str| format!("{what} of workload \"{id}\"");
        for (what, text) in [
            ("\"about\"", &self.about),
            ("\"iteration\"", &self.iteration),
        ] {
            check_length(&of(what), text, MOST_TEXT_BYTES)?;
        }
        for (what, count) in [("metrics", self.metrics.len()), ("tags", self.tags.len())] {
            if count > MOST_ITEMS {
                return Err(format!(
                    "workload \"{id}\" of the describe document has more than {MOST_ITEMS} {what}"
                ));
            }
        }
        for tag in &self.tags {
            check_name(&of("a tag"), tag)?;
        }
        for metric in &self.metrics {
            let counter = metric.counter.as_deref().unwrap_or_default();
            for (what, text) in [
                ("the id of a metric", metric.id.as_str()),
                ("the unit of a metric", &metric.unit),
                ("the counter of a metric", counter),
            ] {
                check_name(&of(what), text)?;
            }
            check_length(
                &of("the \"about\" of a metric"),
                &metric.about,
                MOST_TEXT_BYTES,
            )?;
        }
        Ok(())
    }
}

fn check_length(what: &str, text: &str, most: usize) -> Result<(), String> {
    if text.len() <= most {
        return Ok(());
    }
    Err(format!(
        "in the describe document, {what} has {} bytes, more than {most}",
        text.len()
    ))
}

/// Checks a name or a unit, which stands in tables and in the ids of jobs.
fn check_name(what: &str, text: &str) -> Result<(), String> {
    check_length(what, text, MOST_NAME_BYTES)?;
    if clean::has_control(text) {
        return Err(format!(
            "in the describe document, {what} is {text:?}, which has a control character; write it \
             in printable characters"
        ));
    }
    Ok(())
}

/// Contents of a plugin: its name, versions and workloads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PluginDescription {
    pub(crate) plugin: String,
    pub(crate) version: Option<String>,
    pub(crate) sdk: Option<String>,
    pub(crate) build: Value,
    pub(crate) workloads: Vec<WorkloadInfo>,
    /// What the plugin could not list, and why.
    pub(crate) problems: Vec<String>,
}

/// One workload of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorkloadInfo {
    pub(crate) id: String,
    pub(crate) about: String,
    /// Definition of one iteration.
    pub(crate) iteration: String,
    /// JSON Schema of the parameters; `None` accepts any object.
    pub(crate) params: Option<Value>,
    pub(crate) metrics: Vec<MetricInfo>,
    pub(crate) tags: Vec<String>,
    /// Requirements of the workload on the machine, as the plugin states them.
    pub(crate) needs: Value,
}

/// Definition of a metric in terms of a counter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MetricInfo {
    pub(crate) id: String,
    pub(crate) unit: String,
    pub(crate) better: Option<BetterDirection>,
    pub(crate) about: String,
    /// Counter from whose sum per iteration the metric is computed.
    pub(crate) counter: String,
    pub(crate) per: CounterBasis,
    pub(crate) scale: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BetterDirection {
    Higher,
    Lower,
}

/// Quantity that relates the counter to the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CounterBasis {
    /// counter * scale.
    Iteration,
    /// counter / seconds * scale.
    Second,
    /// seconds / counter * scale.
    Unit,
    /// allocated bytes / counter * scale.
    BytesPerUnit,
}

/// Cost of an iteration apart from its counter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IterationCost {
    pub(crate) seconds: f64,
    pub(crate) bytes: f64,
}

impl MetricInfo {
    /// Computes the metric's value for an iteration that adds `count` to its counter at this cost.
    pub(crate) fn compute_value(&self, count: f64, cost: IterationCost) -> Option<f64> {
        let value = match self.per {
            CounterBasis::Iteration => count * self.scale,
            CounterBasis::Second => count / cost.seconds * self.scale,
            CounterBasis::Unit => cost.seconds / count * self.scale,
            CounterBasis::BytesPerUnit => cost.bytes / count * self.scale,
        };
        value.is_finite().then_some(value)
    }
}

impl PluginDescription {
    /// Parses a document. The error names what is missing or wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("describe wrote no document".to_owned());
        }
        let wire: WireDocument = serde_json::from_str(text)
            .map_err(|error| format!("the describe document is invalid: {error}"))?;
        let plugin = wire
            .plugin
            .ok_or("the describe document lacks \"plugin\", its name")?;
        let wire_workloads = wire
            .workloads
            .ok_or("the describe document lacks \"workloads\"")?;
        check_name("\"plugin\"", &plugin)?;
        for (what, version) in [("\"version\"", &wire.version), ("\"sdk\"", &wire.sdk)] {
            check_name(what, version.as_deref().unwrap_or_default())?;
        }
        if wire.problems.len() > MOST_ITEMS {
            return Err(format!(
                "the describe document has more than {MOST_ITEMS} problems"
            ));
        }
        for problem in &wire.problems {
            check_length("a problem", problem, MOST_TEXT_BYTES)?;
        }
        if wire_workloads.len() > MOST_WORKLOADS {
            return Err(format!(
                "the describe document has more than {MOST_WORKLOADS} workloads"
            ));
        }
        let mut workloads: Vec<WorkloadInfo> = Vec::new();
        let mut known = HashSet::new();
        let mut sizes = SchemaSizes::default();
        for (index, workload) in wire_workloads.into_iter().enumerate() {
            let info = WorkloadInfo::from_wire(index, workload, &mut sizes)?;
            if !known.insert(info.id.clone()) {
                return Err(format!(
                    "the describe document has two workloads \"{}\"",
                    info.id
                ));
            }
            workloads.push(info);
        }
        Ok(Self {
            plugin,
            version: wire.version,
            sdk: wire.sdk,
            build: wire.build,
            workloads,
            problems: wire.problems,
        })
    }

    pub(crate) fn find_workload(&self, id: &str) -> Option<&WorkloadInfo> {
        self.workloads.iter().find(|workload| workload.id == id)
    }
}

impl WorkloadInfo {
    fn from_wire(
        index: usize,
        mut wire: WireWorkload,
        sizes: &mut SchemaSizes,
    ) -> Result<Self, String> {
        let id = wire
            .id
            .take()
            .ok_or_else(|| format!("workload {index} of the describe document lacks \"id\""))?;
        if id.is_empty() || id.contains(['/', '[', ']']) || id.contains(char::is_whitespace) {
            return Err(format!(
                "the describe document's workload id {id:?} is empty or has a space, '/', '[' or \
                 ']'"
            ));
        }
        check_name(&format!("the id of workload {index}"), &id)?;
        wire.check_texts(&id)?;
        if let Some(params) = &wire.params {
            CompiledSchema::compile_next(params, sizes)
                .map_err(|error| format!("the \"params\" of workload \"{id}\" are {error}"))?;
        }
        let metrics = wire
            .metrics
            .into_iter()
            .map(|metric| MetricInfo {
                counter: metric.counter.unwrap_or_else(|| metric.id.clone()),
                per: metric.per.unwrap_or(CounterBasis::Iteration),
                scale: metric.scale.unwrap_or(1.0),
                id: metric.id,
                unit: metric.unit,
                better: metric.better,
                about: metric.about,
            })
            .collect();
        Ok(Self {
            id,
            about: wire.about,
            iteration: wire.iteration,
            params: wire.params,
            metrics,
            tags: wire.tags,
            needs: wire.needs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_may_be_minimal() {
        let description =
            PluginDescription::parse(r#"{"plugin": "p", "workloads": [{"id": "w"}], "newer": 1}"#)
                .unwrap();
        assert_eq!(
            description
                .find_workload("w")
                .map(|workload| workload.params.clone()),
            Some(None)
        );
    }

    #[test]
    fn document_error_names_what_is_missing() {
        for (text, part) in [
            ("", "no document"),
            ("{", "EOF"),
            (r#"{"workloads": []}"#, "lacks \"plugin\""),
            (r#"{"plugin": "p"}"#, "lacks \"workloads\""),
            (r#"{"plugin": "p", "workloads": [{}]}"#, "workload 0"),
            (r#"{"plugin": "p", "workloads": [{"id": "a b"}]}"#, "a b"),
            (
                r#"{"plugin": "p", "workloads": [{"id": "a"}, {"id": "a"}]}"#,
                "two workloads",
            ),
            (
                r#"{"plugin": "p", "workloads": [{"id": "a", "params": {"type": 3}}]}"#,
                "not a JSON Schema",
            ),
        ] {
            let error = PluginDescription::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn document_is_bounded_in_every_text_and_list() {
        let long = "x".repeat(MOST_TEXT_BYTES + 1);
        let metrics = |count: usize| vec![r#"{"id": "m"}"#; count].join(", ");
        let many: Vec<String> = (0..=MOST_WORKLOADS)
            .map(|index| format!(r#"{{"id": "w{index}"}}"#))
            .collect();
        let workload =
            |fields: &str| format!(r#"{{"plugin": "p", "workloads": [{{"id": "w", {fields}}}]}}"#);
        for (text, part) in [
            (
                format!(r#"{{"plugin": "{long}", "workloads": []}}"#),
                "\"plugin\" has 10001 bytes",
            ),
            (
                workload(&format!(r#""about": "{long}""#)),
                "\"about\" of workload \"w\"",
            ),
            (
                workload(&format!(r#""tags": ["{long}"]"#)),
                "a tag of workload",
            ),
            (
                workload(&format!(r#""metrics": [{}]"#, metrics(101))),
                "more than 100 metrics",
            ),
            (
                workload(&format!(r#""metrics": [{{"id": "m", "unit": "{long}"}}]"#)),
                "the unit of a metric",
            ),
            (
                format!(r#"{{"plugin": "p", "workloads": [{}]}}"#, many.join(", ")),
                "more than 10000 workloads",
            ),
        ] {
            let error = PluginDescription::parse(&text).unwrap_err();
            assert!(error.contains(part) && error.len() < 300, "{part}: {error}");
        }
        let most = many[..MOST_WORKLOADS].join(", ");
        let most = format!(r#"{{"plugin": "p", "workloads": [{most}]}}"#);
        assert_eq!(
            PluginDescription::parse(&most).unwrap().workloads.len(),
            MOST_WORKLOADS
        );
    }

    #[test]
    fn names_have_no_control_characters() {
        let workload = |fields: &str| format!(r#"{{"plugin": "p", "workloads": [{{{fields}}}]}}"#);
        for (text, part) in [
            (
                r#"{"plugin": "p\u001b]0;x", "workloads": []}"#.to_owned(),
                r#""plugin" is "p\u{1b}]0;x", which has a control character"#,
            ),
            (
                workload(r#""id": "a\u202e""#),
                r#"the id of workload 0 is "a\u{202e}""#,
            ),
            (
                workload(r#""id": "a", "tags": ["t\u009b"]"#),
                r#"a tag of workload "a" is "t\u{9b}""#,
            ),
            (
                workload(r#""id": "a", "metrics": [{"id": "m\n"}]"#),
                r#"the id of a metric of workload "a" is "m\n""#,
            ),
            (
                workload(r#""id": "a", "metrics": [{"id": "m", "unit": "\u0007"}]"#),
                r#"the unit of a metric of workload "a" is "\u{7}""#,
            ),
            (
                workload(r#""id": "a", "metrics": [{"id": "m", "counter": "\r"}]"#),
                r#"the counter of a metric of workload "a" is "\r""#,
            ),
        ] {
            let error = PluginDescription::parse(&text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        let sentence = workload(r#""id": "a", "about": "\u001b is cleaned where it is shown""#);
        assert!(PluginDescription::parse(&sentence).is_ok());
    }

    #[test]
    fn metric_divides_by_its_basis() {
        let metric = |per, scale| MetricInfo {
            id: "m".into(),
            unit: String::new(),
            better: None,
            about: String::new(),
            counter: "c".into(),
            per,
            scale,
        };
        let cost = IterationCost {
            seconds: 2.0,
            bytes: 100.0,
        };
        assert_eq!(
            metric(CounterBasis::Iteration, 1.0).compute_value(8.0, cost),
            Some(8.0)
        );
        assert_eq!(
            metric(CounterBasis::Second, 1e-3).compute_value(8000.0, cost),
            Some(4.0)
        );
        assert_eq!(
            metric(CounterBasis::Unit, 1e9).compute_value(4.0, cost),
            Some(5e8)
        );
        assert_eq!(
            metric(CounterBasis::BytesPerUnit, 1.0).compute_value(4.0, cost),
            Some(25.0)
        );
        assert_eq!(
            metric(CounterBasis::Unit, 1.0).compute_value(0.0, cost),
            None
        );
    }
}
