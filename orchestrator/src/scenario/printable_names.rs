//! Control characters in a scenario: refused in every key, and in every value that is printed or
//! that names something.

use super::problem::FileProblem;
use super::yaml::{YamlNode, YamlValue};
use orch_core::format::{self, clean};

/// Keys whose values may have such characters: prose, shell commands, and inputs of plugins. The
/// names of reports have a check of their own.
const FREE: [&str; 7] = [
    "about", "build", "env", "notes", "params", "reason", "reports",
];

/// Returns a problem for each such key and value.
pub(super) fn find_control_characters(root: &YamlNode) -> Vec<FileProblem> {
    let mut problems = Vec::new();
    visit_node(root, false, &mut problems);
    problems
}

fn visit_node(node: &YamlNode, is_free: bool, problems: &mut Vec<FileProblem>) {
    match &node.kind {
        YamlValue::Text(value) if !is_free && clean::has_control(value) => {
            problems.push(report_control(node.at.clone(), value));
        }
        YamlValue::List(items) => {
            for item in items {
                visit_node(item, is_free, problems);
            }
        }
        YamlValue::Map(entries) => {
            for (key, value) in entries {
                if clean::has_control(&key.name) {
                    problems.push(report_control(key.at.clone(), &key.name));
                }
                let is_free = is_free || FREE.contains(&key.name.as_str());
                visit_node(value, is_free, problems);
            }
        }
        _ => {}
    }
}

fn report_control(at: std::ops::Range<usize>, value: &str) -> FileProblem {
    let value = format::shortened(value);
    let message = format!("{value:?} has a control character");
    let hint = "remove it, because names are printed on terminals and in reports";
    FileProblem::new(at, message, Some(hint.to_owned()))
}
