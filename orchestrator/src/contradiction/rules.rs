//! The table of rules: for each rule its sentence, its severity, and the function that finds and
//! words the contradictions.

use super::claims::{ClaimedRow, Claims};
use super::{circumstances, impossible, misleading, order, scatter, unresolved};
use crate::record::Severity;

/// One rule.
pub(crate) struct ContradictionRule {
    /// The stored name.
    pub(crate) id: &'static str,
    pub(crate) severity: Severity,
    /// The rule in a sentence. A claim that breaks it is a contradiction. Tests and documents show
    /// the sentence.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the message says it with the figures in it")
    )]
    pub(crate) sentence: &'static str,
    /// Finds contradictions and words their messages.
    pub(crate) find: fn(&Claims) -> Vec<FoundContradiction>,
}

/// A contradiction that a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundContradiction {
    pub(crate) rows: Vec<String>,
    pub(crate) message: String,
}

impl FoundContradiction {
    pub(super) fn new(rows: Vec<String>, message: String) -> Self {
        Self { rows, message }
    }

    /// Returns a contradiction of one row.
    pub(super) fn of(row: &ClaimedRow, message: String) -> Self {
        Self::new(vec![row.name.clone()], message)
    }
}

const fn rule(
    id: &'static str,
    severity: Severity,
    sentence: &'static str,
    find: fn(&Claims) -> Vec<FoundContradiction>,
) -> ContradictionRule {
    ContradictionRule {
        id,
        severity,
        sentence,
        find,
    }
}

/// All rules, the most severe first.
pub(crate) const RULES: [ContradictionRule; 43] = {
    use Severity::{Impossible, Misleading, Unresolved};
    [
        rule(
            "min-mean-max",
            Impossible,
            "minimum <= mean <= maximum",
            impossible::find_disorder,
        ),
        rule(
            "one-call-one-time",
            Impossible,
            "for one call, total, mean, minimum and maximum are the same time",
            impossible::find_single_call,
        ),
        rule(
            "calls-and-total",
            Impossible,
            "a total is the number of calls times their mean",
            impossible::find_calls_and_total,
        ),
        rule(
            "parts-exceed-total",
            Impossible,
            "the outermost rows sum to no more than the total",
            impossible::find_parts_and_whole,
        ),
        rule(
            "children-exceed-parent",
            Impossible,
            "a part of a row takes no longer than the row",
            impossible::find_children_and_parent,
        ),
        rule(
            "rate-against-time",
            Impossible,
            "a rate is a row's own work over its own time",
            impossible::find_rate_and_time,
        ),
        rule(
            "rate-against-change",
            Impossible,
            "a rate changes as the inverse of the time",
            impossible::find_rate_and_change,
        ),
        rule(
            "above-peak",
            Impossible,
            "nothing computes faster than the machine's peak",
            impossible::find_above_peak,
        ),
        rule(
            "change-not-reachable",
            Impossible,
            "difference and percent follow from both times",
            impossible::find_unreachable_change,
        ),
        rule(
            "word-against-change",
            Impossible,
            "a slower row is not improved",
            impossible::find_word_and_change,
        ),
        rule(
            "negative-amount",
            Impossible,
            "times and sizes are not negative",
            impossible::find_negative,
        ),
        rule(
            "deviation-and-range",
            Impossible,
            "a standard deviation fits between the minimum and the maximum",
            scatter::find_impossible_deviation,
        ),
        rule(
            "statistics-and-samples",
            Impossible,
            "statistics follow from the listed samples",
            scatter::find_other_statistics,
        ),
        rule(
            "samples-and-count",
            Impossible,
            "as many samples are listed as stated",
            scatter::find_other_count,
        ),
        rule(
            "not-finite",
            Impossible,
            "every figure is a finite number",
            circumstances::find_not_finite,
        ),
        rule(
            "nested-total",
            Misleading,
            "only outermost rows are added up",
            misleading::find_nested_total,
        ),
        rule(
            "no-overall-sign",
            Misleading,
            "an overall change needs a sum and a geometric mean of one sign",
            misleading::find_overall_sign,
        ),
        rule(
            "overlapping-shares",
            Misleading,
            "shares of one whole sum to at most 100 %",
            misleading::find_shares,
        ),
        rule(
            "more-work-less-time",
            Misleading,
            "more work takes more time",
            order::find_more_work_less_time,
        ),
        rule(
            "same-traffic",
            Misleading,
            "passes over the same bytes take about the same time",
            order::find_same_traffic,
        ),
        rule(
            "flat-growth",
            Misleading,
            "a known kernel's time grows about as its work does",
            misleading::find_flat_growth,
        ),
        rule(
            "one-dominant-call",
            Misleading,
            "a mean is typical of its calls",
            misleading::find_dominant_call,
        ),
        rule(
            "new-allocation",
            Misleading,
            "the reported status covers memory too",
            misleading::find_new_allocation,
        ),
        rule(
            "part-against-whole",
            Misleading,
            "a whole changes in the same direction as its parts",
            misleading::find_part_and_whole,
        ),
        rule(
            "one-number-two-words",
            Misleading,
            "the reported statuses follow the numbers",
            order::find_two_words,
        ),
        rule(
            "mean-off-median",
            Misleading,
            "a mean is near the median",
            scatter::find_mean_off_median,
        ),
        rule(
            "no-scatter",
            Misleading,
            "several samples scatter",
            scatter::find_no_scatter,
        ),
        rule(
            "failed-runs",
            Misleading,
            "every run succeeds",
            circumstances::find_failed_runs,
        ),
        rule(
            "repeated-row",
            Misleading,
            "a name belongs to one row of a file",
            circumstances::find_repeated_rows,
        ),
        rule(
            "same-session",
            Misleading,
            "two sides are two sessions",
            circumstances::find_same_session,
        ),
        rule(
            "other-parameters",
            Misleading,
            "both sides of a row have the same parameters",
            circumstances::find_other_parameters,
        ),
        rule(
            "other-machine",
            Misleading,
            "both sides ran on the same machine",
            circumstances::find_other_machine,
        ),
        rule(
            "other-version",
            Misleading,
            "both sides were measured with the same versions",
            circumstances::find_other_version,
        ),
        rule(
            "cpu-scaling",
            Misleading,
            "the CPU keeps its clock rate",
            circumstances::find_scaling,
        ),
        rule(
            "debug-library",
            Misleading,
            "the benchmark library is optimised",
            circumstances::find_debug_library,
        ),
        rule(
            "dirty-commit",
            Misleading,
            "the code that ran is that of the commit",
            circumstances::find_dirty_commit,
        ),
        rule(
            "below-resolution",
            Unresolved,
            "a percentage needs figures of sufficient resolution",
            unresolved::find_below_resolution,
        ),
        rule(
            "zero-time",
            Unresolved,
            "every row takes time",
            unresolved::find_zero_time,
        ),
        rule(
            "sign-flips",
            Unresolved,
            "runs against one baseline agree in sign",
            unresolved::find_flips,
        ),
        rule(
            "change-in-scatter",
            Unresolved,
            "a change exceeds the scatter of the samples",
            scatter::find_change_in_scatter,
        ),
        rule(
            "short-samples",
            Unresolved,
            "a sample is long enough for the clock",
            scatter::find_short_samples,
        ),
        rule(
            "only-in-one-file",
            Unresolved,
            "both files have every row",
            circumstances::find_one_sided_rows,
        ),
        rule(
            "unknown-unit",
            Unresolved,
            "every time has a known unit",
            circumstances::find_unknown_unit,
        ),
    ]
};
