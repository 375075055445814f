//! "Did you mean": the known word that is closest to a misspelt one.

/// Returns the hint for an unknown word: the nearest known word if it is near, otherwise all of
/// them.
pub(crate) fn hint(word: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .min();
    match near {
        Some((steps, candidate))
            if steps <= (word.chars().count() / 3).max(2) && steps < candidate.chars().count() =>
        {
            format!("did you mean '{candidate}'?")
        }
        Some(_) => format!("known are {}", quoted(known)),
        None => "there are none".to_owned(),
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

/// Returns the edit distance in insertions, deletions, replacements and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    rows[i - 2][j - 2] + 1
                } else {
                    usize::MAX
                };
                replaced
                    .min(swapped)
                    .min(rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("size", "siez", 1),
            ("steps", "step", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn hints() {
        assert_eq!(hint("siez", &["size", "seed"]), "did you mean 'size'?");
        assert_eq!(hint("temperature", &["m", "n"]), "known are 'm', 'n'");
        assert_eq!(hint("x", &["m"]), "known are 'm'");
        assert_eq!(hint("x", &[]), "there are none");
    }
}
