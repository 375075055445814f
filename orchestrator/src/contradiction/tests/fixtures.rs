//! Claims with and without contradictions, by rule. `T` numbers refer to the cases from which the
//! rules were derived.

use super::session_cases;
use crate::contradiction::claims::{ClaimSide, ClaimedRow, ClaimedRun, ClaimedTotal, Claims};
use crate::contradiction::figure::Figure;

/// Claims for the test of one rule.
pub(super) struct RuleCase {
    pub(super) rule: &'static str,
    pub(super) title: &'static str,
    pub(super) claims: Claims,
    /// Part of the message; `None` if the rule must find nothing.
    pub(super) says: Option<&'static str>,
}

pub(super) fn figure(text: &str) -> Figure {
    Figure::parse(text).unwrap_or_else(|message| panic!("{text} {message}"))
}

/// Returns a row of named figures. `in` is the number of the row that contains it.
pub(super) fn row(name: &str, fields: &str) -> ClaimedRow {
    let mut row = ClaimedRow::named(name);
    for field in fields.split(", ").filter(|field| !field.is_empty()) {
        let (key, value) = field.split_once(' ').unwrap();
        let amount = || Some(figure(value).of_amount());
        match key {
            "in" => row.parent = Some(value.parse().unwrap()),
            "calls" => row.calls = Some(value.parse().unwrap()),
            "work" => row.work = Some(value.parse().unwrap()),
            "total" => row.total = amount(),
            "mean" => row.mean = amount(),
            "min" => row.min = amount(),
            "max" => row.max = amount(),
            "share" => row.share = amount(),
            "before" => row.before = amount(),
            "after" => row.after = amount(),
            "mb_before" => row.memory_before = amount(),
            "mb_after" => row.memory_after = amount(),
            "rate" => row.rate = amount(),
            "rate_before" => row.rate_before = amount(),
            "rate_after" => row.rate_after = amount(),
            "delta" => row.delta = Some(figure(value)),
            "percent" => row.percent = Some(figure(value)),
            "rate_percent" => row.rate_percent = Some(figure(value)),
            "status" => row.status = Some(value.to_owned()),
            _ => panic!("no field {key}"),
        }
    }
    row
}

/// Returns a case of rows alone, one `name: fields` per line. The first line may be `flat`, `total
/// 1.0`, `totals 1.0 2.0` or `peak 30`.
fn case(
    rule: &'static str,
    title: &'static str,
    says: Option<&'static str>,
    text: &str,
) -> RuleCase {
    let mut claims = Claims::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let total = |side, text: &str| ClaimedTotal {
            side,
            figure: figure(text),
        };
        match line.split_once(": ") {
            Some((name, fields)) => claims.rows.push(row(name, fields)),
            None => match line.split(' ').collect::<Vec<_>>()[..] {
                ["flat"] => claims.flat = true,
                ["total", only] => claims.totals.push(total(ClaimSide::Only, only)),
                ["totals", before, after] => {
                    claims.totals.extend([
                        total(ClaimSide::Before, before),
                        total(ClaimSide::After, after),
                    ]);
                }
                ["peak", peak] => claims.peak = Some(figure(peak)),
                _ => panic!("no line {line}"),
            },
        }
    }
    RuleCase {
        rule,
        title,
        claims,
        says,
    }
}

fn runs(
    title: &'static str,
    says: Option<&'static str>,
    of: &[(&str, &[(&str, &str)])],
) -> RuleCase {
    let run = |(name, changes): &(&str, &[(&str, &str)])| ClaimedRun {
        name: (*name).to_owned(),
        changes: changes
            .iter()
            .map(|(row, change)| ((*row).to_owned(), figure(change)))
            .collect(),
    };
    let claims = Claims {
        runs: of.iter().map(run).collect(),
        ..Claims::default()
    };
    RuleCase {
        rule: "sign-flips",
        title,
        claims,
        says,
    }
}

/// Returns all cases.
pub(super) fn all() -> Vec<RuleCase> {
    let mut cases = impossible();
    cases.extend(misleading());
    cases.extend(unresolved());
    cases.extend(session_cases::all());
    cases
}

fn impossible() -> Vec<RuleCase> {
    vec![
        case(
            "min-mean-max",
            "T20",
            Some("minimum 19.108 ms is above mean 18.939 ms"),
            "BuilderSetup: calls 1, total 18.939, mean 18.939, min 19.108, max 19.071",
        ),
        case(
            "min-mean-max",
            "mean above the maximum",
            Some("mean 5.0 ms is above maximum 4.8 ms"),
            "A: mean 5.0, max 4.8",
        ),
        case(
            "min-mean-max",
            "all the same after rounding",
            None,
            "A: mean 0.431, min 0.431, max 0.431",
        ),
        case(
            "one-call-one-time",
            "T20",
            Some("the times of one call must be equal"),
            "BuilderSetup: calls 1, total 18.939, mean 18.939, min 19.108, max 19.071",
        ),
        case(
            "one-call-one-time",
            "rounded at different places",
            None,
            "ModelCreation: calls 1, total 20.360, mean 20.360, min 20.361, max 20.361",
        ),
        case(
            "one-call-one-time",
            "two calls",
            None,
            "A: calls 2, total 3.0, mean 1.5, min 1.0, max 2.0",
        ),
        case(
            "calls-and-total",
            "another mean",
            Some("3 calls of 800.0 ms on average are 2400.00 ms, not 2407.8 ms"),
            "A: calls 3, total 2407.8, mean 800.0",
        ),
        case(
            "calls-and-total",
            "less than its calls",
            Some("4 calls between"),
            "A: calls 4, total 10.0, min 3.0",
        ),
        case(
            "calls-and-total",
            "more than its calls",
            Some("4 calls between"),
            "A: calls 4, total 10.0, max 2.0",
        ),
        case(
            "calls-and-total",
            "a report's own rows",
            None,
            "InferenceComplete: calls 3, total 2407.761, mean 802.587, min 545.368, max \
             1145.521\nGenerateToken: calls 150, total 2407.232, mean 16.048, min 3.757, max \
             76.502",
        ),
        case(
            "parts-exceed-total",
            "T6",
            Some("sum to 2447.06 ms, more than the total of 2438.36 ms"),
            "total 2438.36\nInferenceComplete: total 2407.761\nModelCreation: total \
             20.360\nBuilderSetup: total 18.939\nGenerateToken: total 2407.232, in 0",
        ),
        case(
            "parts-exceed-total",
            "the one is inside the other",
            None,
            "total 2438.36\nInferenceComplete: total 2407.761\nModelCreation: total \
             20.360\nBuilderSetup: total 18.939, in 1",
        ),
        case(
            "parts-exceed-total",
            "a whole beside which something is not shown",
            None,
            "total 10.0\nA: total 9.0",
        ),
        case(
            "children-exceed-parent",
            "two children",
            Some("11.00 ms, longer than the enclosing 10.0 ms"),
            "A: total 10.0\nB: total 6.0, in 0\nC: total 5.0, in 0",
        ),
        case(
            "children-exceed-parent",
            "after only",
            Some("after"),
            "A: before 10.0, after 5.0\nB: before 6.0, after 6.0, in 0",
        ),
        case(
            "children-exceed-parent",
            "equal after rounding",
            None,
            "A: total 10.0\nB: total 10.1, in 0",
        ),
        case(
            "rate-against-time",
            "T13",
            Some("are 1.56 GFLOP/s, not ~1.0"),
            "MatMul_512x512: before 172.11, after 449.13, work 268435456, rate_before ~1.0, \
             rate_after 0.60",
        ),
        case(
            "rate-against-time",
            "T19: the scope holds four products",
            Some("0.84 GFLOP/s, not 0.21 (4.0 times too low)"),
            "MatMul_128x128: after 20.00, work 16777216, rate_after 0.21",
        ),
        case(
            "rate-against-time",
            "the same of one product",
            None,
            "MatMul_128x128: after 20.00, work 4194304, rate_after 0.21",
        ),
        case(
            "rate-against-time",
            "of a single run",
            Some("too high"),
            "K: total 2.00, work 1e6, rate 1.0",
        ),
        case(
            "rate-against-change",
            "T13",
            Some("changes the rate by -61.7 %, not -40 %"),
            "MatMul_512x512: before 172.11, after 449.13, rate_percent -40",
        ),
        case(
            "rate-against-change",
            "two rates",
            Some("from ~1.0 to 0.60 GFLOP/s"),
            "MatMul_512x512: before 172.11, after 449.13, rate_before ~1.0, rate_after 0.60",
        ),
        case(
            "rate-against-change",
            "as it is",
            None,
            "MatMul_512x512: before 172.11, after 449.13, rate_before 1.56, rate_after 0.60, \
             rate_percent -61.7",
        ),
        case(
            "above-peak",
            "after",
            Some("faster than the machine's 60.0 GFLOP/s: K with 61.0 GFLOP/s after"),
            "peak 60.0\nK: rate_before 50.0, rate_after 61.0",
        ),
        case("above-peak", "at it", None, "peak 60.0\nK: rate 60.1"),
        case("above-peak", "no peak is known", None, "K: rate 1e9"),
        case(
            "change-not-reachable",
            "a difference of the other sign",
            Some("is a change of -103.96 ms, not +103.96 ms"),
            "A: before 531.59, after 427.63, delta +103.96, percent -19.6",
        ),
        case(
            "change-not-reachable",
            "a percent of the wrong side",
            Some("-19.6 %, not -24.3 %"),
            "A: before 531.59, after 427.63, delta -103.96, percent -24.3",
        ),
        case(
            "change-not-reachable",
            "coarse figures",
            None,
            "A: before 0.06, after 0.06, delta +0.00, percent +0.0\nB: before 0.06, after 0.06, \
             percent +18.1\nC: before 4, after 2, percent -50",
        ),
        case(
            "word-against-change",
            "slower",
            Some("reported as Improved with 1.00 -> 1.20 ms"),
            "A: before 1.00, after 1.20, status Improved",
        ),
        case(
            "word-against-change",
            "faster",
            Some("reported as REGRESSION"),
            "A: before 1.20, after 1.00, status REGRESSION",
        ),
        case(
            "word-against-change",
            "the same",
            Some("reported as no change with 100.0 -> 149.0 ms"),
            "A: before 100.0, after 149.0, status no change",
        ),
        case(
            "word-against-change",
            "as it is, and what is not told",
            None,
            "D: before 1.00, after 1.10, status Unchanged\nE: before 1.00, after 9.00, status not \
             the same\nA: before 1.00, after 1.20, status Regressed\nB: before 1.00, after 1.20, \
             status not improved\nC: before 1.0, after 1.0, status Improved",
        ),
        case(
            "negative-amount",
            "a time",
            Some("negative time or size: -0.10"),
            "A: before -0.10, after 1.00",
        ),
        case(
            "negative-amount",
            "what rounds to nothing",
            None,
            "A: before -0.00, after 0.00, mb_before 0.0, delta -3.0",
        ),
    ]
}

fn misleading() -> Vec<RuleCase> {
    vec![
        case(
            "nested-total",
            "T1",
            Some(
                "19.00 -> 39.00 ms, counts their time more than once; the 1 outermost rows sum to \
                 10.00 -> 20.00 ms",
            ),
            "flat\nNet_Whole: before 10.00, after 20.00\nNet_Part: before 9.00, after 19.00, in 0",
        ),
        case(
            "nested-total",
            "a total that was claimed",
            Some("19.00 ms"),
            "total 19.00\nA: total 10.00\nB: total 9.00, in 0",
        ),
        case(
            "nested-total",
            "a total of the outermost rows",
            None,
            "total 10.00\nA: total 10.00\nB: total 9.00, in 0",
        ),
        case(
            "nested-total",
            "a list without nesting",
            None,
            "flat\nA: before 10.00, after 20.00\nB: before 9.00, after 19.00",
        ),
        case(
            "no-overall-sign",
            "T40",
            Some(
                "their sum is +45.0 %, their geometric mean -33.1 %; 1 took longer, 2 took less \
                 time, 0 did not change; A alone is 106 %",
            ),
            "A: before 1000, after 1500\nB: before 50, after 25\nC: before 2.50, after 1.00",
        ),
        case(
            "no-overall-sign",
            "of one sign",
            None,
            "A: before 1000, after 1500\nB: before 10.0, after 12.0",
        ),
        case(
            "no-overall-sign",
            "too coarse to tell",
            None,
            "A: before 1000, after 1010\nB: before 1, after 1\nC: before 2, after 2",
        ),
        case(
            "overlapping-shares",
            "T5",
            Some("sum to 297.75 %"),
            "A: share 98.75\nB: share 98.72\nC: share 95.84\nD: share 2.65\nE: share 0.84\nF: \
             share 0.78\nG: share 0.13\nH: share 0.02\nI: share 0.01\nJ: share 0.01",
        ),
        case(
            "overlapping-shares",
            "rounded up",
            None,
            "A: share 33.4\nB: share 33.4\nC: share 33.3",
        ),
        case(
            "overlapping-shares",
            "a tree that is shown",
            None,
            "A: share 98.75\nB: share 98.72, in 0",
        ),
        case(
            "more-work-less-time",
            "T22",
            Some("MatMul_64x64 7.07 ms, MatMul_128x128 3.54 ms before"),
            "MatMul_64x64: before 7.07, after 4.97\nMatMul_128x128: before 3.54, after \
             20.00\nMatMul_256x256: before 19.59, after 56.52",
        ),
        case(
            "more-work-less-time",
            "T23",
            Some(
                "GELU_1000 2.28 ms, GELU_10000 1.17 ms before; GELU_1000 2.72 ms, GELU_10000 2.06 \
                 ms after",
            ),
            "GELU_1000: before 2.28, after 2.72\nGELU_10000: before 1.17, after 2.06",
        ),
        case(
            "more-work-less-time",
            "T24",
            Some("Softmax_2048 6.22 ms"),
            "Softmax_256: before 7.21, after 1.35\nSoftmax_512: before 0.06, after \
             0.06\nSoftmax_1024: before 0.15, after 0.10\nSoftmax_2048: before 6.22, after 0.23",
        ),
        case(
            "more-work-less-time",
            "sizes as words, of one run",
            Some("Net_Small_Run 9.0 ms, Net_Large_Run 8.0 ms"),
            "Net_Small_Run: total 9.0\nNet_Large_Run: total 8.0",
        ),
        case(
            "more-work-less-time",
            "equal after rounding, other kernels, numbers that are no sizes",
            None,
            "K_10: total 0.06\nK_20: total 0.05\nL_5: total 9.0\nLayer_3: total 9.0\nLayer_4: \
             total 2.0\nItem_1: total 3.0\nItem_2: total 1.0",
        ),
        case(
            "same-traffic",
            "T25",
            Some(
                "TensorAdd_10000 took 10.84 ms, TensorMul_10000 0.60 ms before: both read and \
                 write the same bytes, but the times differ by a factor of 18",
            ),
            "TensorMul_10000: before 0.60, after 1.69\nTensorAdd_10000: before 10.84, after 1.82",
        ),
        case(
            "same-traffic",
            "other sizes, other kernels",
            None,
            "TensorMul_10000: total 0.60\nTensorAdd_100000: total 10.84\nBroadcastAdd_10000: total \
             9.00\nMatMul_10000: total 99.0",
        ),
        case(
            "flat-growth",
            "T26",
            Some("grow with the exponent 0.29, but the work grows with 3"),
            "MatMul_128: total 29.5\nMatMul_256: total 36.0",
        ),
        case(
            "flat-growth",
            "grows better than its work",
            None,
            "MatMul_64x64: total 0.10\nMatMul_128x128: total 0.40\nMatMul_256x256: total 2.0",
        ),
        case(
            "flat-growth",
            "so small that a call costs as much",
            None,
            "MatMul_2: total 0.10\nMatMul_4: total 0.11",
        ),
        case(
            "one-dominant-call",
            "T27",
            Some("one of 150 calls takes 92 % of the total time"),
            "SampleToken: calls 150, total 64.601, max 59.588",
        ),
        case(
            "one-dominant-call",
            "few calls, even calls",
            None,
            "A: calls 2, total 10.0, max 9.0\nB: calls 100, total 10.0, max 1.0",
        ),
        case(
            "new-allocation",
            "T29",
            Some("MatMul_128x128 0.00 -> 0.07 MB"),
            "MatMul_128x128: before 3.54, after 20.00, mb_before 0.00, mb_after 0.07, status \
             Regressed",
        ),
        case(
            "new-allocation",
            "may both be 0.005, or was there before, or is told",
            None,
            "A: mb_before 0.00, mb_after 0.01, status Regressed\nB: mb_before 0.38, mb_after 0.90, \
             status Regressed\nC: mb_before 0.00, mb_after 0.90, status allocates more\nD: \
             mb_before 0.00, mb_after 0.90",
        ),
        case(
            "part-against-whole",
            "T35",
            Some(
                "Model_Small_Inference is -19.5 %, while the matrix products that it consists of \
                 are MatMul_128x128 +465.0 %",
            ),
            "MatMul_128x128: before 3.54, after 20.00\nModel_Small_Inference: before 531.64, after \
             427.71",
        ),
        case(
            "part-against-whole",
            "the other way",
            Some("is +100.0 %"),
            "Gemm_128: before 20.0, after 4.0\nGPT_Medium_Forward: before 10.0, after 20.0",
        ),
        case(
            "part-against-whole",
            "of one direction, and what is made of something else",
            None,
            "MatMul_128x128: before 3.54, after 20.00\nModel_Medium_Inference: before 1201.28, \
             after 2186.63\nModel_Small_Creation: before 34.51, after 24.60",
        ),
        case(
            "one-number-two-words",
            "T49",
            Some("+82 % is CRITICAL"),
            "A: percent +82, status CRITICAL\nB: percent +120.7, status REGRESSION\nC: percent \
             +161, status CRITICAL\nD: percent +181.7, status REGRESSION",
        ),
        case(
            "one-number-two-words",
            "the same number",
            Some("B -30.0 % is GOOD"),
            "A: percent -30.0, status OUTSTANDING\nB: percent -30.0, status GOOD",
        ),
        case(
            "one-number-two-words",
            "words in order",
            None,
            "A: percent +82, status REGRESSION\nB: percent +161, status CRITICAL\nC: percent -82, \
             status IMPROVED\nD: percent +0.0, status SAME",
        ),
    ]
}

fn unresolved() -> Vec<RuleCase> {
    vec![
        case(
            "below-resolution",
            "T31",
            Some("4 -> 2 ms (reported as -50 %) is -67 to -29 %"),
            "InPlace: before 4, after 2, percent -50",
        ),
        case(
            "below-resolution",
            "T32",
            Some("is -15 to +18 %"),
            "Softmax_512: before 0.06, after 0.06, percent +0.0",
        ),
        case(
            "below-resolution",
            "enough digits",
            None,
            "A: before 5.31, after 4.27\nB: before 0.59, after 1.68",
        ),
        case(
            "zero-time",
            "a printed nothing",
            Some("A 0.00 ms"),
            "A: before 0.00, after 1.00",
        ),
        case(
            "zero-time",
            "a shortest call that rounds to nothing",
            None,
            "A: total 0.3, min 0.000, max 0.012",
        ),
        runs(
            "T34",
            Some(
                "MatMul_64 +4.5 % in one and -29.7 % in other, GELU_1000 +19.3 % in other and \
                 -55.3 % in one",
            ),
            &[
                (
                    "one",
                    &[
                        ("MatMul_64", "+4.5"),
                        ("GELU_1000", "-55.3"),
                        ("Same", "+3.0"),
                    ],
                ),
                (
                    "other",
                    &[
                        ("MatMul_64", "-29.7"),
                        ("GELU_1000", "+19.3"),
                        ("Same", "+9.0"),
                    ],
                ),
            ],
        ),
        runs(
            "one sign, or none",
            None,
            &[
                ("one", &[("A", "+4.5"), ("B", "0.0")]),
                ("other", &[("A", "+0.5"), ("B", "-3.0")]),
            ],
        ),
    ]
}
