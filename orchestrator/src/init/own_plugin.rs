//! A small plugin for code that has no benchmarks yet.

use super::{CodeLanguage, FilePurpose, InitFile, InitReport};
use crate::error::CommandError;
use crate::file;
use crate::project;
use crate::starter::{self, PluginLanguage};
use std::path::Path;

/// Folders for the plugin; the first one that does not exist is used.
const FOLDERS: [&str; 3] = ["bench", "orch-bench", "orch-plugin"];
/// Name of the plugin.
const NAME: &str = "bench";
/// Name of the plugin of a package that has the other name itself.
const OTHER_NAME: &str = "own-bench";
/// Section of a manifest to which the code under test is added.
const DEPENDENCIES: &str = "[dependencies]\n";
/// Files of a plugin project that the project around it already has.
const FILES_OF_A_ROOT: [&str; 2] = [project::BENCH, super::ROOT_MARK];

/// Writes the plugin, and returns the text of a scenario for it.
pub(super) fn write(root: &Path, report: &mut InitReport) -> Result<String, CommandError> {
    let language = match report.code.language {
        CodeLanguage::Rust => PluginLanguage::Rust,
        CodeLanguage::C => PluginLanguage::C,
        CodeLanguage::Cpp => PluginLanguage::Cpp,
    };
    let folder = FOLDERS.iter().find(|name| !root.join(name).exists());
    let folder = folder.ok_or_else(|| {
        CommandError::input(format!(
            "the folders {} exist; there is no free name for the folder of a plugin",
            orch_core::format::listed(&FOLDERS)
        ))
        .with_hint("write one with `orch plugin new NAME`, and a scenario that names it")
    })?;
    let mut scenario = String::new();
    let is_taken = report.code.library.as_deref() == Some(NAME);
    let name = if is_taken { OTHER_NAME } else { NAME };
    for mut starter in starter::project_files(name, language) {
        if starter.path == project::BENCH {
            scenario = starter
                .text
                .replace("crate: .", &format!("crate: {folder}"))
                .replace("dir: .", &format!("dir: {folder}"));
        }
        if FILES_OF_A_ROOT.contains(&starter.path.as_str()) {
            continue;
        }
        if let Some(library) = &report.code.library
            && starter.path == "Cargo.toml"
        {
            let dependency = format!("{DEPENDENCIES}{library} = {{ path = \"..\" }}\n");
            starter.text = starter.text.replacen(DEPENDENCIES, &dependency, 1);
        }
        let path = root.join(folder).join(&starter.path);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(root))?;
            file::write_whole(&path, starter.text.as_bytes())
        };
        write().map_err(|error| {
            CommandError::system_while(&format!("cannot write {}", path.display()), &error)
        })?;
    }
    report.files.push(InitFile {
        path: folder.into(),
        purpose: FilePurpose::Plugin,
        was_there: false,
    });
    report.plugin = Some(folder.into());
    report.jobs = Some(3);
    Ok(scenario)
}
