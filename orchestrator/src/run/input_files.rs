//! Input files of a run: orch itself, libraries, and files that parameters name. They are hashed
//! before the first pass and checked after the last.

use crate::error::CommandError;
use crate::hash;
use crate::pass::{PassEnd, PassResult};
use crate::project::PluginSet;
use crate::runner::sandbox_grants::{self, InputFile};
use crate::scenario::Job;
use indexmap::IndexMap;
use orch_core::protocol::Phase;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Identifies the build of orch, which contains the sentinel's kernels. Version and target do not
/// change with the commit or the compiler, so the hash of the file identifies the build.
/// `/proc/self/exe` is that file even if another one has replaced it since.
pub(super) fn identify_orch() -> Result<String, CommandError> {
    let optimised = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let hash = hash::file(Path::new("/proc/self/exe"))
        .map_err(|error| CommandError::system_while("cannot read orch's own executable", &error))?;
    Ok(format!(
        "orch {} {optimised} {} {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        &hash[..16]
    ))
}

/// The files that the parameters of jobs name, in their state before the first pass.
pub(super) struct InputFiles {
    /// Files of each job.
    named: Vec<Vec<InputFile>>,
    /// SHA-256 of the files that can be read and are not too large.
    hashes: HashMap<PathBuf, String>,
}

impl InputFiles {
    pub(super) fn read(jobs: &[Job], plugins: &PluginSet) -> Self {
        let named = |job: &Job| match plugins.prepared.get(&job.plugin) {
            Some(Ok(prepared)) => {
                sandbox_grants::find_input_files(prepared, &job.workload, &job.params)
            }
            _ => Vec::new(),
        };
        Self::of(jobs.iter().map(named).collect(), &hash_small_file)
    }

    /// Reads each file once, however many jobs name it.
    fn of(named: Vec<Vec<InputFile>>, hash: &dyn Fn(&Path) -> Option<String>) -> Self {
        let paths: HashSet<&Path> = named
            .iter()
            .flatten()
            .map(|one| one.path.as_path())
            .collect();
        let hashes = paths
            .into_iter()
            .filter_map(|path| Some((path.to_owned(), hash(path)?)))
            .collect();
        Self { named, hashes }
    }

    /// Returns the input files for the record of a job.
    pub(super) fn of_job(&self, index: usize) -> IndexMap<String, String> {
        let hash = |one: &InputFile| Some((one.shown.clone(), self.hashes.get(&one.path)?.clone()));
        self.named
            .get(index)
            .into_iter()
            .flatten()
            .filter_map(hash)
            .collect()
    }

    /// Lists the paths of files that no plugin of their jobs may have written.
    pub(super) fn all(&self) -> BTreeMap<String, String> {
        let guarded = self.named.iter().flatten().filter(|one| one.guarded);
        let hash = |one: &InputFile| {
            Some((
                one.path.display().to_string(),
                self.hashes.get(&one.path)?.clone(),
            ))
        };
        guarded.filter_map(hash).collect()
    }

    /// Lists the files that have changed.
    fn changed(&self, hash: &dyn Fn(&Path) -> Option<String>) -> HashSet<&Path> {
        let other = |(path, known): &(&PathBuf, &String)| hash(path).as_ref() != Some(*known);
        self.hashes
            .iter()
            .filter(other)
            .map(|(path, _)| path.as_path())
            .collect()
    }
}

/// Size above which a file is hashed only once, because a second time would make the run much
/// longer.
fn hash_small_file(path: &Path) -> Option<String> {
    const MOST: u64 = 256 << 20;
    path.metadata()
        .ok()
        .filter(|about| about.is_file() && about.len() <= MOST)?;
    hash::file(path).ok()
}

/// Returns a failure for each job of which a file has changed since it was hashed: which of the two
/// states was measured is unknown. Libraries that orch built are copies that do not change; those
/// of `path:` belong to the user.
pub(super) fn find_changed(jobs: &[Job], plugins: &PluginSet, inputs: &InputFiles) -> Vec<PassEnd> {
    let libraries: HashSet<&str> = plugins
        .prepared
        .iter()
        .filter(|(_, prepared)| {
            prepared
                .as_ref()
                .is_ok_and(|one| hash::file(&one.library).ok().as_ref() != Some(&one.hash))
        })
        .map(|(key, _)| key.as_str())
        .collect();
    let files = inputs.changed(&hash_small_file);
    let message = |(job, named): (&Job, &Vec<InputFile>)| {
        if libraries.contains(job.plugin.as_str()) {
            let message = "the plugin's file changed during the run; do not build while measuring";
            return Some(failure(job, Phase::Load, message.to_owned()));
        }
        // Without a sandbox, the job's own plugin may have written the file.
        let file = named
            .iter()
            .find(|one| one.guarded && files.contains(one.path.as_path()))?;
        let message = format!(
            "the input file {} changed during the run, so it is unknown which version was measured",
            file.shown
        );
        Some(failure(job, Phase::Setup, message))
    };
    jobs.iter().zip(&inputs.named).filter_map(message).collect()
}

fn failure(job: &Job, phase: Phase, message: String) -> PassEnd {
    PassEnd::without_worker(&job.id, PassResult::Failed { phase, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn file_that_many_jobs_name_is_read_once() {
        let named = |name: &str| InputFile {
            shown: name.to_owned(),
            path: Path::new("/data").join(name),
            guarded: true,
        };
        let reads = Cell::new(0);
        let hash = |path: &Path| {
            reads.set(reads.get() + 1);
            (!path.ends_with("huge")).then(|| format!("hash of {}", path.display()))
        };
        let jobs = (0..100)
            .map(|_| vec![named("in.bin"), named("huge")])
            .collect();
        let inputs = InputFiles::of(jobs, &hash);
        assert_eq!(reads.get(), 2);
        assert_eq!(
            inputs.of_job(99),
            [("in.bin".to_owned(), "hash of /data/in.bin".to_owned())].into()
        );
        assert_eq!(
            inputs.all(),
            [("/data/in.bin".to_owned(), "hash of /data/in.bin".to_owned())].into()
        );
        assert!(inputs.of_job(100).is_empty());
        assert!(inputs.changed(&hash).is_empty());
        assert_eq!(reads.get(), 3, "what was not read before is not read after");
        for now in [None, Some("other".to_owned())] {
            assert_eq!(
                inputs.changed(&|_| now.clone()),
                [Path::new("/data/in.bin")].into()
            );
        }
    }
}
