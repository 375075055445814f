//! The number that represents an output of many numbers in a digest.

/// Sums the numbers of all `parts`, each with a weight that depends on its place and its sign.
///
/// All terms are positive, so nothing cancels, and a relative tolerance has a meaning for any size.
/// NaN stays NaN, which fails the job.
pub(crate) fn checksum(parts: &[&[f32]]) -> f64 {
    let numbers = parts.iter().flat_map(|part| part.iter());
    weights()
        .zip(numbers)
        .map(|(weight, &number)| weight * magnitude(number))
        .sum()
}

/// Returns numbers in `[1, 2)` that do not repeat: multiples of the golden ratio, without their
/// whole part.
fn weights() -> impl Iterator<Item = f64> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (0_u32..).map(|place| 1.0 + (f64::from(place) * GOLDEN).fract())
}

/// Returns the absolute value, half as much again below 0, so that a flipped sign is detected.
fn magnitude(number: f32) -> f64 {
    let number = f64::from(number);
    if number < 0.0 { -1.5 * number } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_sign_and_value_count() {
        let right = checksum(&[&[1.0], &[2.0, 3.0]]);
        for wrong in [
            [2.0, 1.0, 3.0],
            [1.0, 2.0, -3.0],
            [1.0, 2.0, 3.001],
            [0.0, 2.0, 3.0],
        ] {
            assert!((right - checksum(&[&wrong])).abs() > 1e-4, "{wrong:?}");
        }
        assert!(checksum(&[&[1.0, f32::NAN]]).is_nan());
    }
}
