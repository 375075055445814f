//! Owns the choice of the next request: the one with the most information per second.

use super::Evidence;
use super::commit_graph::{CommitGraph, PositionSet};
use super::context::{CommitUse, KnownAnswers, SearchContext};
use super::divisions::{CodeGroup, SearchSection};
use super::information::{InformationTable, information};
use super::posterior::Posterior;

/// Sizes of batches of pairs that are compared with each other.
const BATCHES: [usize; 6] = [5, 10, 20, 40, 80, 160];

/// Information (nats) below which a request is useless. For comparison: a certainty of 98.5 % still
/// lacks 0.08.
const NOTHING: f64 = 5e-4;

/// The same limit once all commits are built, as a share of the information in the build effect. If
/// the build effect decides, more pairs are useless.
const NOTHING_BESIDE_TAU: f64 = 0.05;

/// Least cost of a request (seconds), because scripted evidence may be free.
const LEAST_SECONDS: f64 = 1e-6;

/// A request for pairs of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PairRequest {
    pub(super) commit: usize,
    /// Pairs to take of the commit, once it is built.
    pub(super) pairs: usize,
}

/// Probability that commits build.
pub(super) struct BuildChance {
    rate: f64,
    unusable: Vec<usize>,
}

impl BuildChance {
    /// Computes the rate by Laplace's rule, with a prior worth four builds of which one in ten
    /// fails. The two ends were chosen because they build, and count like any other commit.
    pub(super) fn of(known: &KnownAnswers) -> Self {
        let rate = 1.0 - (known.failures as f64 + 0.4) / (known.looks as f64 + 4.0);
        Self {
            rate,
            unusable: known.unusable(),
        }
    }

    /// Returns the chance that a commit builds. A broken build often persists for some commits, so
    /// next to a failure the chance is half of the rate. It recovers with the distance.
    pub(super) fn at(&self, commit: usize) -> f64 {
        let distance = self.unusable.iter().map(|dead| dead.abs_diff(commit)).min();
        distance.map_or(self.rate, |distance| {
            self.rate * (1.0 - 0.5f64.powf(distance as f64 / 2.0 + 0.5))
        })
    }
}

/// The best request so far, and its information per second.
struct BestRequest {
    action: Option<PairRequest>,
    rate: f64,
    /// Information (nats) below which a request is useless.
    nothing: f64,
}

impl BestRequest {
    fn offer(&mut self, action: PairRequest, nats: f64, seconds: f64) {
        let rate = nats / seconds.max(LEAST_SECONDS);
        if nats > self.nothing && rate > self.rate {
            (self.action, self.rate) = (Some(action), rate);
        }
    }
}

/// Returns the request with the most information per second; `None` if no request adds any.
pub(super) fn choose_request<E: Evidence>(
    context: &SearchContext<'_, E>,
    section: &SearchSection,
    posterior: &Posterior,
) -> Option<PairRequest> {
    let may_build = |commit| context.known.is_unseen(commit) && !context.settings.is_never(commit);
    let nothing = match section.measurable.iter().any(may_build) {
        true => NOTHING,
        false => NOTHING.max(NOTHING_BESIDE_TAU * posterior.told_by_tau),
    };
    let mut best = BestRequest {
        action: None,
        rate: 0.0,
        nothing,
    };
    offer_builds(context, section, posterior, &mut best);
    for code in posterior.codes.iter().filter(|code| !code.is_reference) {
        offer_pairs(context, code, posterior, &mut best);
    }
    best.action
}

/// Offers the commits that were not examined yet. One batch of pairs and a build effect limit how
/// clearly the step would be seen.
fn offer_builds<E: Evidence>(
    context: &SearchContext<'_, E>,
    section: &SearchSection,
    posterior: &Posterior,
    best: &mut BestRequest,
) {
    let noise = |batch: usize| (posterior.tau_squared + posterior.variance / batch as f64).sqrt();
    let (batches, table) = (
        BATCHES.map(|batch| (batch, noise(batch))),
        InformationTable::shared(),
    );
    let (chance, pair_seconds) = (
        BuildChance::of(&context.known),
        context.evidence.pair_seconds(),
    );
    for commit in section
        .measurable
        .iter()
        .filter(|commit| context.known.commit_use(*commit) == CommitUse::Unseen)
    {
        if context.settings.is_never(commit)
            || is_enclosed(context.history, &posterior.codes, commit)
        {
            continue;
        }
        let shows = posterior.shows(context.history, commit);
        let height = posterior.height_at(context.history, commit);
        let (chance, build_seconds) = (chance.at(commit), context.evidence.build_seconds(commit));
        for (batch, noise) in &batches {
            let seconds = build_seconds + *batch as f64 * pair_seconds;
            best.offer(
                PairRequest {
                    commit,
                    pairs: *batch,
                },
                chance * table.at(shows, height / noise),
                seconds,
            );
        }
    }
}

/// Returns whether the commit lies between two commits of the same code. It will hardly have
/// another code.
fn is_enclosed(history: &CommitGraph, codes: &[CodeGroup], commit: usize) -> bool {
    let around = |code: &CodeGroup| {
        code.commits
            .iter()
            .any(|before| history.contains(commit, *before))
            && code
                .commits
                .iter()
                .any(|after| history.contains(*after, commit))
    };
    codes
        .iter()
        .filter(|code| code.commits.len() > 1)
        .any(around)
}

/// Offers more pairs of a code that is already built. Their value is the gain in the precision of
/// its level.
fn offer_pairs<E: Evidence>(
    context: &SearchContext<'_, E>,
    code: &CodeGroup,
    posterior: &Posterior,
    best: &mut BestRequest,
) {
    let Some(commit) = code.commits.first().copied() else {
        return;
    };
    let shows = posterior.shows(context.history, commit);
    let height = posterior.height_at(context.history, commit);
    let count = code.level.count;
    let tau_squared = posterior.tau_squared_at(context.history, commit);
    let precision = |count: usize| 1.0 / (tau_squared + posterior.variance / count as f64);
    let before = if count == 0 { 0.0 } else { precision(count) };
    // A small batch of a well-known level would look better than it is, because each look at the
    // posterior is a decision.
    for batch in BATCHES
        .into_iter()
        .map(|batch| batch.max(count.div_ceil(4)))
    {
        let snr = height * (precision(count + batch) - before).max(0.0).sqrt();
        let seconds = batch as f64 * context.evidence.pair_seconds();
        best.offer(
            PairRequest {
                commit,
                pairs: batch,
            },
            information(shows, snr),
            seconds,
        );
    }
}

/// Returns the commits that may still distinguish hypotheses: usable, or not examined and not
/// excluded.
pub(super) fn informative_commits<E: Evidence>(
    context: &SearchContext<'_, E>,
    section: &SearchSection,
) -> PositionSet {
    let tells = |commit: usize| match context.known.commit_use(commit) {
        CommitUse::Usable => true,
        CommitUse::Unseen => !context.settings.is_never(commit),
        CommitUse::Unusable => false,
    };
    PositionSet::matching(context.history.positions(), |commit| {
        commit == section.reference || (section.measurable.contains(commit) && tells(commit))
    })
}
