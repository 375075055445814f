//! Owns the print of a change for readers: small changes in percent, large ones as factors, and the
//! two values of the change.

use super::{apart, number, time_unit};

/// Factor, up or down, above which a change is printed as a factor: no reader can judge a size in
/// `+2549480 %`.
const LARGE: f64 = 3.0;
/// Factor beyond the estimate above which an end of an interval is no bound.
const UNBOUNDED: f64 = 1000.0;
/// Significant digits of a printed time, enough for the quotient of two times to print as their
/// change.
const DIGITS: std::ops::RangeInclusive<usize> = 4..=7;
/// Smallest whole number that is printed in groups of three digits.
const GROUPED: f64 = 10_000.0;

/// The changed quantity, which decides the words for a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangedQuantity {
    /// A time, whose changes read `8.3 times as long` and `95 times as fast`.
    Time,
    /// An amount, whose changes read `8.3 times as much` and `1/95 as much`.
    Amount,
}

/// A relative change (b / a - 1) with the ends of its interval, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizedChange {
    /// Quantity that changed.
    pub quantity: ChangedQuantity,
    /// Estimated relative change.
    pub estimate: f64,
    /// Lower end of the interval; `None` if it has none.
    pub low: Option<f64>,
    /// Upper end of the interval; `None` if it has none.
    pub high: Option<f64>,
}

impl SizedChange {
    /// Formats the estimate: `+1.23 %`, `8.3 times as long`, `95 times as fast`.
    pub fn size(&self) -> String {
        size(self.quantity, self.estimate)
    }

    /// Formats the interval: `+1.10 % to +1.40 %`, `6.1 to 11 times`, `at least 6 times, no upper
    /// bound`; `None` without an end.
    pub fn interval(&self) -> Option<String> {
        let words = |change: f64| self.end(change);
        match (self.bounded(self.low), self.bounded(self.high)) {
            (None, None) => None,
            (Some(low), Some(high))
                if is_large(low) && is_large(high) && (low > 0.0) == (high > 0.0) =>
            {
                let [least, most] = if low > 0.0 { [low, high] } else { [high, low] };
                Some(self.factors(least, most))
            }
            (Some(low), Some(high)) => Some(format!("{} to {}", words(low), words(high))),
            (Some(end), None) => Some(format!("at least {}, no upper bound", words(end))),
            // For speeds, the smaller change of time is the larger factor.
            (None, Some(end))
                if end < 0.0 && is_large(end) && self.quantity == ChangedQuantity::Time =>
            {
                Some(format!("at least {}, no upper bound", words(end)))
            }
            (None, Some(end)) => Some(format!("at most {}, no lower bound", words(end))),
        }
    }

    /// Formats the estimate, with its interval in parentheses if there is one.
    pub fn with_interval(&self) -> String {
        match self.interval() {
            Some(interval) => format!("{} ({interval})", self.size()),
            None => self.size(),
        }
    }

    /// Returns an end if it is a bound.
    fn bounded(&self, end: Option<f64>) -> Option<f64> {
        let ratio = |change: f64| (1.0 + change) / (1.0 + self.estimate);
        end.filter(|end| end.is_finite() && (1.0 / UNBOUNDED..=UNBOUNDED).contains(&ratio(*end)))
    }

    /// Returns whether a factor needs no words, because the estimate is a factor in the same
    /// direction.
    fn is_understood(&self, end: f64) -> bool {
        is_large(self.estimate) && (self.estimate > 0.0) == (end > 0.0)
    }

    fn end(&self, end: f64) -> String {
        if !is_large(end) || !self.is_understood(end) {
            return size(self.quantity, end);
        }
        match (self.quantity, end > 0.0) {
            (ChangedQuantity::Amount, false) => format!("1/{}", factor(end)),
            _ => format!("{} times", factor(end)),
        }
    }

    /// Formats two ends that are factors in one direction, the smaller factor first.
    fn factors(&self, least: f64, most: f64) -> String {
        match (self.quantity, least > 0.0) {
            (ChangedQuantity::Amount, false) => {
                format!("{} to {}", self.end(most), self.end(least))
            }
            _ => format!("{} to {}", factor(least), self.end(most)),
        }
    }
}

/// Formats a relative change (b / a - 1) in words: in percent, or as a factor if it is large.
pub fn size(quantity: ChangedQuantity, change: f64) -> String {
    if !is_large(change) {
        return percent(change);
    }
    let factor = factor(change);
    match (quantity, change > 0.0) {
        (ChangedQuantity::Time, true) => format!("{factor} times as long"),
        (ChangedQuantity::Time, false) => format!("{factor} times as fast"),
        (ChangedQuantity::Amount, true) => format!("{factor} times as much"),
        (ChangedQuantity::Amount, false) => format!("1/{factor} as much"),
    }
}

/// Returns whether a relative change is printed as a factor. No factor leads to zero (-100 %).
pub fn is_large(change: f64) -> bool {
    let ratio = 1.0 + change;
    ratio.is_finite() && (ratio >= LARGE || (ratio > 0.0 && ratio <= 1.0 / LARGE))
}

/// Formats a relative change in percent with its sign, however large: `+1.23 %`, `-0.05 %`, `+60
/// %`.
fn percent(change: f64) -> String {
    let percent = change * 100.0;
    let digits = match percent.abs() {
        p if p >= 99.5 => 0,
        p if p >= 9.95 => 1,
        _ => 2,
    };
    // A value that rounds to zero has no sign.
    if percent.abs() < 0.005 {
        return "0.00 %".to_owned();
    }
    if percent.is_finite() {
        format!("{percent:+.digits$} %")
    } else {
        "n/a".to_owned()
    }
}

/// Formats a change that another tool's table claims, in the unit of the claim: always percent,
/// with one decimal.
pub fn claimed(change: f64) -> String {
    if change.is_finite() {
        format!("{:+.1} %", change * 100.0)
    } else {
        "an undefined percentage (from 0)".to_owned()
    }
}

/// Formats the changes that a claim leaves possible, in whole percents: `-39 to -28 %`.
pub fn claimed_range(low: f64, high: f64) -> String {
    format!("{:+.0} to {:+.0} %", low * 100.0, high * 100.0)
}

/// Returns the factor, at least 1, of a large change.
fn factor(change: f64) -> String {
    let ratio = 1.0 + change;
    let factor = if ratio < 1.0 { 1.0 / ratio } else { ratio };
    match factor {
        f if f < 9.95 => {
            let text = format!("{f:.1}");
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
        f if f < 999.5 => format!("{f:.0}"),
        f => {
            let unit = 10f64.powi(f.log10().floor() as i32 - 2);
            grouped((f / unit).round() * unit)
        }
    }
}

/// Formats two times (ns) with as many digits as their quotient needs to print as their change: at
/// least three.
pub fn times([a, b]: [f64; 2]) -> [String; 2] {
    pair_of([a, b], |value| {
        let (size, name) = time_unit(value);
        (value / size, size, format!(" {name}"))
    })
}

/// Formats two rates or times per unit in the same way.
pub fn rates(values: [f64; 2]) -> [String; 2] {
    pair_of(values, |value| (value, 1.0, String::new()))
}

/// Formats a pair of values. `split` returns the number to print, the size of its unit, and the
/// unit's name, which follows the number.
fn pair_of([a, b]: [f64; 2], split: impl Fn(f64) -> (f64, f64, String)) -> [String; 2] {
    let wanted = size(ChangedQuantity::Time, b / a - 1.0);
    let short = |value: f64| number(split(value).0);
    let long = |value: f64, digits: usize| {
        let shown = split(value).0;
        let whole = shown.abs().max(f64::MIN_POSITIVE).log10().floor() as i32 + 1;
        let decimals = usize::try_from(digits as i32 - whole).unwrap_or(0);
        if shown.fract() == 0.0 {
            number(shown)
        } else {
            format!("{shown:.decimals$}")
        }
    };
    let read = |text: &str, value: f64| {
        text.parse::<f64>()
            .map_or(f64::NAN, |number| number * split(value).1)
    };
    let is_told = |texts: &[String; 2]| {
        size(
            ChangedQuantity::Time,
            read(&texts[1], b) / read(&texts[0], a) - 1.0,
        ) == wanted
    };
    let all = std::iter::once([short(a), short(b)])
        .chain(DIGITS.map(|digits| [a, b].map(|value| long(value, digits))));
    let mut last = [short(a), short(b)];
    for texts in all {
        last = texts;
        if is_told(&last) {
            break;
        }
    }
    let [a_text, b_text] = last;
    [
        format!("{a_text}{}", split(a).2),
        format!("{b_text}{}", split(b).2),
    ]
}

/// Formats the change from one count to another with both counts: `+50.0 %, 2 -> 3`. Formats only
/// the counts if the change is large or starts from zero.
pub fn counted(form: impl Fn(f64) -> String, unit: &str, [a, b]: [f64; 2]) -> String {
    let change = b / a - 1.0;
    let values = counts(form, unit, [a, b]);
    let is_sized = a != 0.0 && a != b && !is_large(change);
    if is_sized {
        format!("{}, {values}", size(ChangedQuantity::Amount, change))
    } else {
        values
    }
}

/// Formats two counts. Different counts look different (`1 -> 99 986`), and equal counts are
/// printed once.
pub fn counts(form: impl Fn(f64) -> String, unit: &str, [a, b]: [f64; 2]) -> String {
    if a == b {
        return form(a);
    }
    apart(form, unit, [a, b]).join(" -> ")
}

/// Formats a number like [`number`], but large whole numbers in groups of three digits: `99 986`.
pub fn grouped(value: f64) -> String {
    let text = number(value);
    if value.abs() < GROUPED
        || !text
            .trim_start_matches('-')
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    {
        return text;
    }
    let digits = text.trim_start_matches('-');
    let mut groups = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            groups.push(' ');
        }
        groups.push(digit);
    }
    if value < 0.0 {
        format!("-{groups}")
    } else {
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_time(
        estimate: f64,
        low: impl Into<Option<f64>>,
        high: impl Into<Option<f64>>,
    ) -> SizedChange {
        SizedChange {
            quantity: ChangedQuantity::Time,
            estimate,
            low: low.into(),
            high: high.into(),
        }
    }

    #[test]
    fn size_is_a_percent_or_a_factor() {
        for (change, time, amount) in [
            (0.0, "0.00 %", "0.00 %"),
            (0.000_04, "0.00 %", "0.00 %"),
            (-0.0005, "-0.05 %", "-0.05 %"),
            (0.0123, "+1.23 %", "+1.23 %"),
            (0.6, "+60.0 %", "+60.0 %"),
            (1.61, "+161 %", "+161 %"),
            (-0.5, "-50.0 %", "-50.0 %"),
            (2.0, "3 times as long", "3 times as much"),
            (7.33, "8.3 times as long", "8.3 times as much"),
            (-0.826, "5.7 times as fast", "1/5.7 as much"),
            (1.0 / 95.0 - 1.0, "95 times as fast", "1/95 as much"),
            (16.73, "18 times as long", "18 times as much"),
            (25_494.8, "25 500 times as long", "25 500 times as much"),
            (-1.0, "-100 %", "-100 %"),
            (f64::INFINITY, "n/a", "n/a"),
            (f64::NAN, "n/a", "n/a"),
        ] {
            assert_eq!(size(ChangedQuantity::Time, change), time, "{change}");
            assert_eq!(size(ChangedQuantity::Amount, change), amount, "{change}");
        }
    }

    #[test]
    fn interval_prints_its_ends_in_the_words_of_the_estimate() {
        for (change, text) in [
            (of_time(0.0625, 0.06, 0.07), "+6.25 % (+6.00 % to +7.00 %)"),
            (
                of_time(-0.01, -0.0254, 0.0062),
                "-1.00 % (-2.54 % to +0.62 %)",
            ),
            (
                of_time(0.913, 0.884, 14.8),
                "+91.3 % (+88.4 % to 16 times as long)",
            ),
            (
                of_time(7.33, 5.0, 10.0),
                "8.3 times as long (6 to 11 times)",
            ),
            (
                of_time(7.33, 0.5, 10.0),
                "8.3 times as long (+50.0 % to 11 times)",
            ),
            (
                of_time(7.33, 5.0, None),
                "8.3 times as long (at least 6 times, no upper bound)",
            ),
            (
                of_time(16.73, 10.02, 25_494.8),
                "18 times as long (at least 11 times, no upper bound)",
            ),
            (
                of_time(-0.9895, -0.99, -0.98),
                "95 times as fast (50 to 100 times)",
            ),
            (
                of_time(-0.9895, None, -0.98),
                "95 times as fast (at least 50 times, no upper bound)",
            ),
            (
                of_time(-0.9895, -0.99, -0.3),
                "95 times as fast (100 times to -30.0 %)",
            ),
            (
                of_time(-0.9895, -1.0, -0.3),
                "95 times as fast (at most -30.0 %, no lower bound)",
            ),
            (
                of_time(0.5, -0.9, 4.0),
                "+50.0 % (10 times as fast to 5 times as long)",
            ),
            (
                of_time(0.05, None, 0.06),
                "+5.00 % (at most +6.00 %, no lower bound)",
            ),
            (
                of_time(0.05, 0.04, f64::INFINITY),
                "+5.00 % (at least +4.00 %, no upper bound)",
            ),
            (of_time(0.05, None, None), "+5.00 %"),
        ] {
            assert_eq!(change.with_interval(), text, "{change:?}");
        }
        let less = SizedChange {
            quantity: ChangedQuantity::Amount,
            ..of_time(-0.9, 1.0 / 12.0 - 1.0, 1.0 / 8.0 - 1.0)
        };
        assert_eq!(less.with_interval(), "1/10 as much (1/12 to 1/8)");
    }

    #[test]
    fn times_divide_to_the_printed_change() {
        assert_eq!(times([292.0, 5178.0]), ["292 ns", "5.18 µs"]);
        assert_eq!(times([1000.0, 1062.5]), ["1 µs", "1.0625 µs"]);
        assert_eq!(
            times([658_123.4, 658_123.5]),
            ["658 µs", "658 µs"],
            "0.00 % apart"
        );
        assert_eq!(times([999.96, 1009.96]), ["1.00 µs", "1.01 µs"]);
    }

    #[test]
    fn counts_that_grow_by_much_are_two_numbers() {
        assert_eq!(counts(grouped, "", [1.0, 99_986.0]), "1 -> 99 986");
        assert_eq!(counts(grouped, "", [0.0, 1_234_567.0]), "0 -> 1 234 567");
        assert_eq!(counts(grouped, "", [3.0, 3.0]), "3");
        assert_eq!(counted(grouped, "", [2.0, 3.0]), "+50.0 %, 2 -> 3");
        assert_eq!(counted(grouped, "", [2.0, 20_000.0]), "2 -> 20 000");
        assert_eq!(counted(grouped, "", [1.0, 0.0]), "-100 %, 1 -> 0");
        assert_eq!(
            counts(crate::format::bytes, "B", [64.0, 6_400_000.0]),
            "64 B -> 6.10 MiB"
        );
        assert_eq!(
            [grouped(-12_345.0), grouped(9_999.0), grouped(0.5)],
            ["-12 345", "9999", "0.500"]
        );
    }

    proptest! {
        #[test]
        fn two_times_never_print_another_change_than_theirs(
            ns in 0.5f64..1e10,
            log in -6.0f64..6.0,
        ) {
            let pair = [ns, ns * log.exp()];
            let read = |text: &str| {
                let (number, unit) = text.split_once(' ').unwrap();
                let size = match unit {
                    "ns" => 1.0,
                    "µs" => 1e3,
                    "ms" => 1e6,
                    _ => 1e9,
                };
                number.parse::<f64>().unwrap() * size
            };
            let [a, b] = times(pair);
            let printed = read(&b) / read(&a) - 1.0;
            let wanted = pair[1] / pair[0] - 1.0;
            // A value halfway between two printed values may round to either of them.
            prop_assert!(
                size(ChangedQuantity::Time, printed) == size(ChangedQuantity::Time, wanted)
                    || (printed - wanted).abs() < 1e-5 * (1.0 + wanted),
                "{a} {b}: {printed} {wanted}"
            );
        }
    }
}
