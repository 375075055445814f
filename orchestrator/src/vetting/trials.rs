//! Parameters for the trials of a workload: its defaults, and each parameter at each of its ends.

use serde_json::{Map, Value};

/// One set of parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Trial {
    /// Values that differ from the defaults, such as `n=1`; empty for the defaults.
    pub(crate) label: String,
    pub(crate) params: Map<String, Value>,
}

/// Most sets of parameters that are tried for one workload.
pub(crate) const MOST: usize = 64;

/// Returns the defaults first, then the ends of each parameter with the others at their defaults.
/// An error names a parameter for which no value can be derived.
pub(crate) fn list_trials(
    schema: Option<&Value>,
    given: Option<&Map<String, Value>>,
) -> Result<Vec<Trial>, String> {
    let given = |name: &str| given.and_then(|given| given.get(name)).cloned();
    let empty = Map::new();
    let properties = schema
        .and_then(|schema| schema["properties"].as_object())
        .unwrap_or(&empty);
    let required: Vec<&str> = schema
        .and_then(|schema| schema["required"].as_array())
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut defaults = Map::new();
    for (name, property) in properties {
        if let Some(default) = property.get("default") {
            defaults.insert(name.clone(), default.clone());
        } else if required.contains(&name.as_str()) {
            let value = given(name)
                .or_else(|| extreme_values(property).into_iter().next())
                .ok_or_else(|| name.clone())?;
            defaults.insert(name.clone(), value);
        }
    }
    for nameless in required
        .into_iter()
        .filter(|name| !properties.contains_key(*name))
    {
        let value = given(nameless).ok_or_else(|| nameless.to_owned())?;
        defaults.insert(nameless.to_owned(), value);
    }
    let mut trials = vec![Trial {
        label: String::new(),
        params: defaults.clone(),
    }];
    for (name, property) in properties {
        for value in extreme_values(property)
            .into_iter()
            .filter(|value| defaults.get(name) != Some(value))
        {
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let mut params = defaults.clone();
            params.insert(name.clone(), value);
            trials.push(Trial {
                label: format!("{name}={shown}"),
                params,
            });
        }
    }
    Ok(trials)
}

/// Returns the values at the ends of the range that a parameter's schema allows; empty if there are
/// no ends.
fn extreme_values(property: &Value) -> Vec<Value> {
    if let Some(options) = property["enum"].as_array() {
        return options.clone();
    }
    match property["type"].as_str() {
        Some("boolean") => vec![false.into(), true.into()],
        Some("integer") => {
            let below = |limit: &Value| {
                limit
                    .as_i64()
                    .and_then(|limit| limit.checked_sub(1))
                    .map(Value::from)
            };
            let above = |limit: &Value| {
                limit
                    .as_i64()
                    .and_then(|limit| limit.checked_add(1))
                    .map(Value::from)
            };
            let low = property
                .get("minimum")
                .cloned()
                .or_else(|| above(&property["exclusiveMinimum"]));
            let high = property
                .get("maximum")
                .cloned()
                .or_else(|| below(&property["exclusiveMaximum"]));
            low.into_iter().chain(high).collect()
        }
        Some("number") => ["minimum", "maximum"]
            .into_iter()
            .filter_map(|end| property.get(end).cloned())
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn labels(properties: Value, required: Value) -> Result<Vec<String>, String> {
        let schema = json!({ "type": "object", "properties": properties, "required": required });
        Ok(list_trials(Some(&schema), None)?
            .into_iter()
            .map(|trial| format!("{}: {}", trial.label, Value::from(trial.params)))
            .collect())
    }

    #[test]
    fn each_parameter_is_taken_to_its_ends_alone() {
        let n = json!({ "type": "integer", "minimum": 1, "exclusiveMaximum": 9, "default": 3 });
        let kind = json!({ "enum": ["fast", "slow"], "default": "fast" });
        assert_eq!(
            labels(json!({ "n": n, "kind": kind }), json!([])).unwrap(),
            [
                r#": {"n":3,"kind":"fast"}"#,
                r#"n=1: {"n":1,"kind":"fast"}"#,
                r#"n=8: {"n":8,"kind":"fast"}"#,
                r#"kind=slow: {"n":3,"kind":"slow"}"#,
            ]
        );
        let beyond = json!({
            "type": "integer", "exclusiveMinimum": i64::MAX, "exclusiveMaximum": i64::MIN
        });
        assert_eq!(
            labels(json!({ "n": beyond }), json!([])).unwrap(),
            [": {}"],
            "nothing lies beyond all numbers"
        );
        let (on, share) = (
            json!({ "type": "boolean" }),
            json!({ "type": "number", "minimum": 0.5 }),
        );
        assert_eq!(
            labels(json!({ "on": on, "share": share }), json!(["share"])).unwrap(),
            [
                r#": {"share":0.5}"#,
                r#"on=false: {"share":0.5,"on":false}"#,
                r#"on=true: {"share":0.5,"on":true}"#,
            ]
        );
        assert_eq!(list_trials(None, None).unwrap().len(), 1);
    }

    #[test]
    fn text_without_a_default_gets_no_value() {
        assert_eq!(
            labels(json!({ "file": { "type": "string" } }), json!(["file"])),
            Err("file".to_owned())
        );
        assert_eq!(
            labels(json!({ "file": { "type": "string" } }), json!([]))
                .unwrap()
                .len(),
            1
        );
        let schema =
            json!({ "properties": { "file": { "type": "string" } }, "required": ["file"] });
        let given = json!({ "file": "data", "other": 1 });
        let trials = list_trials(Some(&schema), given.as_object()).unwrap();
        assert_eq!(
            trials
                .iter()
                .map(|trial| Value::from(trial.params.clone()))
                .collect::<Vec<_>>(),
            [json!({ "file": "data" })]
        );
    }
}
