//! A problem of a scenario file, with its place, its message and a hint; and the print of a list of
//! problems.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use orch_core::format::clean;
use std::fmt::Write;
use std::ops::Range;

/// One problem of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FileProblem {
    /// Range in the file, in characters, as the YAML parser counts; empty if only the beginning is
    /// known.
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl FileProblem {
    pub(crate) fn new(at: Range<usize>, message: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            at,
            message: message.into(),
            hint,
        }
    }

    /// Finds the bytes to underline. This reads the file up to that place, so it is left until the
    /// problem is shown.
    pub(crate) fn find_bytes(&self, text: &str) -> Range<usize> {
        let byte = |index: usize| {
            text.char_indices()
                .nth(index)
                .map_or(text.len(), |(byte, _)| byte)
        };
        let start = byte(self.at.start);
        let mut end = byte(self.at.end.max(self.at.start));
        // Only the beginning of a map or list is known, so its first word is underlined.
        if end == start {
            end += text[start..]
                .chars()
                .take_while(|c| !c.is_whitespace() && *c != ':')
                .map(char::len_utf8)
                .sum::<usize>();
        }
        let line_end = text[start..]
            .find('\n')
            .map_or(text.len(), |newline| start + newline);
        start..end.clamp(start, line_end.max(start))
    }

    /// Finds the number of the line, from 1.
    pub(crate) fn find_line(&self, text: &str) -> usize {
        let before = text.chars().take(self.at.start);
        1 + before.filter(|c| *c == '\n').count()
    }
}

/// Most problems that are shown; further ones are only counted.
const MOST_SHOWN: usize = 20;

/// Renders the first twenty problems of a file with their places and lines, in the order of the
/// file, and the number of all problems.
pub(crate) fn render_problems(
    path: &str,
    text: &str,
    problems: &[FileProblem],
    colour: bool,
) -> String {
    let mut sorted: Vec<&FileProblem> = problems.iter().collect();
    sorted.sort_by_key(|problem| problem.at.start);
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let (source, path) = (clean_source(text), clean::clean_line(path));
    let mut out = String::new();
    for problem in sorted.into_iter().take(MOST_SHOWN) {
        let message = clean::clean_lines(&problem.message);
        let hint = problem.hint.as_deref().map(clean::clean_lines);
        let snippet = Snippet::source(source.as_str())
            .path(path.as_ref())
            .annotation(AnnotationKind::Primary.span(problem.find_bytes(text)));
        let mut group = Level::ERROR
            .primary_title(message.as_ref())
            .element(snippet);
        if let Some(hint) = &hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_ref()));
        }
        let _ = writeln!(out, "{}\n", renderer.render(&[group]));
    }
    let count = problems.len();
    let more = if count > MOST_SHOWN {
        format!(", the first {MOST_SHOWN} of which are shown")
    } else {
        String::new()
    };
    let plural = if count == 1 { "" } else { "s" };
    let _ = write!(
        out,
        "{count} problem{plural} in {path}{more}; nothing was measured"
    );
    out
}

/// Cleans the text of a file whose places are known: each character keeps its number of bytes. The
/// renderer shows tabs.
fn clean_source(text: &str) -> String {
    let is_unfit = |c: char| clean::is_control(c) && !"\r\n\t".contains(c);
    let mut source = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unfit(c) {
            source.extend(std::iter::repeat_n(' ', c.len_utf8()));
        } else {
            source.push(c);
        }
    }
    source
}

/// Returns the known word nearest to a wrong one, if one is near enough.
pub(crate) fn nearest_name<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(wrong, word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.chars().count() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
