//! Quantities as people write them: durations, sizes in bytes, percentages.

use std::time::Duration;

/// Parses `500ms`, `60s` or `1m 30s`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write for example 500ms, 60s or 2m");
    let parsed: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(parsed).map_err(|_| wrong())?;
    if duration.is_zero() {
        Err(format!("`{text}` is zero; write for example 500ms"))
    } else {
        Ok(duration)
    }
}

/// Parses `2GiB`, `512MiB`, `100MB` or `4096`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let wrong = || format!("`{text}` is not a size; write for example 512MiB or 2GiB");
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| wrong())?;
    let unit = text[end..].trim();
    let (_, factor) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    let bytes = number * *factor as f64;
    if !(1.0..=9e15).contains(&bytes) {
        return Err(wrong());
    }
    // In the range checked above, every whole number is exact.
    Ok(bytes.round() as u64)
}

/// Parses `1%` as 0.01.
pub(crate) fn parse_percent(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a percentage from 0% to 100%; write for example 1%");
    let number = text.trim().strip_suffix('%').ok_or_else(wrong)?;
    let value: f64 = number.trim().parse().map_err(|_| wrong())?;
    if (0.0..=100.0).contains(&value) {
        Ok(value / 100.0)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_parsed_as_people_write_them() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_bytes("2GiB"), Ok(2 << 30));
        assert_eq!(parse_bytes("1.5 MiB"), Ok(3 << 19));
        assert_eq!(parse_bytes("4096"), Ok(4096));
        assert_eq!(parse_percent("1%"), Ok(0.01));
        assert_eq!(parse_percent("0.5 %"), Ok(0.005));
    }

    #[test]
    fn invalid_quantities_are_refused_with_an_example() {
        for text in ["", "5", "-3s", "0s", "soon"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["", "GiB", "2gb", "-1MiB", "0", "1e9"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        for text in ["", "1", "-1%", "101%", "NaN%"] {
            assert!(parse_percent(text).is_err(), "{text}");
        }
    }
}
