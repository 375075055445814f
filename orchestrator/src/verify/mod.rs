//! The verb `verify`: computes the figures and verdicts of a stored result once more, from the
//! samples and pairs that are stored with it.

mod comparison;
mod figures;
mod pairs;
mod run;

use crate::error::CommandError;
use crate::report;
use crate::report::stored_result::StoredResult;
pub(crate) use figures::FigureCheck;
use std::path::PathBuf;

/// Request to verify a stored result.
#[derive(Debug, Clone)]
pub(crate) struct VerifyRequest {
    /// Id, folder or file of the result.
    pub(crate) result: String,
    /// Folder of the results, if it is not the project's.
    pub(crate) results: Option<PathBuf>,
}

/// A verified result.
#[derive(Debug)]
pub(crate) struct VerifyResult {
    pub(crate) check: FigureCheck,
    /// Version of orch that stored the result.
    pub(crate) stored_by: String,
}

/// Verifies a stored result.
///
/// # Errors
/// There is no such result, or this version does not read it.
pub(crate) fn verify(request: &VerifyRequest) -> Result<VerifyResult, CommandError> {
    let result = report::find_result(&request.result, request.results.as_deref())?;
    Ok(verify_result(&result))
}

fn verify_result(result: &StoredResult) -> VerifyResult {
    let mut check = FigureCheck::default();
    let stored_by = match result {
        StoredResult::Run(record) => {
            run::verify_run(record, &mut check);
            &record.orch
        }
        StoredResult::Comparison(comparison) => {
            comparison::verify_comparison(comparison, &mut check);
            &comparison.orch
        }
        StoredResult::Bisect(report) => {
            for measured in &report.measured {
                pairs::verify_pairs(&report.workload, &measured.pairs, &mut check);
            }
            for culprit in &report.culprits {
                pairs::verify_pairs(&report.workload, &culprit.comparison.pairs, &mut check);
            }
            &report.orch
        }
    };
    VerifyResult {
        stored_by: stored_by.clone(),
        check,
    }
}
