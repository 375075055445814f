//! `orch bisect`: arguments to a request, a bisect to its stored and printed form.

use super::args::BisectOptions;
use super::bisect_progress::BisectProgress;
use super::exit::Exit;
use super::progress::Progress;
use super::{CommandResult, output};
use crate::bisect::state::BisectState;
use crate::bisect::{self, BisectDirection, BisectEnd, BisectRequest, BisectResult};
use crate::context::CommandContext;
use crate::error::ErrorKind;
use crate::model::metric::Metric;
use crate::report::stored_bisect::StoredBisect;

/// Finds the commit that changed a workload, stores the report and prints it.
pub(super) fn run_bisect(options: &BisectOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let request = BisectRequest {
        scenario: options.scenario.clone(),
        workload: options.workload.clone(),
        good: options.good.clone(),
        bad: options.bad.clone(),
        metric: options.metric.as_deref().map(Metric::from),
        direction: match options.direction.as_str() {
            "better" => BisectDirection::Better,
            _ => BisectDirection::Worse,
        },
        all: options.all,
        first: options.first,
        verify_revert: options.verify_revert,
        resume: options.resume,
        retry_failed: options.retry_failed,
        pairs: options.pairs,
        repo: options.repo.clone(),
        results: options.output.results.clone(),
        seed: options.seed,
    };
    if options.dry_run {
        output::print(&bisect::plan_bisect(
            &request,
            &context,
            &mut Progress::new(),
        )?)?;
        return Ok(Exit::Fine);
    }
    let found = bisect::bisect(&request, &context, &mut BisectProgress::new())?;
    finish(found, options.output.json)
}

/// Stores and prints the report, removes or keeps the state for resuming, and chooses the exit
/// code.
fn finish(found: BisectResult, json: bool) -> CommandResult {
    let BisectResult {
        end,
        report,
        state,
        root,
        results,
    } = found;
    let mut exit = Exit::Fine;
    let (mut storing, mut is_stored) = (Ok(()), true);
    if let Some(mut report) = report {
        let stored = StoredBisect::store(&mut report, &root, &results, output::place())?;
        if json {
            output::print_json(&stored.json)?;
        } else {
            output::print(&stored.show())?;
        }
        is_stored = stored.is_stored();
        storing = stored.finish();
        exit = match report.outcome {
            bisect::BisectOutcome::First | bisect::BisectOutcome::Range => Exit::Regressed,
            bisect::BisectOutcome::None => Exit::Fine,
            bisect::BisectOutcome::Undecided => Exit::Undecided,
        };
    }
    match end {
        BisectEnd::Done => {
            if is_stored {
                remove_state(state);
            }
            storing?;
            Ok(exit)
        }
        BisectEnd::Stopped(error) => {
            if let Err(unstored) = storing {
                output::report_error(&unstored);
            }
            match error.kind() {
                ErrorKind::Input => remove_state(state),
                ErrorKind::Interrupted => {
                    output::note("stopped; `orch bisect --resume` continues this bisect");
                }
                _ => output::note("`orch bisect --resume` continues this bisect"),
            }
            Err(error)
        }
        BisectEnd::Unmeasurable(message) => {
            output::note(&format!("error: {message}"));
            if is_stored {
                remove_state(state);
            }
            storing?;
            Ok(Exit::Incomplete)
        }
    }
}

/// Removes the state of a bisect that is over. If it stays, it costs space and nothing else.
fn remove_state(state: BisectState) {
    if let Err(error) = state.remove() {
        output::note(&format!(
            "warning: cannot remove the bisect's state: {error}"
        ));
    }
}
