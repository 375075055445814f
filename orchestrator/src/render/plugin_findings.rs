//! The findings of `orch plugin check` as text and as JSON.

use super::place::ReportPlace;
use super::tone::Tone;
use crate::plugin_check::ExaminedPlugin;
use crate::vetting::{FindingLevel, PluginFinding};
use orch_core::format;
use serde_json::{Value, json};

/// The value of `schema` in the JSON.
const SCHEMA: &str = "orch/plugin-check/1";
/// Most columns of a line.
const COLUMNS: usize = 80;
/// Columns of the longest level, including a gap.
const LEVEL_COLUMNS: usize = 9;

/// Makes the document of `--json`.
pub(crate) fn build_document(examined: &[ExaminedPlugin]) -> Value {
    let count = |level| {
        examined
            .iter()
            .flat_map(|plugin| &plugin.findings)
            .filter(|each| each.level == level)
            .count()
    };
    let plugin = |plugin: &ExaminedPlugin| {
        let workloads = plugin.workloads.iter().map(|workload| {
            json!({
                "id": workload.id,
                "trials": workload.trials,
                "setup_ns": workload.setup_ns,
                "iteration_ns": workload.iteration_ns,
            })
        });
        json!({
            "key": plugin.key,
            "path": plugin.path,
            "workloads": workloads.collect::<Vec<_>>(),
            "findings": plugin.findings,
        })
    };
    json!({
        "schema": SCHEMA,
        "errors": count(FindingLevel::Error),
        "warnings": count(FindingLevel::Warning),
        "notes": count(FindingLevel::Note),
        "plugins": examined.iter().map(plugin).collect::<Vec<_>>(),
    })
}

/// Formats each plugin's findings, those that need action first, and then the trials.
pub(crate) fn describe_plugins(examined: &[ExaminedPlugin], place: ReportPlace) -> String {
    let columns = place.limit_paragraph(COLUMNS);
    let mut text = String::new();
    for plugin in examined {
        text.push_str(&format!("{} ({})\n\n", plugin.key, plugin.path));
        for finding in &plugin.findings {
            text.push_str(&describe_finding(finding, columns));
        }
        for workload in &plugin.workloads {
            let times = match (workload.setup_ns, workload.iteration_ns) {
                (Some(setup), Some(iteration)) => {
                    format!(
                        ", setup {}, iteration {}",
                        format::time(setup as f64),
                        format::time(iteration as f64)
                    )
                }
                _ => String::new(),
            };
            let sets = if workload.trials == 1 { "set" } else { "sets" };
            text.push_str(&line(
                "tried",
                &format!("{}: {} {sets}{times}", workload.id, workload.trials),
                columns,
            ));
        }
        text.push('\n');
    }
    let count = |level: FindingLevel, name: &str| {
        let count = examined
            .iter()
            .flat_map(|plugin| &plugin.findings)
            .filter(|each| each.level == level)
            .count();
        format!("{count} {name}{}", if count == 1 { "" } else { "s" })
    };
    let counts = [
        count(FindingLevel::Error, "error"),
        count(FindingLevel::Warning, "warning"),
        count(FindingLevel::Note, "note"),
    ];
    text + &counts.join(", ") + "; each set of parameters in a process of its own\n"
}

fn describe_finding(finding: &PluginFinding, columns: usize) -> String {
    let margin = " ".repeat(LEVEL_COLUMNS);
    let mut text = line(
        finding.level.name(),
        &format!("{}: {}", finding.place, finding.what),
        columns,
    );
    text = match finding.level {
        FindingLevel::Error => Tone::Bad.mark(&text),
        FindingLevel::Warning => Tone::Open.mark(&text),
        FindingLevel::Note => text,
    };
    for line in format::wrap(
        &finding.remedy,
        columns - LEVEL_COLUMNS - "fix: ".len(),
        "fix: ".len(),
    )
    .lines()
    .enumerate()
    {
        let (index, line) = line;
        text.push_str(&format!(
            "{margin}{}{line}\n",
            if index == 0 { "fix: " } else { "" }
        ));
    }
    text
}

/// Formats a word with a text beside it, which may have several lines.
fn line(word: &str, text: &str, columns: usize) -> String {
    let margin = " ".repeat(LEVEL_COLUMNS);
    let mut lines = String::new();
    for (index, part) in text.lines().enumerate() {
        let first = if index == 0 {
            format!("{word:LEVEL_COLUMNS$}")
        } else {
            margin.clone()
        };
        lines.push_str(&first);
        let wrapped = format::wrap(part, columns - LEVEL_COLUMNS, 0);
        lines.push_str(&wrapped.replace('\n', &format!("\n{margin}")));
        lines.push('\n');
    }
    lines
}
