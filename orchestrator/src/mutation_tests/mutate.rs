//! Changes to an input that reach deep into parsers.

use orch_core::random::SeededRandom;

/// Maximum length of an input, so that insertions do not accumulate.
const MOST_BYTES: usize = 64 << 10;

/// Texts that steer parsers: brackets, numbers at the limits of their types, and nested structures.
const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\n",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "---\n",
    "!!",
    "|\n",
    "null",
    "true",
    "-0.0",
    "1e999",
    "-1",
    "18446744073709551616",
    "9223372036854775807",
    "NaN",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "\x1b[2J",
    "\0",
    "../",
    "{{",
    "{%",
    "$ref",
    "#/$defs/a",
    "a,b,c",
    ";",
    "1,5",
    "99999 %",
    "ms",
    "GiB",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
];

/// Numbers at the limits of formats. A text stays valid with them.
const NUMBERS: [&str; 8] = [
    "0",
    "-1",
    "0.5",
    "1e300",
    "1e-320",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
];

/// Changes an input in one to four places.
pub(super) fn mutate(input: &[u8], others: &[Vec<u8>], random: &mut SeededRandom) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.draw_from(0..4) {
        let at = random.draw_from(0..bytes.len() + 1);
        let end = (at + random.draw_from(0..64)).min(bytes.len());
        match random.draw_from(0..9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.draw_from(0..8),
            1 if at < bytes.len() => bytes[at] = random.draw_bits() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let part = PARTS[random.draw_from(0..PARTS.len())];
                bytes.splice(at..at, part.bytes());
            }
            5 => {
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            6 | 7 => {
                let number = NUMBERS[random.draw_from(0..NUMBERS.len())];
                let is_digit = |byte: &u8| byte.is_ascii_digit();
                if let Some(start) = bytes[at..].iter().position(is_digit) {
                    let start = at + start;
                    let length = bytes[start..]
                        .iter()
                        .take_while(|byte| is_digit(byte))
                        .count();
                    bytes.splice(start..start + length, number.bytes());
                }
            }
            _ => {
                let other = &others[random.draw_from(0..others.len())];
                let from = random.draw_from(0..other.len() + 1);
                let to = (from + random.draw_from(0..256)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
    bytes.truncate(MOST_BYTES);
    bytes
}
