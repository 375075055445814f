//! The list of programs to measure: command lines with their parameters, names and helpers.

use crate::error::CommandError;
use orch_core::format::clean;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Most programs of one measurement.
const MOST_PROGRAMS: usize = 64;
/// Longest name of a program.
const LONGEST_NAME: usize = 200;

/// One program to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimedProgram {
    /// Name in reports. No two programs have the same one.
    pub(crate) name: String,
    /// Command line.
    pub(crate) line: String,
    /// Command line that runs before each run, untimed.
    pub(crate) prepare: Option<String>,
    /// Command line that runs once, before the first run.
    pub(crate) setup: Option<String>,
    /// Command line that runs once, after the last run.
    pub(crate) cleanup: Option<String>,
}

/// A parameter of command lines, which stands there as `{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineParameter {
    pub(crate) name: String,
    pub(crate) values: Vec<String>,
}

/// What the user asked to measure.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProgramList {
    pub(crate) lines: Vec<String>,
    /// Names, in the order of the programs; none, or one for each.
    pub(crate) names: Vec<String>,
    /// None, one for all lines, or one for each line.
    pub(crate) prepare: Vec<String>,
    pub(crate) setup: Option<String>,
    pub(crate) cleanup: Option<String>,
    pub(crate) parameters: Vec<LineParameter>,
}

/// A value for each parameter that occurs in a line.
type ParameterValues<'a> = Vec<(&'a str, &'a str)>;

impl ProgramList {
    /// Returns the programs: each line with each combination of the values of its parameters.
    pub(crate) fn expand(&self) -> Result<Vec<TimedProgram>, CommandError> {
        self.check()?;
        let mut programs = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            let prepare = self.prepare.get(index).or(match &self.prepare[..] {
                [one] => Some(one),
                _ => None,
            });
            let helpers = [prepare, self.setup.as_ref(), self.cleanup.as_ref()];
            let texts: Vec<&str> = std::iter::once(line)
                .chain(helpers.into_iter().flatten())
                .map(String::as_str)
                .collect();
            for values in self.combine_values(&texts) {
                let fill = |text: &String| fill_line(text, &values);
                let name = match self.names.get(index) {
                    Some(name) if self.names.len() == self.lines.len() => fill(name),
                    _ => name_line(line, &values),
                };
                let line = fill(line);
                programs.push(TimedProgram {
                    name: shorten_name(&name),
                    line,
                    prepare: prepare.map(fill),
                    setup: self.setup.as_ref().map(fill),
                    cleanup: self.cleanup.as_ref().map(fill),
                });
                if programs.len() > MOST_PROGRAMS {
                    return Err(CommandError::input(format!(
                        "the lines and parameters make more than {MOST_PROGRAMS} programs"
                    ))
                    .with_hint("name fewer command lines or fewer values of --parameter-list"));
                }
            }
        }
        self.name_programs(&mut programs)?;
        Ok(programs)
    }

    fn check(&self) -> Result<(), CommandError> {
        if let Some(empty) = self.lines.iter().position(|line| line.trim().is_empty()) {
            let number = empty + 1;
            return Err(CommandError::input(format!("command {number} is empty"))
                .with_hint("put each command line in quotes: orch time 'sort a' 'sort b'"));
        }
        let (lines, prepares) = (self.lines.len(), self.prepare.len());
        if prepares > 1 && prepares != lines {
            return Err(CommandError::input(format!(
                "--prepare is given {prepares} times for {lines} commands"
            ))
            .with_hint("give it once for all commands, or once for each"));
        }
        if self.names.iter().any(|name| name.trim().is_empty()) {
            return Err(CommandError::input("--name: a name is empty"));
        }
        let mut seen = HashSet::new();
        for parameter in &self.parameters {
            let name = &parameter.name;
            if !seen.insert(name) {
                return Err(CommandError::input(format!(
                    "--parameter-list names `{name}` twice"
                )));
            }
            let place = format!("{{{name}}}");
            let helpers = self.prepare.iter().chain(&self.setup).chain(&self.cleanup);
            if !self
                .lines
                .iter()
                .chain(helpers)
                .any(|line| line.contains(&place))
            {
                return Err(CommandError::input(format!(
                    "no command line contains `{place}`, so the values of `{name}` change nothing"
                ))
                .with_hint(format!(
                    "write for example: orch time --parameter-list {name} 1,2 'sleep {place}'"
                )));
            }
        }
        Ok(())
    }

    /// Lists the combinations of values of the parameters that occur in a line or its helpers. The
    /// values of the last parameter change fastest.
    fn combine_values<'a>(&'a self, texts: &[&str]) -> Vec<ParameterValues<'a>> {
        let mut combined: Vec<ParameterValues> = vec![Vec::new()];
        for parameter in &self.parameters {
            let place = format!("{{{}}}", parameter.name);
            if !texts.iter().any(|text| text.contains(&place)) {
                continue;
            }
            let mut longer = Vec::new();
            for values in &combined {
                for value in &parameter.values {
                    let own = (parameter.name.as_str(), value.as_str());
                    longer.push(values.iter().copied().chain([own]).collect());
                }
                // Enough to be refused.
                if longer.len() > MOST_PROGRAMS {
                    break;
                }
            }
            combined = longer;
        }
        combined
    }

    /// Gives the programs the names that the user chose, and numbers names that occur twice.
    fn name_programs(&self, programs: &mut [TimedProgram]) -> Result<(), CommandError> {
        let (names, count) = (self.names.len(), programs.len());
        if names > 0 && names != count && names != self.lines.len() {
            return Err(CommandError::input(format!(
                "--name is given {names} times for {count} programs"
            ))
            .with_hint("give it once for each command, or once for each program"));
        }
        if names == count {
            for (program, name) in programs.iter_mut().zip(&self.names) {
                program.name = shorten_name(name);
            }
        }
        let mut seen = HashSet::new();
        for program in programs {
            let plain = program.name.clone();
            let mut number = 2;
            while !seen.insert(program.name.clone()) {
                program.name = format!("{plain} ({number})");
                number += 1;
            }
        }
        Ok(())
    }
}

/// Reads the value of `--parameter-list`: a name, and values that commas separate.
pub(crate) fn read_parameter(name: &str, values: &str) -> Result<LineParameter, CommandError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(CommandError::input(format!(
            "--parameter-list: `{name}` is not a name of letters, digits, `_` and `-`"
        )));
    }
    Ok(LineParameter {
        name: name.to_owned(),
        values: values.split(',').map(str::to_owned).collect(),
    })
}

/// Replaces each `{name}` by its value. Values are not searched for parameters.
fn fill_line(line: &str, values: &ParameterValues) -> String {
    let mut filled = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        filled.push_str(before);
        let value = after[1..].split_once('}').and_then(|(name, behind)| {
            let (_, value) = values.iter().find(|(own, _)| *own == name)?;
            Some((value, behind))
        });
        match value {
            Some((value, behind)) => {
                filled.push_str(value);
                rest = behind;
            }
            None => {
                filled.push('{');
                rest = &after[1..];
            }
        }
    }
    filled + rest
}

/// Returns the name of a line with its values. Values that are only in helpers are appended.
fn name_line(line: &str, values: &ParameterValues) -> String {
    let hidden = values
        .iter()
        .filter(|(name, _)| !line.contains(&format!("{{{name}}}")));
    let hidden: Vec<String> = hidden
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let line = fill_line(line, values);
    if hidden.is_empty() {
        line
    } else {
        format!("{line} [{}]", hidden.join(", "))
    }
}

/// Returns a line as the name of its program: one line, and not longer than a report can show.
fn shorten_name(line: &str) -> String {
    let line = clean::clean_line(line.trim());
    let mut name: String = line.chars().take(LONGEST_NAME).collect();
    if name.len() < line.len() {
        name.push('…');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lines: &[&str]) -> ProgramList {
        ProgramList {
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            ..ProgramList::default()
        }
    }

    fn parameter(name: &str, values: &str) -> LineParameter {
        read_parameter(name, values).unwrap()
    }

    fn names(list: &ProgramList) -> Vec<String> {
        let programs = list.expand().unwrap();
        programs.into_iter().map(|program| program.name).collect()
    }

    fn refusal(list: &ProgramList) -> String {
        list.expand().unwrap_err().to_string()
    }

    #[test]
    fn lines_are_combined_with_the_values_of_their_parameters() {
        let mut asked = list(&["a {x} {y}", "b", "c {y} {z}"]);
        asked.parameters = vec![parameter("x", "1,2"), parameter("y", "p,q")];
        let expected = [
            "a 1 p", "a 1 q", "a 2 p", "a 2 q", "b", "c p {z}", "c q {z}",
        ];
        assert_eq!(names(&asked), expected);
        asked.prepare = vec!["one".into(), "two".into(), "make {y} {x}".into()];
        let programs = asked.expand().unwrap();
        let last = programs.last().unwrap();
        assert_eq!(last.prepare.as_deref(), Some("make q 2"));
        assert_eq!(last.name, "c q {z} [x=2]");
        assert_eq!(programs[4].prepare.as_deref(), Some("two"));
        let mut asked = list(&["b"]);
        asked.setup = Some("begin {y}".into());
        asked.parameters = vec![parameter("y", "p,q")];
        assert_eq!(names(&asked), ["b [y=p]", "b [y=q]"]);
        let programs = asked.expand().unwrap();
        assert_eq!(programs[1].setup.as_deref(), Some("begin q"));
        asked.names = vec!["build {y}".into()];
        assert_eq!(names(&asked), ["build p", "build q"]);
    }

    #[test]
    fn values_are_not_searched_for_parameters() {
        let values = vec![("x", "{y}"), ("y", "1")];
        assert_eq!(fill_line("{x}{y}{", &values), "{y}1{");
        assert_eq!(
            fill_line("awk '{print}' {{x}}", &values),
            "awk '{print}' {{y}}"
        );
    }

    #[test]
    fn names_are_unique_and_one_line() {
        assert_eq!(
            names(&list(&["true", "true", "a\nb", "true"])),
            ["true", "true (2)", "a b", "true (3)"]
        );
        let mut asked = list(&["true", "false"]);
        asked.names = vec!["good".into(), "bad".into()];
        assert_eq!(names(&asked), ["good", "bad"]);
        let long = names(&list(&[&"x".repeat(1000)])).remove(0);
        assert_eq!(long.chars().count(), LONGEST_NAME + 1);
    }

    #[test]
    fn wrong_lists_are_refused() {
        assert!(refusal(&list(&["true", " "])).starts_with("error: command 2 is empty"));
        let mut asked = list(&["a", "b", "c"]);
        asked.prepare = vec!["x".into(), "y".into()];
        let text = refusal(&asked);
        assert!(text.starts_with("error: --prepare is given 2 times for 3 commands"));
        asked.prepare.clear();
        asked.names = vec!["x".into()];
        let text = refusal(&asked);
        assert!(text.starts_with("error: --name is given 1 times for 3 programs"));
        asked.names = vec![" ".into(); 3];
        assert_eq!(refusal(&asked), "error: --name: a name is empty");
        asked.names.clear();
        asked.parameters = vec![parameter("n", "1")];
        assert!(refusal(&asked).starts_with("error: no command line contains `{n}`"));
        let many: Vec<String> = (0..9).map(|number| number.to_string()).collect();
        let mut asked = list(&["a {x} {y}"]);
        asked.parameters = vec![
            parameter("x", &many.join(",")),
            parameter("y", &many.join(",")),
        ];
        assert!(refusal(&asked).contains("more than 64 programs"));
        asked.parameters = vec![parameter("x", "1"), parameter("x", "2")];
        assert!(refusal(&asked).contains("names `x` twice"));
        assert!(read_parameter("a b", "1").is_err());
    }
}
