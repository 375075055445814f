//! Topics of `orch help` that are not commands.

use crate::scenario::wire;
use serde_json::Value;
use std::fmt::Write as _;

/// Name of a topic, and the function that returns its text.
type HelpTopic = (&'static str, fn() -> String);

const TOPICS: [HelpTopic; 4] = [
    ("environment", || {
        include_str!("topics/environment.txt").to_owned()
    }),
    ("exit-codes", || {
        include_str!("topics/exit-codes.txt").to_owned()
    }),
    ("scenario", describe_scenario),
    ("verdicts", || {
        include_str!("topics/verdicts.txt").to_owned()
    }),
];

/// Returns the text of the topic that the words of a command line name: `orch help TOPIC`.
pub(crate) fn find_topic(words: &[String]) -> Option<String> {
    let [_, help, name] = words else {
        return None;
    };
    let mut topics = TOPICS.iter();
    let topic = topics.find(|(topic, _)| help == "help" && topic == name);
    topic.map(|(_, describe)| describe())
}

/// Describes the fields of a scenario, from its schema.
fn describe_scenario() -> String {
    let schema = wire::schema();
    let mut text = String::from("Fields of a scenario; `orch schema` prints them for editors:\n");
    let whole = Value::Null;
    let mut parts = vec![("", &schema)];
    let definitions = schema["$defs"].as_object();
    parts.extend(
        definitions
            .into_iter()
            .flatten()
            .map(|(name, part)| (name.as_str(), part)),
    );
    for (name, part) in parts {
        let fields = part.get("properties").unwrap_or(&whole).as_object();
        let Some(fields) = fields else { continue };
        let about = part["description"].as_str().unwrap_or_default();
        let _ = match name {
            "" => writeln!(text),
            _ => writeln!(text, "\n{name}: {about}"),
        };
        for (field, about) in fields {
            let about = about["description"].as_str().unwrap_or_default();
            let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(text, "  {field:<15}  {about}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_scenario_is_described() {
        let text = describe_scenario();
        for field in ["plugins", "criterion", "max_allocations", "up_to", "matrix"] {
            let line = text
                .lines()
                .find(|line| line.trim_start().starts_with(field));
            let line = line.unwrap_or_else(|| panic!("{field}: {text}"));
            assert!(line.len() > 30, "{line}");
        }
    }
}
