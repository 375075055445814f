//! Owns one build of a workload by itself: the result of its exact passes, and the comparison of
//! its machine code.

use crate::comparison::CodeRelation;
use crate::model::warning::{JobWarning, SidedWarning, WarnedSide};
use crate::pass::{PassEnd, PassName, PassResult};
use crate::plugin::build::{PluginFailure, PreparedPlugin};
use crate::plugin::catalog::WorkloadInfo;
use crate::plugin::code::{self, CodeSameness};
use crate::plugin::elf;
use crate::record::assemble::{self, JobFacts};
use crate::record::{JobRecord, PluginFile};
use crate::scenario::Job;
use orch_core::protocol::WorkerReply;

/// Assembles the passes of one build. Pairs measure the time, so the job is measured once it is
/// profiled and counted.
pub(crate) fn assemble_record(
    job: &Job,
    prepared: Result<&PreparedPlugin, &PluginFailure>,
    info: Option<&WorkloadInfo>,
    mut ends: Vec<PassEnd>,
    iteration_ns: Option<f64>,
    interrupted: bool,
) -> JobRecord {
    let mut job = job.clone();
    job.settings.rounds = 0;
    let plugin = match prepared {
        Ok(prepared) => PluginFile {
            path: prepared.path.display().to_string(),
            hash: Some(prepared.hash.clone()),
            git: Some(prepared.git.clone()),
            sandbox: Some(prepared.sandbox.describe()),
        },
        Err(_) => PluginFile {
            path: job.plugin.clone(),
            hash: None,
            git: None,
            sandbox: None,
        },
    };
    // The least disturbed profile shows best where the time goes.
    ends.sort_by(|one, other| profiled_ns(one).total_cmp(&profiled_ns(other)));
    assemble::assemble_job(JobFacts {
        job: &job,
        info,
        plugin,
        own_allocator: prepared
            .ok()
            .and_then(|prepared| prepared.own_allocator.as_deref()),
        ends: ends.iter().collect(),
        seed: 0,
        iteration_ns,
        interrupted: interrupted && ends.len() < 3,
    })
}

/// Returns the addresses at which the code of the workload begins, as a counting pass found them.
pub(crate) fn find_beginnings(ends: &[PassEnd]) -> Option<Vec<u64>> {
    ends.iter().find_map(|end| match &end.result {
        PassResult::Reply(reply) => Some(reply.as_count()?.code.clone()),
        _ => None,
    })
}

/// Compares the machine code of two libraries from the beginnings of the workload in each; returns
/// `None` if a library cannot be read.
pub(crate) fn compare_machine_code(
    [a, b]: [&PreparedPlugin; 2],
    beginnings: [&[u64]; 2],
) -> Option<CodeRelation> {
    let (a_file, b_file) = (
        elf::read_library(&a.library).ok()?,
        elf::read_library(&b.library).ok()?,
    );
    let (a_needs, b_needs) = (
        elf::read_linked_libraries(&a_file),
        elf::read_linked_libraries(&b_file),
    );
    if a_needs != b_needs || a_needs.searches_own_folder() {
        return Some(CodeRelation::Unknown(
            "the sides may load different libraries".to_owned(),
        ));
    }
    let compared = code::compare_builds(&a_file, &b_file, beginnings[0], beginnings[1]);
    Some(match compared {
        Ok(CodeSameness::Same { .. }) => CodeRelation::OnlyLayout,
        Ok(CodeSameness::Changed(changes)) => CodeRelation::Changed(changes),
        Ok(CodeSameness::Unknown(why)) => CodeRelation::Unknown(why),
        Err(error) => CodeRelation::Unknown(error.to_string()),
    })
}

/// Warns about a change of time between different libraries whose functions are not aligned,
/// because the position of the code alone can change the time.
pub(crate) fn warn_of_layout(sides: [&PreparedPlugin; 2]) -> Option<SidedWarning> {
    if sides[0].hash == sides[1].hash {
        return None;
    }
    let is_unaligned = |side: &&PreparedPlugin| {
        let bytes = elf::read_library(&side.library).ok();
        bytes.and_then(|bytes| code::has_aligned_functions(&bytes)) == Some(false)
    };
    let side = match sides.each_ref().map(is_unaligned) {
        [true, true] => WarnedSide::Both,
        [true, false] => WarnedSide::A,
        [false, true] => WarnedSide::B,
        [false, false] => return None,
    };
    Some(SidedWarning {
        side: Some(side),
        warning: JobWarning::UnalignedFunctions,
    })
}

/// Returns the time per iteration of a profile; infinity for other passes, so that profiles are
/// sorted first.
fn profiled_ns(end: &PassEnd) -> f64 {
    match (&end.pass, &end.result) {
        (PassName::Profile, PassResult::Reply(reply)) => match &**reply {
            WorkerReply::Profiled(profile) => {
                profile.run_ns as f64 / profile.iterations.max(1) as f64
            }
            _ => f64::INFINITY,
        },
        _ => f64::INFINITY,
    }
}
