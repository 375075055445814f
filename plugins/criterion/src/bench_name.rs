//! Names of benchmarks: criterion's, and those of the workloads that they become.

use std::collections::HashMap;
use std::fmt::Display;

/// Longest name of a workload, in bytes, and longest input, in characters.
const LONGEST: usize = 120;

/// Criterion's name of a benchmark inside a group: a function, a parameter, or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BenchmarkId {
    function: Option<String>,
    parameter: Option<String>,
}

impl BenchmarkId {
    /// Names a function and a parameter.
    pub fn new<S: Into<String>, P: Display>(function: S, parameter: P) -> Self {
        Self {
            function: Some(function.into()),
            parameter: Some(parameter.to_string()),
        }
    }

    /// Names a parameter; the group names the function.
    pub fn from_parameter<P: Display>(parameter: P) -> Self {
        Self {
            function: None,
            parameter: Some(parameter.to_string()),
        }
    }
}

/// What can name a benchmark of a group.
pub trait IntoBenchmarkId {
    /// Returns the name.
    fn into_benchmark_id(self) -> BenchmarkId;
}

impl IntoBenchmarkId for BenchmarkId {
    fn into_benchmark_id(self) -> BenchmarkId {
        self
    }
}

impl<S: Into<String>> IntoBenchmarkId for S {
    fn into_benchmark_id(self) -> BenchmarkId {
        BenchmarkId {
            function: Some(self.into()),
            parameter: None,
        }
    }
}

/// Full name of a benchmark.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BenchName {
    group: Option<String>,
    id: BenchmarkId,
}

impl BenchName {
    pub(crate) fn of_function(name: &str) -> Self {
        Self::of_id(None, name.into_benchmark_id())
    }

    pub(crate) fn of_id(group: Option<&str>, id: BenchmarkId) -> Self {
        Self {
            group: group.map(str::to_owned),
            id,
        }
    }

    /// Returns the name as criterion shows it: `group/function/parameter`.
    pub(crate) fn join_parts(&self) -> String {
        let parts = [&self.group, &self.id.function, &self.id.parameter];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        parts.join("/")
    }
}

/// A benchmark as `orch` names it: a workload, and its parameter `input` if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkloadName {
    pub(crate) workload: String,
    pub(crate) input: Option<String>,
}

/// Gives each benchmark its name as a workload, in the order in which they are defined. The same
/// order gives the same names.
#[derive(Debug, Default)]
pub(crate) struct WorkloadNames {
    /// The benchmarks that share a workload, and their inputs.
    used: HashMap<String, (BenchFamily, Vec<Option<String>>)>,
}

/// Benchmarks that differ only in their parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BenchFamily {
    group: Option<String>,
    function: Option<String>,
    has_parameter: bool,
}

impl WorkloadNames {
    /// Returns the name of the next benchmark. If another benchmark has the same one, `~2` is added
    /// to it, or the next number that is free.
    pub(crate) fn add_bench(&mut self, name: &BenchName) -> WorkloadName {
        let input = name.id.parameter.as_deref().map(make_printable);
        let family = BenchFamily {
            group: name.group.clone(),
            function: name.id.function.clone(),
            has_parameter: input.is_some(),
        };
        let parts = [&family.group, &family.function];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        let plain = make_word(&parts.join("."));
        let mut number = 1;
        loop {
            let workload = match number {
                1 => plain.clone(),
                _ => format!("{plain}~{number}"),
            };
            let (owner, inputs) = self
                .used
                .entry(workload.clone())
                .or_insert_with(|| (family.clone(), Vec::new()));
            if *owner == family && !inputs.contains(&input) {
                inputs.push(input.clone());
                return WorkloadName { workload, input };
            }
            number += 1;
        }
    }
}

/// Replaces control characters, which a scenario cannot contain, and cuts what is too long.
fn make_printable(text: &str) -> String {
    let replace = |letter: char| if letter.is_control() { '_' } else { letter };
    text.chars().map(replace).take(LONGEST).collect()
}

/// Makes a name that a scenario can contain: without spaces, slashes, brackets and control
/// characters, and not too long.
fn make_word(text: &str) -> String {
    let replace = |letter: char| match letter {
        '/' => '.',
        '[' => '(',
        ']' => ')',
        _ if letter.is_whitespace() || letter.is_control() => '_',
        _ => letter,
    };
    let mut word = String::new();
    for letter in text.chars().map(replace) {
        if word.len() + letter.len_utf8() > LONGEST {
            break;
        }
        word.push(letter);
    }
    if word.is_empty() {
        word.push('_');
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &mut WorkloadNames, name: &BenchName) -> (String, Option<String>) {
        let name = names.add_bench(name);
        (name.workload, name.input)
    }

    #[test]
    fn names_are_words_and_unique() {
        let mut names = WorkloadNames::default();
        let names = &mut names;
        let function = BenchName::of_function;
        assert_eq!(named(names, &function("parse/small")).0, "parse.small");
        assert_eq!(named(names, &function("parse small")).0, "parse_small");
        // The same word, and the same name.
        assert_eq!(named(names, &function("parse\tsmall")).0, "parse_small~2");
        assert_eq!(named(names, &function("parse small")).0, "parse_small~3");
        assert_eq!(named(names, &function("")).0, "_");
        assert_eq!(named(names, &function("a[0]")).0, "a(0)");
        assert_eq!(named(names, &function(&"x".repeat(500))).0.len(), LONGEST);
    }

    #[test]
    fn parameters_share_a_workload() {
        let mut names = WorkloadNames::default();
        let names = &mut names;
        let with =
            |parameter: &str| BenchName::of_id(Some("sort"), BenchmarkId::new("quick", parameter));
        assert_eq!(
            named(names, &with("10")),
            ("sort.quick".to_owned(), Some("10".to_owned()))
        );
        assert_eq!(
            named(names, &with("20")),
            ("sort.quick".to_owned(), Some("20".to_owned()))
        );
        assert_eq!(named(names, &with("10")).0, "sort.quick~2");
        assert_eq!(named(names, &with("a\nb")).1.as_deref(), Some("a_b"));
        // A benchmark without a parameter is another workload.
        let without = BenchName::of_id(Some("sort"), "quick".into_benchmark_id());
        assert_eq!(named(names, &without), ("sort.quick~3".to_owned(), None));
        let only = BenchName::of_id(Some("sort"), BenchmarkId::from_parameter(5));
        assert_eq!(
            named(names, &only),
            ("sort".to_owned(), Some("5".to_owned()))
        );
        assert_eq!(only.join_parts(), "sort/5");
    }
}
