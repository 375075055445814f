//! The text of `orch init`.

use crate::init::{CodeLanguage, FilePurpose, InitReport};
use crate::project::{BENCH, quoted};
use orch_core::format;
use std::fmt::Write as _;
use std::path::Path;

/// Returns what was found and written, and the next commands.
pub(crate) fn render(report: &InitReport, folder: &Path) -> String {
    let language = match report.code.language {
        CodeLanguage::Rust => "Rust",
        CodeLanguage::C => "C",
        CodeLanguage::Cpp => "C++",
    };
    let benches = report.code.benches.len();
    let mut text = match benches {
        0 => format!("found {language} code\n\n"),
        _ => format!(
            "found {language} code with {}\n\n",
            format::counted(benches, "criterion bench file")
        ),
    };
    for file in &report.files {
        let purpose = match file.purpose {
            FilePurpose::RootMark => "marks the root of the project".to_owned(),
            FilePurpose::Schema => "describes scenarios to your editor".to_owned(),
            FilePurpose::Ignored => "keeps builds and results out of git".to_owned(),
            FilePurpose::Plugin => "a plugin with an example to replace".to_owned(),
            FilePurpose::Scenario => match report.jobs {
                Some(jobs) => format!("the scenario, with {}", format::counted(jobs, "job")),
                None => "the scenario".to_owned(),
            },
        };
        let verb = if file.was_there { "kept" } else { "wrote" };
        let path = file.path.display().to_string();
        let _ = writeln!(text, "  {verb:<5}  {path:<17}  {purpose}");
    }
    if !report.left_out.is_empty() {
        text.push_str("\nleft out, because they cannot be measured:\n");
        for left_out in &report.left_out {
            // A build has printed its errors.
            let reason = left_out.reason.lines().next().unwrap_or_default();
            let _ = writeln!(text, "  {}: {reason}", left_out.file.display());
        }
    }
    text.push_str("\nnext:\n");
    if folder != Path::new(".") {
        let _ = writeln!(text, "  cd {}", quoted(&folder.display().to_string()));
    }
    if let Some(plugin) = &report.plugin {
        let place = plugin.join(match report.code.language {
            CodeLanguage::Rust => "src/lib.rs",
            CodeLanguage::C => "plugin.c",
            CodeLanguage::Cpp => "plugin.cpp",
        });
        let _ = writeln!(
            text,
            "  replace the example in {} with your own code",
            place.display()
        );
    }
    let _ = writeln!(text, "  orch run {BENCH}    # build and measure");
    if report.needs_repository {
        text.push_str("  git init && git add --all && git commit --message 'a first commit'\n");
    }
    let _ = writeln!(
        text,
        "  orch check {BENCH}  # compare the working tree with its base"
    );
    if report.shows_results {
        text.push_str("  add `/results/*` to .gitignore\n");
    }
    text
}
