//! The print of quantities: three significant digits, fitting units, plain digits for sizes.

pub mod change;
pub mod clean;

use std::borrow::Borrow;

/// Formats nanoseconds as `412 ns`, `1.23 µs`, `45.6 ms`, `7.89 s`.
pub fn time(ns: f64) -> String {
    // Negative zero has no sign.
    let ns = ns + 0.0;
    let (size, name) = time_unit(ns);
    format!("{} {name}", number(ns / size))
}

/// Returns the unit in which a time, rounded, is at least 1, with its size in nanoseconds.
fn time_unit(ns: f64) -> (f64, &'static str) {
    const UNITS: [(f64, &str); 3] = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    UNITS
        .into_iter()
        .find(|(size, _)| ns.abs() >= size * 0.9995)
        .unwrap_or((1.0, "ns"))
}

/// Formats several times in the unit of the largest: `1.20 / 3.40 / 56.7 µs`.
pub fn times(values: &[f64]) -> String {
    let largest = values.iter().copied().fold(0.0, f64::max);
    let (size, name) = time_unit(largest);
    let numbers: Vec<String> = values.iter().map(|ns| number(ns / size)).collect();
    format!("{} {name}", numbers.join(" / "))
}

/// Formats rising times, each in the unit of the largest and with enough digits to differ from the
/// next: `1.47 s`, `1.48 s`. Equal times stay equal.
pub fn times_apart(values: &[f64]) -> Vec<String> {
    let largest = values.iter().copied().fold(0.0, f64::max);
    let (size, name) = time_unit(largest);
    let print = |digits: usize| -> Vec<String> {
        let numbers = values.iter().map(|ns| ns / size);
        numbers
            .map(|number| format!("{number:.digits$} {name}"))
            .collect()
    };
    let differ = |texts: &[String]| {
        let neighbours = values.windows(2).zip(texts.windows(2));
        neighbours
            .into_iter()
            .all(|(values, texts)| values[0] == values[1] || texts[0] != texts[1])
    };
    (0..=9)
        .map(print)
        .find(|texts| differ(texts))
        .unwrap_or_else(|| print(0))
}

/// Formats bytes as `0 B`, `512 B`, `1.50 KiB`, `3.00 MiB`.
pub fn bytes(bytes: f64) -> String {
    // Negative zero has no sign.
    let bytes = bytes + 0.0;
    const UNITS: [(f64, &str); 4] = [
        (1_099_511_627_776.0, "TiB"),
        (1_073_741_824.0, "GiB"),
        (1_048_576.0, "MiB"),
        (1024.0, "KiB"),
    ];
    match UNITS
        .into_iter()
        .find(|(size, _)| bytes.abs() >= size * 0.9995)
    {
        Some((size, name)) => format!("{} {name}", number(bytes / size)),
        None => format!("{} B", number(bytes)),
    }
}

/// Formats a number with three significant digits below 1000, and as a whole number above. Whole
/// values are printed unchanged.
pub fn number(value: f64) -> String {
    // Negative zero has no sign.
    let value = value + 0.0;
    if !value.is_finite() {
        return "n/a".to_owned();
    }
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let magnitude = value.abs();
    let digits = match magnitude {
        m if m >= 99.95 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.9995 => 2,
        m if m >= 0.09995 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// Formats two values in a form of this module. If they differ but look the same in it, formats
/// them as plain numbers of this unit with as many digits as distinguish them.
pub fn apart(form: impl Fn(f64) -> String, unit: &str, [a, b]: [f64; 2]) -> [String; 2] {
    // Whole values are printed without zeros behind the point, so 7 and 7.00 look the same.
    let seen = |text: &str| {
        let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
        (number.parse::<f64>().ok(), unit.to_owned())
    };
    let short = [form(a), form(b)];
    if a == b || seen(&short[0]) != seen(&short[1]) {
        return short;
    }
    let unit = if unit.is_empty() {
        String::new()
    } else {
        format!(" {unit}")
    };
    let longer = (0..=17).map(|digits| [a, b].map(|value| format!("{value:.digits$}{unit}")));
    longer
        .into_iter()
        .find(|[a, b]| a != b)
        .unwrap_or_else(|| [a, b].map(|value| format!("{value:e}{unit}")))
}

/// Formats a share as `1.2 %`, or as `12 %` if the tenths no longer matter.
pub fn percent(share: f64) -> String {
    // Negative zero has no sign.
    let share = share + 0.0;
    let percent = share * 100.0;
    let digits = usize::from(percent.abs() < 9.95);
    if percent.is_finite() {
        format!("{percent:.digits$} %")
    } else {
        "n/a".to_owned()
    }
}

/// Wraps a text into lines of at most `width` columns, and indents all lines but the first by
/// `indent` spaces.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let spaces = " ".repeat(indent);
    // Names contain hyphens too, and must not be broken at them.
    let options = textwrap::Options::new(width)
        .subsequent_indent(&spaces)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let text = text.trim();
    let inside = unbroken(text);
    let held: String = text
        .char_indices()
        .map(|(at, c)| if inside.contains(&at) { HELD } else { c })
        .collect();
    textwrap::fill(&held, options).replace(HELD, " ")
}

/// Character that replaces a space at which no line may end while lines are made. No other text
/// contains it.
const HELD: char = '\u{f8ff}';

/// Units of times, bytes and shares. They stay on the line of their number.
pub const UNITS: [&str; 10] = ["%", "ns", "µs", "ms", "s", "B", "KiB", "MiB", "GiB", "TiB"];

/// Returns the places of the spaces that hold a number together: before its unit, and between its
/// groups of three digits.
fn unbroken(text: &str) -> Vec<usize> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let held = |(at, _): &(usize, &str)| {
        let after = &text[at + 1..];
        let word = after.split(|c: char| !(c.is_alphanumeric() || c == '%'));
        let is_unit = word.take(1).any(|word| UNITS.contains(&word));
        let is_number = text[..*at].ends_with(|c: char| c.is_ascii_digit());
        is_number && (is_unit || digits(after) == 3)
    };
    text.match_indices(' ')
        .filter(held)
        .map(|(at, _)| at)
        .collect()
}

/// Wraps each line longer than `most` columns, and indents its continuation lines deeper than the
/// line itself.
pub fn wrap_lines(text: &str, most: usize) -> String {
    let wrap_line = |line: &str| {
        // A text of other people may begin with any number of spaces.
        let indent = (line.len() - line.trim_start_matches(' ').len()).min(most / 2);
        let spaces = " ".repeat(indent);
        // An indented line is an item of a list, whose parts may be indented by 4.
        let deeper = if indent > 0 { 6 } else { 2 };
        let wrapped = wrap(line, most - indent, deeper);
        format!(
            "{spaces}{}\n",
            wrapped.replace('\n', &format!("\n{spaces}"))
        )
    };
    text.lines()
        .map(|line| match columns(line) > most {
            true => wrap_line(line),
            false => format!("{line}\n"),
        })
        .collect()
}

/// Wraps a command of a shell into lines of at most `width` columns where its words allow. All
/// lines but the first are indented by `indent` spaces, and all but the last end with a backslash,
/// so that the lines are still one command. No line ends inside of quotes, or between an option and
/// its value.
pub fn wrap_command(command: &str, width: usize, indent: usize) -> String {
    let (mut quote, mut is_escaped) = (None, false);
    let words = command.split(|c| {
        match (c, quote) {
            _ if is_escaped => {}
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(open)) if open == c => quote = None,
            _ => {}
        }
        let is_end = c == ' ' && quote.is_none() && !is_escaped;
        is_escaped = c == '\\' && quote != Some('\'') && !is_escaped;
        is_end
    });
    let mut parts: Vec<String> = Vec::new();
    for word in words {
        match parts.last_mut() {
            Some(part) if is_option(part) && !word.starts_with('-') => {
                part.push(' ');
                part.push_str(word);
            }
            _ => parts.push(word.to_owned()),
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for word in &parts {
        match lines.last_mut() {
            // Two columns are for the backslash.
            Some(line) if columns(line) + 1 + columns(word) + 2 <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("{:indent$}{word}", "")),
            None => lines.push(word.clone()),
        }
    }
    lines.join(" \\\n")
}

/// Returns whether a word is an option without its value.
fn is_option(word: &str) -> bool {
    word.starts_with("--") && !word.contains([' ', '='])
}

/// Returns the width of a text in a terminal.
fn columns(text: &str) -> usize {
    textwrap::core::display_width(text)
}

/// Returns the beginning of a long text. The record contains the whole text.
pub fn brief(text: &str) -> String {
    const MOST: usize = 1500;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} [... the record has the rest]", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Returns whole lines of a long text that have at most `most` bytes together with a last line,
/// which names the file with the rest.
pub fn cut(mut text: String, most: usize, whole: &str) -> String {
    if text.len() <= most {
        return text;
    }
    let size = text.len();
    // The margin leaves room for the last line and for an open code block.
    let room = most.saturating_sub(whole.len() + 200);
    let end = (0..=room)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default();
    let end = text[..end].rfind('\n').map_or(end, |newline| newline + 1);
    text.truncate(end);
    if text.lines().filter(|line| line.starts_with("```")).count() % 2 == 1 {
        text.push_str("```\n");
    }
    let left = size - end;
    text.push_str(&format!(
        "\n[... {left} more bytes are left out; {whole} has everything]\n"
    ));
    text
}

/// Formats a timestamp to the second, in a readable form.
pub fn utc(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => clean::clean_line(text).into_owned(),
    }
}

/// Quotes an external text in a message. A long text is shortened to its beginning and its length.
pub fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
    }
}

/// Most names in one sentence.
pub const MOST_NAMES: usize = 20;

/// Lists names in a sentence: the first twenty, and the number of the others.
pub fn listed<T: Borrow<str>>(names: &[T]) -> String {
    let shown = names[..names.len().min(MOST_NAMES)].join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Formats a number of things: "1 pair", "5 pairs".
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Formats an amount of things, which may be a fraction: "1 call", "12.5 calls".
pub fn counted_number(amount: f64, what: &str) -> String {
    let plural = if amount == 1.0 { "" } else { "s" };
    format!("{} {what}{plural}", number(amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_never_look_the_same() {
        assert_eq!(apart(number, "", [7.0, 8.0]), ["7", "8"]);
        assert_eq!(
            apart(number, "", [3_989_017.5, 3_989_018.5]),
            ["3989017.5", "3989018.5"]
        );
        assert_eq!(
            apart(number, "", [7.0, 7.000_000_1]),
            ["7.0000000", "7.0000001"]
        );
        assert_eq!(
            apart(number, "", [0.1, 0.1 + 1e-12]),
            ["0.100000000000", "0.100000000001"]
        );
        assert_eq!(apart(number, "", [1e-30, 2e-30]), ["1e-30", "2e-30"]);
        assert_eq!(
            apart(bytes, "B", [1_048_576.0, 1_048_577.0]),
            ["1048576 B", "1048577 B"]
        );
        assert_eq!(
            apart(time, "ns", [5.0, 5.0]),
            ["5 ns", "5 ns"],
            "equal values may"
        );
    }

    #[test]
    fn neighbouring_times_differ() {
        assert_eq!(
            times_apart(&[1.471e9, 1.473e9, 1.485e9]),
            ["1.471 s", "1.473 s", "1.485 s"]
        );
        assert_eq!(times_apart(&[5.0, 5.0, 7.0]), ["5 ns", "5 ns", "7 ns"]);
        assert_eq!(times_apart(&[]), [] as [&str; 0]);
    }

    #[test]
    fn lines_end_outside_of_numbers() {
        assert_eq!(
            wrap("allocations: 1 -> 99 986 %", 22, 2),
            "allocations: 1 ->\n  99 986 %"
        );
        assert_eq!(wrap("took 12 3456 turns", 8, 0), "took 12\n3456\nturns");
        assert_eq!(wrap("at +12.5 % of it", 10, 0), "at +12.5 %\nof it");
        assert_eq!(wrap("within 1.5 µs, or", 11, 0), "within\n1.5 µs, or");
        assert_eq!(wrap("in 5 steps", 5, 0), "in 5\nsteps");
    }

    #[test]
    fn long_lines_are_wrapped_and_keep_their_indentation() {
        assert_eq!(wrap_lines("a b\n  c d\n\n", 7), "a b\n  c d\n\n");
        assert_eq!(wrap_lines("aaa bbb ccc", 8), "aaa bbb\n  ccc\n");
        assert_eq!(
            wrap_lines("  aaaa bbbb cccc", 12),
            "  aaaa bbbb\n        cccc\n"
        );
        let indented = format!("{}a b", " ".repeat(200));
        assert_eq!(
            wrap_lines(&indented, 60),
            format!("{}a b\n", " ".repeat(30))
        );
    }

    #[test]
    fn commands_are_wrapped_outside_of_quotes() {
        assert_eq!(wrap_command("a b c", 5, 2), "a b \\\n  c");
        assert_eq!(wrap_command("a b c", 7, 2), "a b c");
        assert_eq!(wrap_command("a --b c --d", 8, 2), "a \\\n  --b c \\\n  --d");
        assert_eq!(
            wrap_command(r"a 'b'\''c d' 'e f'", 4, 0),
            "a \\\n'b'\\''c d' \\\n'e f'"
        );
        assert_eq!(
            wrap_command("orch 'a b' \"c 'd\" e", 12, 2),
            "orch 'a b' \\\n  \"c 'd\" e"
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("as it is"), "as it is");
        let cut = shortened(&"é".repeat(100));
        assert_eq!(cut, format!("{}... (200 bytes)", "é".repeat(80)));
    }

    #[test]
    fn quantities_have_three_digits_and_a_fitting_unit() {
        for (ns, text) in [
            (0.0, "0 ns"),
            (0.62, "0.620 ns"),
            (412.3, "412 ns"),
            (999.4, "999 ns"),
            (999.96, "1.00 µs"),
            (1234.0, "1.23 µs"),
            (45_600_000.0, "45.6 ms"),
            (7.89e9, "7.89 s"),
        ] {
            assert_eq!(time(ns), text, "{ns}");
        }
        for (size, text) in [
            (0.0, "0 B"),
            (512.0, "512 B"),
            (1536.0, "1.50 KiB"),
            (3_145_728.0, "3 MiB"),
            (1023.9, "1.00 KiB"),
        ] {
            assert_eq!(bytes(size), text, "{size}");
        }
        assert_eq!(times(&[450.0, 1234.0, 45_600.0]), "0.450 / 1.23 / 45.6 µs");
        assert_eq!(number(1_000_000.0), "1000000");
        assert_eq!(
            (percent(0.1234), percent(0.012_34)),
            ("12 %".into(), "1.2 %".into())
        );
        assert_eq!(utc("2026-02-03T04:05:06.7Z"), "2026-02-03 04:05:06 UTC");
    }
}
