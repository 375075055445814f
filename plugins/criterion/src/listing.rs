//! The describe document of a bench file, and the parameters of its workloads, as JSON.

use crate::throughput::WorkCounter;
use crate::walk::{BenchListing, FoundBench};
use orch_sdk::{Error, Result, cpu};
use std::collections::HashMap;
use tinyjson::JsonValue;

/// Name of the parameter that holds criterion's parameter.
const INPUT: &str = "input";
/// Largest integer up to which JSON numbers are exact.
const LARGEST_EXACT: i64 = 1 << 53;

/// Returns the describe document of the benchmarks.
pub(crate) fn describe(name: &str, version: &str, listing: &BenchListing) -> Result<String> {
    let mut workloads: Vec<Vec<&FoundBench>> = Vec::new();
    for bench in &listing.found {
        let same =
            |benches: &&mut Vec<&FoundBench>| benches[0].name.workload == bench.name.workload;
        match workloads.iter_mut().find(same) {
            Some(benches) => benches.push(bench),
            None => workloads.push(vec![bench]),
        }
    }
    let features = cpu::compiled().map(text).collect();
    let document = object([
        ("plugin", text(name)),
        ("version", text(version)),
        (
            "build",
            object([
                ("target_features", JsonValue::Array(features)),
                ("debug_assertions", cfg!(debug_assertions).into()),
            ]),
        ),
        (
            "workloads",
            JsonValue::Array(workloads.iter().map(|benches| workload(benches)).collect()),
        ),
        (
            "problems",
            JsonValue::Array(
                listing
                    .problems
                    .iter()
                    .map(|problem| text(problem))
                    .collect(),
            ),
        ),
    ]);
    document.stringify().map_err(Error::from)
}

/// Returns the entry of a workload: of one benchmark, or of several that differ in their parameter.
fn workload(benches: &[&FoundBench]) -> JsonValue {
    let first = benches[0];
    let inputs: Vec<&str> = benches
        .iter()
        .filter_map(|bench| bench.name.input.as_deref())
        .collect();
    let about = match inputs.len() {
        0 | 1 => format!("criterion's `{}`", first.about),
        _ => format!(
            "criterion's `{}` and {} more",
            first.about,
            inputs.len() - 1
        ),
    };
    let properties = match list_values(&inputs) {
        values if values.is_empty() => object([]),
        values => object([(
            INPUT,
            object([
                ("description", text("Parameter of the benchmark")),
                ("default", values[0].clone()),
                ("enum", JsonValue::Array(values)),
            ]),
        )]),
    };
    let mut entry = HashMap::from([
        ("id".to_owned(), text(&first.name.workload)),
        ("about".to_owned(), text(&about)),
        ("iteration".to_owned(), text("one call of the routine")),
        (
            "params".to_owned(),
            object([
                ("type", text("object")),
                ("properties", properties),
                ("additionalProperties", false.into()),
            ]),
        ),
        ("tags".to_owned(), JsonValue::Array(vec![text("criterion")])),
    ]);
    let metrics = list_metrics(benches);
    if !metrics.is_empty() {
        entry.insert("metrics".to_owned(), JsonValue::Array(metrics));
    }
    entry.into()
}

/// Returns the values of the parameter: each one as an integer if it is one, and as a text. Both
/// forms stay valid whatever other values there are, at this commit or at another.
fn list_values(inputs: &[&str]) -> Vec<JsonValue> {
    let integer = |input: &&str| {
        let number = input.parse::<i64>().ok()?;
        let is_exact = number.abs() < LARGEST_EXACT && number.to_string() == **input;
        is_exact.then_some(JsonValue::Number(number as f64))
    };
    let forms = |input: &&str| {
        integer(input)
            .into_iter()
            .chain([text(input)])
            .collect::<Vec<_>>()
    };
    inputs.iter().flat_map(forms).collect()
}

/// Returns the metrics that the throughputs of the benchmarks give.
fn list_metrics(benches: &[&FoundBench]) -> Vec<JsonValue> {
    let mut counters: Vec<WorkCounter> = Vec::new();
    let amounts = benches.iter().filter_map(|bench| bench.throughput);
    for (counter, _) in amounts.flat_map(|throughput| throughput.list_amounts()) {
        if !counters.contains(&counter) {
            counters.push(counter);
        }
    }
    let metric = |counter: &WorkCounter| {
        object([
            ("id", text(&format!("{}_per_s", counter.name()))),
            ("unit", text(counter.rate_unit())),
            ("better", text("higher")),
            ("counter", text(counter.name())),
            ("per", text("second")),
            ("scale", 1.0.into()),
        ])
    };
    counters.iter().map(metric).collect()
}

/// Reads the parameter's value from the parameters of a workload, a JSON object.
pub(crate) fn read_input(params: &str) -> Result<Option<String>> {
    if params.is_empty() {
        return Ok(None);
    }
    let wrong = |what: &dyn std::fmt::Display| {
        Error::params(format_args!("the parameters are wrong: {what}"))
    };
    let params: JsonValue = params
        .parse()
        .map_err(|error: tinyjson::JsonParseError| wrong(&error))?;
    let object = params
        .get::<HashMap<String, JsonValue>>()
        .ok_or_else(|| wrong(&"they are not an object"))?;
    match object.get(INPUT) {
        None => Ok(None),
        Some(JsonValue::String(text)) => Ok(Some(text.clone())),
        Some(JsonValue::Number(number)) if number.fract() == 0.0 => Ok(Some(format!("{number}"))),
        Some(_) => Err(wrong(&"`input` is neither a text nor an integer")),
    }
}

fn text(text: &str) -> JsonValue {
    text.to_owned().into()
}

fn object<const COUNT: usize>(fields: [(&str, JsonValue); COUNT]) -> JsonValue {
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    HashMap::from(fields).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_valid_as_numbers_and_as_texts() {
        assert_eq!(
            list_values(&["10", "02"]),
            [(10.0).into(), text("10"), text("02")]
        );
        let large = "9007199254740993";
        assert_eq!(list_values(&[large]), [text(large)]);
    }

    #[test]
    fn input_is_read_from_parameters() {
        let read = |params: &str| read_input(params).map_err(|error| error.to_string());
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("{}"), Ok(None));
        assert_eq!(read(r#"{"input": 10}"#), Ok(Some("10".to_owned())));
        assert_eq!(read(r#"{"input": "a\"b"}"#), Ok(Some("a\"b".to_owned())));
        for wrong in ["[]", "{", r#"{"input": 1.5}"#] {
            let error = read(wrong).expect_err(wrong);
            assert!(error.starts_with("the parameters are wrong: "), "{error}");
        }
    }
}
