//! A printed figure as the interval of all values with the same print, and arithmetic on such
//! intervals.

use std::iter::Sum;
use std::ops::{Add, Mul, Sub};

/// Share of their size by which two ends may differ and still count as the same end, because binary
/// fractions are not decimal ones.
const SLACK: f64 = 1e-9;

/// All values from `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FigureRange {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl FigureRange {
    /// Returns the range of a single value.
    pub(crate) fn exact(value: f64) -> Self {
        Self {
            low: value,
            high: value,
        }
    }

    /// Returns whether every value here is smaller than every value there.
    pub(crate) fn is_below(self, other: Self) -> bool {
        other.low - self.high > SLACK * (other.low.abs() + self.high.abs())
    }

    /// Returns whether no value is in both ranges.
    pub(crate) fn is_apart(self, other: Self) -> bool {
        self.is_below(other) || other.is_below(self)
    }

    /// Returns the part of the range that is not negative.
    pub(crate) fn not_negative(self) -> Self {
        Self {
            low: self.low.max(0.0),
            high: self.high.max(0.0),
        }
    }

    pub(crate) fn width(self) -> f64 {
        self.high - self.low
    }

    /// Returns the quotient of two quantities that are not negative; `None` if the divisor is
    /// certainly 0.
    pub(crate) fn over(self, divisor: Self) -> Option<Self> {
        let (above, below) = (self.not_negative(), divisor.not_negative());
        let high = if below.low > 0.0 {
            above.high / below.low
        } else {
            f64::INFINITY
        };
        (below.high > 0.0).then(|| Self {
            low: above.low / below.high,
            high,
        })
    }

    /// Returns the range of a rising function over these values.
    pub(crate) fn through(self, rising: impl Fn(f64) -> f64) -> Self {
        Self {
            low: rising(self.low),
            high: rising(self.high),
        }
    }
}

impl Add for FigureRange {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }
}

impl Sub for FigureRange {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            low: self.low - other.high,
            high: self.high - other.low,
        }
    }
}

impl Mul for FigureRange {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let ends = [
            self.low * other.low,
            self.low * other.high,
            self.high * other.low,
            self.high * other.high,
        ];
        let fold = |pick: fn(f64, f64) -> f64| ends.into_iter().reduce(pick).unwrap_or(f64::NAN);
        Self {
            low: fold(f64::min),
            high: fold(f64::max),
        }
    }
}

impl Sum for FigureRange {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::exact(0.0), Add::add)
    }
}

/// A number as it was printed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// The printed digits.
    pub(crate) printed: String,
    /// The literal value of the digits.
    pub(crate) value: f64,
    /// All values that round to these digits.
    pub(crate) reach: FigureRange,
}

/// Most digits of a figure. No measured figure has more.
const MOST_DIGITS: usize = 30;
/// Largest exponent of a figure. No quantity of a benchmark is larger.
const MOST_EXPONENT: i32 = 250;

impl Figure {
    /// Returns a figure for an exactly known value, such as a clock's nanoseconds.
    pub(crate) fn exact(value: f64, printed: String) -> Self {
        Self {
            printed,
            value,
            reach: FigureRange::exact(value),
        }
    }

    /// Reads `0.06`, `+82.1`, `1.2e3`, `-3 %` or `~1.0`. The tilde stands for a whole unit of the
    /// last digit to either side.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "is not a number".to_owned();
        let plain = text.trim().replace('\u{2212}', "-");
        let plain = plain.strip_suffix('%').unwrap_or(&plain).trim();
        let (about, plain) = match plain.strip_prefix(['~', '≈']) {
            Some(rest) => (true, rest.trim()),
            None => (false, plain),
        };
        let (mantissa, exponent) = match plain.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| wrong())?),
            None => (plain, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix(['+', '-']) {
            Some(rest) => (mantissa.starts_with('-'), rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        if digits.len() > MOST_DIGITS || exponent.abs() > MOST_EXPONENT {
            return Err(format!(
                "has more than {MOST_DIGITS} digits or is beyond 1e{MOST_EXPONENT}"
            ));
        }
        let digits: i128 = digits.parse().map_err(|_| wrong())?;
        // A figure has at most 30 digits.
        let last = exponent - i32::try_from(fraction.len()).map_err(|_| wrong())?;
        let tenths = digits * 10 * if negative { -1 } else { 1 };
        let half = if about { 10 } else { 5 };
        // The ends are computed as decimals, so that 0.06 and 0.07 meet exactly at 0.065.
        let at = |tenths: i128| {
            format!("{tenths}e{}", last - 1)
                .parse::<f64>()
                .map_err(|_| wrong())
        };
        let reach = FigureRange {
            low: at(tenths - half)?,
            high: at(tenths + half)?,
        };
        Ok(Self {
            printed: plain_text(text),
            value: at(tenths)?,
            reach,
        })
    }

    /// Returns the same figure for a quantity that cannot be negative: 0.00 stands for 0 to 0.005.
    pub(crate) fn of_amount(self) -> Self {
        // A figure printed as negative stays negative, so that a rule can find it.
        if self.value < 0.0 {
            self
        } else {
            Self {
                reach: self.reach.not_negative(),
                ..self
            }
        }
    }
}

fn plain_text(text: &str) -> String {
    text.trim().trim_end_matches('%').trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reach(text: &str) -> (f64, f64) {
        let FigureRange { low, high } = Figure::parse(text).unwrap().reach;
        (low, high)
    }

    #[test]
    fn figure_stands_for_all_values_with_the_same_print() {
        for (text, expected) in [
            ("0.06", (0.055, 0.065)),
            ("+82.1", (82.05, 82.15)),
            ("+82.1 %", (82.05, 82.15)),
            ("-0.05", (-0.055, -0.045)),
            ("\u{2212}0.05", (-0.055, -0.045)),
            ("4", (3.5, 4.5)),
            ("1.2e3", (1150.0, 1250.0)),
            ("150", (149.5, 150.5)),
            ("~1.0", (0.9, 1.1)),
            ("+0.00", (-0.005, 0.005)),
            (".5", (0.45, 0.55)),
        ] {
            assert_eq!(reach(text), expected, "{text}");
        }
        let nothing = Figure::parse("0.00").unwrap().of_amount();
        assert_eq!(
            nothing.reach,
            FigureRange {
                low: 0.0,
                high: 0.005
            }
        );
    }

    #[test]
    fn figure_refuses_text_that_is_no_number() {
        for text in [
            "", " ", "-", ".", "NaN", "inf", "1,200", "1.2.3", "1e", "1e999", "0x10", "+-1",
            "fast", "1_000",
        ] {
            assert!(Figure::parse(text).is_err(), "{text}");
        }
        assert!(Figure::parse(&"9".repeat(40)).is_err());
    }

    #[test]
    fn ranges_are_apart_only_if_they_share_no_value() {
        let of = |text: &str| Figure::parse(text).unwrap().reach;
        assert!(!of("0.06").is_apart(of("0.07")), "both may be 0.065");
        assert!(of("0.06").is_below(of("0.08")));
        assert!(!of("0.00").is_apart(of("0.01")));
        assert_eq!(of("1.0").over(FigureRange::exact(0.0)), None);
    }

    proptest! {
        #[test]
        fn figure_reaches_the_value_that_it_was_printed_from(
            value in -1e6f64..1e6,
            digits in 0usize..6,
        ) {
            let FigureRange { low, high } =
                Figure::parse(&format!("{value:.digits$}")).unwrap().reach;
            prop_assert!(low <= value && value <= high);
        }

        #[test]
        fn arithmetic_holds_the_true_result(
            a in 0.01f64..1e4,
            b in 0.01f64..1e4,
            digits in 0usize..4,
        ) {
            let of = |value: f64| {
                Figure::parse(&format!("{value:.digits$}"))
                    .unwrap()
                    .of_amount()
                    .reach
            };
            let holds =
                |interval: FigureRange, value: f64| !interval.is_apart(FigureRange::exact(value));
            let (one, other) = (of(a), of(b));
            prop_assert!(holds(one + other, a + b));
            prop_assert!(holds(one - other, a - b));
            prop_assert!(holds(one * other, a * b));
            prop_assert!(
                one.over(other)
                    .is_none_or(|quotient| holds(quotient, a / b))
            );
        }
    }
}
