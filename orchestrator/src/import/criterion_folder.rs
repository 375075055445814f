//! A folder such as `target/criterion`: finds the benchmarks below it, with what each measured last
//! (`new`) and a baseline.

use super::criterion::{self, CriterionTexts, FileProblems};
use super::measured_file::{self, MeasuredSide};
use super::{problem, read};
use crate::error::CommandError;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// File with the statistics of a benchmark.
const ESTIMATES: &str = "estimates.json";
/// Deepest folder of a benchmark. Criterion makes one for the group, the function and the value.
const MOST_DEPTH: usize = 16;
/// Most folders that are looked at.
const MOST_FOLDERS: usize = 200_000;

/// Reads the sides of a folder: a baseline and `new`, or `new` alone if there is no baseline. The
/// baseline is the only one that the user saved, or else `base`. Criterion replaces `base` by `new`
/// after a run that does not name a baseline.
pub(super) fn read_folder(folder: &Path) -> Result<Vec<MeasuredSide>, CommandError> {
    let benchmarks = find_benchmarks(folder)?;
    let mut baselines = list_baselines(&benchmarks)?;
    let mut saved = baselines.iter().filter(|name| *name != "base");
    let before = match (saved.next(), saved.next()) {
        (Some(only), None) => only.clone(),
        _ => "base".to_owned(),
    };
    baselines.remove(&before);
    let mut sides = Vec::new();
    for name in [before.as_str(), "new"] {
        let of_side = || benchmarks.iter().map(|benchmark| benchmark.join(name));
        let own: Vec<PathBuf> = of_side()
            .filter(|own| own.join(ESTIMATES).is_file())
            .collect();
        if !own.is_empty() {
            let shown = format!("{} ({name})", folder.display());
            sides.push(read_side(folder, &shown, &own)?);
        }
    }
    if let Some(first) = sides.first_mut() {
        let others = baselines.iter();
        let others = others.map(|name| format!("baseline {}", measured_file::clean_fact(name)));
        first.ignored.extend(others);
    }
    if sides.is_empty() {
        let shown = folder.display();
        return Err(CommandError::input(format!(
            "{shown} is a folder without results of criterion"
        ))
        .with_hint("name a file, or the folder `target/criterion` of a project"));
    }
    Ok(sides)
}

/// Reads one file of estimates, with what is beside it.
pub(super) fn read_estimates(file: &Path) -> Result<MeasuredSide, CommandError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let shown = file.display().to_string();
    let mut side = criterion::empty_side(&shown);
    let mut texts = String::new();
    // Criterion keeps the name of a benchmark two folders above.
    let benchmark = folder.parent().and_then(Path::file_name);
    let name = benchmark.map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| ESTIMATES.to_owned());
    add_row(&mut side, file, &name, &mut texts)?;
    side.source.hash = crate::hash::text(&texts);
    Ok(side)
}

fn read_side(
    folder: &Path,
    shown: &str,
    benchmarks: &[PathBuf],
) -> Result<MeasuredSide, CommandError> {
    let mut side = criterion::empty_side(shown);
    let mut texts = String::new();
    for benchmark in benchmarks {
        let own = benchmark.parent().unwrap_or(benchmark);
        let name = own
            .strip_prefix(folder)
            .unwrap_or(own)
            .display()
            .to_string();
        let name = if name.is_empty() {
            own.display().to_string()
        } else {
            name
        };
        add_row(&mut side, &benchmark.join(ESTIMATES), &name, &mut texts)?;
    }
    side.source.hash = crate::hash::text(&texts);
    Ok(side)
}

/// Adds the row of a file, and the texts of all files read to `all`. `name` stands for a name that
/// no file states.
fn add_row(
    side: &mut MeasuredSide,
    estimates: &Path,
    name: &str,
    all: &mut String,
) -> Result<(), CommandError> {
    let text = read(estimates)?;
    let shown = estimates.display().to_string();
    let beside = |other: &str| {
        let path = estimates.with_file_name(other);
        let text = path.is_file().then(|| read(&path)).transpose()?;
        Ok::<_, CommandError>(text.map(|text| (path.display().to_string(), text)))
    };
    let (sample, names) = (beside("sample.json")?, beside("benchmark.json")?);
    let texts = CriterionTexts {
        estimates: (&shown, &text),
        sample: sample.as_ref().map(borrow),
        benchmark: names.as_ref().map(borrow),
    };
    let benchmark = criterion::read(&texts).map_err(refuse)?;
    for (_, text) in [Some(texts.estimates), texts.sample, texts.benchmark]
        .into_iter()
        .flatten()
    {
        all.push_str(text);
    }
    benchmark.add_to(side, name);
    Ok(())
}

/// Borrows the name and the text of a file.
fn borrow((file, text): &(String, String)) -> (&str, &str) {
    (file, text)
}

fn refuse((file, problems): FileProblems) -> CommandError {
    problem::refuse(file, problems)
}

/// Returns the folders of benchmarks, in the order of their names: those with a result in `new` or
/// `base`. Links are not followed.
fn find_benchmarks(folder: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = open.pop() {
        seen += 1;
        if seen > MOST_FOLDERS {
            let shown = folder.display();
            return Err(CommandError::input(format!("{shown} has too many folders"))
                .with_hint("name the folder `target/criterion` of one project"));
        }
        let has = |name: &str| folder.join(name).join(ESTIMATES).is_file();
        if has("new") || has("base") {
            found.push(folder.clone());
        }
        if depth < MOST_DEPTH {
            open.extend(
                list_folders(&folder)?
                    .into_iter()
                    .map(|path| (path, depth + 1)),
            );
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the names of the baselines of all benchmarks.
fn list_baselines(benchmarks: &[PathBuf]) -> Result<BTreeSet<String>, CommandError> {
    let mut names = BTreeSet::new();
    for benchmark in benchmarks {
        for folder in list_folders(benchmark)? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            // A benchmark may be below another one, and then has results of its own.
            let is_side = folder.join(ESTIMATES).is_file();
            if is_side && !["new", "change"].contains(&name.as_ref()) {
                names.insert(name.into_owned());
            }
        }
    }
    Ok(names)
}

fn list_folders(folder: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let refuse = |error: std::io::Error| {
        let shown = folder.display();
        CommandError::input(format!("cannot read {shown}: {error}"))
            .with_hint("name a folder that you may read")
    };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        if entry.file_type().map_err(refuse)?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}
