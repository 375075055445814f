//! The scenario of a package with bench files for criterion.

use super::{InitReport, LeftOutBench};
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::plugin::build;
use crate::plugin::catalog::{PluginDescription, WorkloadInfo};
use crate::project::{self, BuildWait};
use crate::runner::event::ProgressObserver;
use crate::scenario::{self, ScenarioContext};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Settings of all jobs: about 10 s for ten benchmarks.
const DEFAULTS: &str = "defaults: { time: 200ms, rounds: 5 }\n";

/// Builds the bench files and composes a scenario of all of their benchmarks. Files that cannot be
/// built or listed are left out.
pub(super) fn compose(
    root: &Path,
    report: &mut InitReport,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<String, CommandError> {
    let keyed = choose_keys(&report.code.benches);
    let mut described = describe_all(root, &keyed, context, observer)?;
    let mut plugins = String::from("plugins:\n");
    let mut workloads = String::from("workloads:\n");
    let mut used = HashSet::new();
    let mut jobs = 0;
    for (key, file) in &keyed {
        match described.remove(key) {
            Some(Ok(description)) => {
                let problems = description.problems.iter();
                report.left_out.extend(problems.map(|problem| LeftOutBench {
                    file: file.into(),
                    reason: problem.clone(),
                }));
                let _ = writeln!(plugins, "  {key}: {{ criterion: {file:?} }}");
                for info in &description.workloads {
                    jobs += write_workload(&mut workloads, key, info, &mut used);
                }
            }
            Some(Err(reason)) => report.left_out.push(LeftOutBench {
                file: file.into(),
                reason,
            }),
            None => {}
        }
    }
    if jobs == 0 {
        let reasons = report.left_out.iter();
        let reasons: Vec<String> = reasons
            .map(|left_out| format!("{}: {}", left_out.file.display(), left_out.reason))
            .collect();
        return Err(CommandError::input(format!(
            "no bench file for criterion can be measured: {}",
            reasons.join("; ")
        ))
        .with_hint("docs/CRITERION.md lists what works"));
    }
    report.jobs = Some(jobs);
    Ok(format!("{plugins}{DEFAULTS}{workloads}"))
}

/// Gives each bench file a key: its name, or its path if several have the name. A number makes keys
/// different that are still the same.
fn choose_keys(benches: &[PathBuf]) -> Vec<(String, String)> {
    let make_key = |path: &Path| {
        let text = path.with_extension("").to_string_lossy().into_owned();
        text.replace(|c: char| !c.is_alphanumeric() && c != '_' && c != '-', "-")
    };
    let name = |path: &Path| make_key(Path::new(path.file_name().unwrap_or_default()));
    let mut keyed: Vec<(String, String)> = Vec::new();
    for path in benches {
        let is_shared = benches
            .iter()
            .filter(|other| name(other) == name(path))
            .count()
            > 1;
        let plain = if is_shared {
            make_key(path)
        } else {
            name(path)
        };
        let mut key = plain.clone();
        let mut number = 1;
        while keyed.iter().any(|(used, _)| *used == key) {
            number += 1;
            key = format!("{plain}-{number}");
        }
        keyed.push((key, path.to_string_lossy().into_owned()));
    }
    keyed
}

/// Builds all bench files, and reads what they describe or why they fail.
fn describe_all(
    root: &Path,
    keyed: &[(String, String)],
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<HashMap<String, Result<PluginDescription, String>>, CommandError> {
    let mut text = String::from("plugins:\n");
    for (key, file) in keyed {
        let _ = writeln!(text, "  {key}: {{ criterion: {file:?} }}");
    }
    // A scenario needs a workload; none is measured here.
    let _ = writeln!(text, "workloads: [{{ workload: {}/any }}]", keyed[0].0);
    let around = ScenarioContext {
        root,
        stem: "init",
        exists: &|path| path.exists(),
        real: &|path| path.to_owned(),
    };
    let scenario = scenario::read_scenario(&text, &around)
        .map_err(|problems| CommandError::problems("the new scenario", &text, problems))?;
    let mut plugins = project::prepare(
        &scenario,
        |_| true,
        &build::prepare_plugin,
        BuildWait::Never,
        &context.mark,
        context.interrupt,
        observer,
    )?;
    let mut found = HashMap::new();
    for (key, prepared) in plugins.prepared {
        let outcome = match (plugins.described.remove(&key), prepared) {
            (Some(description), _) => Ok(description),
            (None, Err(failure)) => Err(failure.message),
            (None, Ok(_)) => continue,
        };
        found.insert(key, outcome);
    }
    Ok(found)
}

/// Writes the entry of a workload, and returns the number of its jobs. The job is named after the
/// workload, or after the plugin too if another one has the name.
fn write_workload(
    text: &mut String,
    key: &str,
    info: &WorkloadInfo,
    used: &mut HashSet<String>,
) -> usize {
    let _ = write!(
        text,
        "  - {{ workload: {}",
        quote(&format!("{key}/{}", info.id))
    );
    if !used.insert(info.id.clone()) {
        let id = format!("{key}.{}", info.id);
        let _ = write!(text, ", id: {}", quote(&id));
        used.insert(id);
    }
    let schema = info.params.as_ref();
    let inputs = schema.and_then(|schema| schema["properties"]["input"]["enum"].as_array());
    let inputs = inputs.map(Vec::as_slice).unwrap_or_default();
    // A number is listed as a text too.
    let numbers = inputs.iter().filter(|value| value.is_number());
    let numbers: HashSet<String> = numbers.map(ToString::to_string).collect();
    let is_repeated = |value: &&serde_json::Value| {
        let text = value.as_str();
        text.is_some_and(|text| numbers.contains(text))
    };
    let inputs: Vec<&serde_json::Value> =
        inputs.iter().filter(|value| !is_repeated(value)).collect();
    if !inputs.is_empty() {
        let list: Vec<String> = inputs.iter().map(ToString::to_string).collect();
        let _ = write!(text, ", matrix: {{ input: [{}] }}", list.join(", "));
    }
    text.push_str(" }\n");
    inputs.len().max(1)
}

/// Returns a text as YAML, quoted if a reader of YAML could take it for something else.
fn quote(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique() {
        let keyed = choose_keys(&[
            "benches/a.rs".into(),
            "x/benches/a.rs".into(),
            "b c.rs".into(),
            "s/d e.rs".into(),
            "s/d-e.rs".into(),
        ]);
        let keys: Vec<&str> = keyed.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            keys,
            ["benches-a", "x-benches-a", "b-c", "s-d-e", "s-d-e-2"]
        );
    }
}
