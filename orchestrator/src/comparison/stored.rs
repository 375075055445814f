//! Two stored records against each other: what is exact is judged; time only through an anchor that both were paired with.

use super::entries::{self, Facts, Through};
use super::{Change, Code, Outcome, Workload, head, scopes};
use crate::record::anchored::{self, Common};
use crate::record::{JobRecord, Record};
use wildmatch::WildMatch;

/// Why times of records are not judged.
const UNPAIRED: &str = "not paired: the records share no anchor, and times of different moments do not compare";

/// Compares all jobs of two records that a filter lets through.
pub(crate) fn compare(a: &Record, b: &Record, filter: Option<&str>) -> Outcome {
    let pattern = filter.map(WildMatch::new);
    let wanted = |job: &&JobRecord| pattern.as_ref().is_none_or(|pattern| pattern.matches(&job.id));
    let mut outcome = Outcome { entries: Vec::new(), workloads: Vec::new(), interrupted: false };
    let in_b = |id: &str| b.jobs.iter().find(|job| job.id == id);
    let shared = |job: &&JobRecord| wanted(job) && in_b(&job.id).is_some_and(|other| Common::of(job, other).is_some());
    let ground = Ground {
        elsewhere: different_ground(a, b),
        together: a.jobs.iter().filter(shared).count(),
        changed: anchored::machine_changed(a, b),
        remedy: remedy(a, b),
    };
    for job in a.jobs.iter().filter(wanted) {
        one(&mut outcome, Some(job), in_b(&job.id), &ground);
    }
    for job in b.jobs.iter().filter(wanted).filter(|job| !a.jobs.iter().any(|known| known.id == job.id)) {
        one(&mut outcome, None, Some(job), &ground);
    }
    outcome
}

/// The dimension of whole records in which nothing is comparable.
fn different_ground(a: &Record, b: &Record) -> Option<String> {
    if a.machine.class != b.machine.class {
        return Some(format!("not comparable: machine class {} in A, {} in B", a.machine.class, b.machine.class));
    }
    let shown = |record: &Record| {
        record.toolchain.as_deref().map_or("unknown", |text| text.lines().next().unwrap_or_default()).to_owned()
    };
    (a.toolchain != b.toolchain).then(|| format!("not comparable: toolchain {} in A, {} in B", shown(a), shown(b)))
}

/// The command that measures until it knows, where both records are of commits, and of different ones.
fn remedy(a: &Record, b: &Record) -> String {
    let commit = |record: &Record| record.git.commit.clone().filter(|_| !record.git.dirty);
    match (commit(a), commit(b)) {
        (Some(a), Some(b)) if a != b => {
            format!("; `orch compare {} {}` measures until it knows", &a[..10.min(a.len())], &b[..10.min(b.len())])
        }
        (Some(a), Some(b)) if a == b => "; both are of the same commit".to_owned(),
        _ => String::new(),
    }
}

/// What both records stand on.
struct Ground {
    /// Nothing compares, and why.
    elsewhere: Option<String>,
    /// Jobs that were paired with the same artefact.
    together: usize,
    /// No time compares: the machine is another one.
    changed: Option<String>,
    /// What tells more than the records do.
    remedy: String,
}

/// What the anchor that both sides of a job share says of its time.
fn through(a: &JobRecord, b: &JobRecord, margin: f64, ground: &Ground) -> Option<Through> {
    let common = Common::of(a, b)?;
    let (verdict, reason) = common.verdict(margin, ground.together, ground.changed.as_deref(), &ground.remedy);
    let [estimate, low, high] = [common.shift.estimate, common.shift.low, common.shift.high].map(f64::exp_m1);
    let change = Change { estimate, low: Some(low), high: Some(high) };
    Some(Through { verdict, change, pairs: common.pairs, reason })
}

fn one(outcome: &mut Outcome, a: Option<&JobRecord>, b: Option<&JobRecord>, ground: &Ground) {
    let Some(known) = a.or(b) else { return };
    let margin = known.settings.tolerance;
    let mut code = Code::Unknown("records do not hold the hashes of libraries and input files".to_owned());
    let (mut missing, mut places) = (None, Vec::new());
    let found = match (a, b) {
        (Some(a), Some(b)) => match ground.elsewhere.clone().or_else(|| entries::incomparable(a, b)) {
            Some(reason) => vec![entries::refused(&known.id, margin, &reason)],
            None => {
                missing = entries::missing([a, b]);
                if a.plugin.hash != b.plugin.hash {
                    code = Code::Different;
                }
                let found = entries::of(&Facts {
                    id: &known.id,
                    sides: [a, b],
                    code: &code,
                    margin,
                    contested: None,
                    unpaired: UNPAIRED,
                    through: through(a, b, margin, ground),
                });
                if found.iter().any(entries::is_change) {
                    places = scopes::changes(a, b);
                }
                found
            }
        },
        _ => {
            let reason = format!("only {} has it", if a.is_some() { "A" } else { "B" });
            missing = Some(reason.clone());
            vec![entries::lost(&known.id, margin, &reason)]
        }
    };
    outcome.workloads.push(Workload {
        id: known.id.clone(),
        workload: known.workload.clone(),
        params: known.params.clone(),
        threads: Some(known.settings.threads),
        verdict: head::of_workload(&found),
        trade_off: found.iter().any(|entry| entry.trade_off),
        code,
        missing,
        warnings: Vec::new(),
        scopes: places,
        pairs: Vec::new(),
        wall_ns: 0,
    });
    outcome.entries.extend(found);
}
