//! `orch compare`: arguments to a request, a comparison to its stored and printed form.

use super::args::CompareOptions;
use super::exit::Exit;
use super::progress::Progress;
use super::{CommandResult, output};
use crate::compare::{self, CompareRequest};
use crate::comparison::{MetricEntry, Verdict, entries};
use crate::context::CommandContext;
use crate::report::stored_comparison::{ComparisonPlace, StoredComparison};

/// Compares two targets, stores the comparison and prints it.
pub(super) fn run_compare(options: &CompareOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let request = CompareRequest {
        names: [options.a.clone(), options.b.clone()],
        scenario: options.scenario.clone(),
        filter: options.filter.clone(),
        set: options.set.clone(),
        plugin: options.plugin.clone(),
        repo: options.repo.clone(),
        results: options.output.results.clone(),
        pairs: options.pairs,
        time: options.time.clone(),
        control: options.control,
        seed: options.seed,
    };
    let mut found = compare::compare(
        &request,
        &output::find_report,
        &context,
        &mut Progress::new(),
    )?;
    let (root, results) = (&found.root, &found.results);
    let place = ComparisonPlace {
        listed: &found.reports,
        printed: output::place(),
        ..ComparisonPlace::of(&found.comparison, "compare", context.started, root, results)
    };
    let stored = StoredComparison::store(&mut found.comparison, &place)?;
    output::print_comparison(stored, options.output.json)?;
    Ok(choose_exit(
        found.comparison.interrupted,
        &found.comparison.jobs,
    ))
}

/// Returns 130 if the user stopped the comparison, 1 if a metric got worse or an output differs,
/// 201 if anything is missing, and otherwise 0.
fn choose_exit(interrupted: bool, entries: &[MetricEntry]) -> Exit {
    let any = |verdict: Verdict| entries.iter().any(|entry| entry.verdict == verdict);
    if interrupted {
        Exit::Interrupted
    } else if any(Verdict::Regressed) || any(Verdict::OutputDiffers) {
        Exit::Regressed
    } else if any(Verdict::Missing) || entries.iter().all(entries::is_refused) {
        Exit::Incomplete
    } else {
        Exit::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reason::ComparisonObstacle;

    #[test]
    fn exit_of_refused_records_follows_the_kind_and_not_the_words() {
        let refused =
            entries::build_refused_entry("job", 0.01, ComparisonObstacle::Threads([1, 2]));
        let reworded = MetricEntry {
            reason: "other words".to_owned(),
            ..refused.clone()
        };
        let only_words = MetricEntry {
            reason_kind: None,
            ..refused.clone()
        };
        let exit = |entry: &MetricEntry| choose_exit(false, std::slice::from_ref(entry));
        assert_eq!(exit(&refused), Exit::Incomplete);
        assert_eq!(exit(&reworded), Exit::Incomplete);
        assert_eq!(exit(&only_words), Exit::Fine);
    }
}
