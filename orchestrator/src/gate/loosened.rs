//! What a scenario asks less of than at the baseline: a gate that is taken down is seen.

use super::{Finding, Kind};
use crate::format;
use crate::scenario::Job;

/// What is asked of a working tree, or was asked at its baseline.
pub(crate) struct Asked<'a> {
    pub(crate) jobs: &'a [Job],
    /// Open verdicts fail.
    pub(crate) open_fails: bool,
}

/// One finding for each job that is no longer measured or less strictly judged, and for the policy. None of them fails a
/// check: what is measured is the project's to say.
pub(crate) fn findings(before: &Asked, now: &Asked) -> Vec<Finding> {
    let finding = |job: &str, message: String| Finding {
        kind: Kind::Loosened,
        job: job.to_owned(),
        metric: String::new(),
        message,
    };
    let mut found = Vec::new();
    for old in before.jobs {
        let Some(new) = now.jobs.iter().find(|job| job.id == old.id) else {
            found.push(finding(&old.id, "measured at the baseline, and not any more".to_owned()));
            continue;
        };
        let (old_share, new_share) = (old.settings.tolerance, new.settings.tolerance);
        if new_share > old_share {
            let percents = [old_share, new_share].map(|share| share * 100.0);
            let [old_share, new_share] = format::apart(|percent| format::percent(percent / 100.0), "%", percents);
            found.push(finding(&old.id, format!("tolerance {old_share} -> {new_share}")));
        }
        match (old.settings.max_allocations, new.settings.max_allocations) {
            (Some(most), None) => found.push(finding(&old.id, format!("max_allocations {most} -> none"))),
            (Some(most), Some(more)) if more > most => {
                found.push(finding(&old.id, format!("max_allocations {most} -> {more}")));
            }
            _ => {}
        }
    }
    if before.open_fails && !now.open_fails {
        found.push(finding("", "open verdicts failed at the baseline, and pass now".to_owned()));
    }
    found
}
