//! The accepted level: the commit that a project accepts as its level, kept in git beside the
//! results, with the reason.

use super::problem::FileProblem;
use super::yaml::YamlNode;
use super::{YamlSource, check, schema_violation};
use schemars::JsonSchema;
use serde::Deserialize;

/// Name of the file in the results folder.
pub(crate) const FILE: &str = "accepted.yaml";

/// The level that `orch check --baseline accepted` holds the working tree against.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "Level", deny_unknown_fields)]
pub(crate) struct AcceptedLevel {
    /// The commit, or a tag.
    #[schemars(length(min = 1))]
    pub(crate) commit: String,
    /// Reason for accepting this level.
    #[schemars(length(min = 1))]
    pub(crate) reason: String,
}

/// Reads the file's text, or lists all its problems.
pub(crate) fn read_accepted_level(text: &str) -> Result<AcceptedLevel, Vec<FileProblem>> {
    let node = YamlNode::parse(text).map_err(|problem| vec![problem])?;
    let value = node.to_value();
    let source = YamlSource {
        root: node,
        option: String::new(),
    };
    let violations =
        schema_violation::find_violations(&schemars::schema_for!(AcceptedLevel).to_value(), &value);
    if !violations.is_empty() {
        return Err(violations
            .into_iter()
            .map(|violation| check::locate_violation(&source, violation))
            .collect());
    }
    serde_json::from_value(value)
        .map_err(|error| vec![source.problem(&[], error.to_string(), None)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_is_a_commit_with_a_reason() {
        let level = read_accepted_level("commit: v1.2\nreason: the release\n");
        assert_eq!(
            level,
            Ok(AcceptedLevel {
                commit: "v1.2".to_owned(),
                reason: "the release".to_owned()
            })
        );
        let messages = |text: &str| -> Vec<String> {
            read_accepted_level(text)
                .map(|_| Vec::new())
                .unwrap_or_else(|problems| problems.into_iter().map(|one| one.message).collect())
        };
        assert_eq!(messages("commit: v1.2\n").len(), 1, "no reason");
        assert_eq!(
            messages("commit: v1.2\nreason: x\ncomit: y\n").len(),
            1,
            "an unknown field"
        );
        assert_eq!(messages("[").len(), 1);
        assert!(!messages("").is_empty());
        let digits = read_accepted_level("commit: 1234567890\nreason: a hash without letters\n")
            .unwrap_err();
        assert_eq!(
            digits[0].hint.as_deref(),
            Some("write '1234567890', with quotes, for a text")
        );
    }
}
