//! "Did you mean": the known word that is closest to a misspelt one.

/// Returns the known word nearest to a wrong one, if it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let (steps, candidate) = known
        .iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), *candidate))
        .min()?;
    let near = (word.chars().count() / 3).max(2);
    (steps <= near && steps < candidate.chars().count()).then_some(candidate)
}

/// Returns the hint for an unknown word: the nearest known word if it is near, otherwise all of
/// them.
pub(crate) fn hint(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(candidate) => format!("did you mean '{candidate}'?"),
        None if known.is_empty() => "no names are known".to_owned(),
        None if known.len() == 1 => format!("the only known name is {}", quoted(known)),
        None => format!("the known names are {}", quoted(known)),
    }
}

/// Formats words as `'a', 'b', 'c'`.
pub(crate) fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("'{word}'"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints() {
        assert_eq!(hint("siez", &["size", "seed"]), "did you mean 'size'?");
        assert_eq!(
            hint("temperature", &["m", "n"]),
            "the known names are 'm', 'n'"
        );
        assert_eq!(hint("x", &["m"]), "the only known name is 'm'");
        assert_eq!(hint("x", &[]), "no names are known");
    }
}
