//! Ends of the passes so far, indexed by job.

use crate::pass::PassEnd;
use std::collections::HashMap;

/// Ends of passes, in the order in which they came in.
#[derive(Default)]
pub(super) struct PassEnds {
    all: Vec<PassEnd>,
    /// Indices of each job's ends.
    by_job: HashMap<String, Vec<usize>>,
}

impl PassEnds {
    pub(super) fn new(all: Vec<PassEnd>) -> Self {
        let mut ends = Self::default();
        all.into_iter().for_each(|end| ends.push(end));
        ends
    }

    pub(super) fn push(&mut self, end: PassEnd) {
        self.by_job
            .entry(end.job.clone())
            .or_default()
            .push(self.all.len());
        self.all.push(end);
    }

    /// Finds the ends of a job, in the order in which they came in.
    pub(super) fn find_by_job<'a>(
        &'a self,
        job: &str,
    ) -> impl Iterator<Item = &'a PassEnd> + use<'a> {
        let places = self.by_job.get(job).map(Vec::as_slice).unwrap_or_default();
        places.iter().map(|place| &self.all[*place])
    }

    pub(super) fn into_all(self) -> Vec<PassEnd> {
        self.all
    }
}
