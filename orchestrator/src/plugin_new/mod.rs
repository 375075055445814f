//! The verb `plugin new`: writes a project that builds, runs and passes its tests unchanged.

use crate::error::CommandError;
use crate::git::{self, GitKind};
use crate::starter::{self, NameProblem, PluginLanguage};
use std::path::{Path, PathBuf};

/// Request to create a plugin.
#[derive(Debug, Clone)]
pub(crate) struct NewPluginRequest {
    /// Name of the plugin in scenarios and of its package.
    pub(crate) name: String,
    pub(crate) language: PluginLanguage,
    /// Folder to write to; a folder with the plugin's name if it is `None`.
    pub(crate) folder: Option<PathBuf>,
}

/// A plugin that was created.
#[derive(Debug)]
pub(crate) struct NewPlugin {
    pub(crate) folder: PathBuf,
    /// Whether the folder is outside of every git repository.
    pub(crate) needs_repository: bool,
}

/// Writes the project of a new plugin.
///
/// # Errors
/// The name is not valid, the folder contains files, or a file cannot be written.
pub(crate) fn create_plugin(request: &NewPluginRequest) -> Result<NewPlugin, CommandError> {
    let name = &request.name;
    if let Some(NameProblem { message, hint }) = starter::find_name_problem(name) {
        let error = CommandError::input(message);
        return Err(match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
    }
    let folder = request
        .folder
        .clone()
        .unwrap_or_else(|| PathBuf::from(name));
    refuse_folder(&folder, name)?;
    for file in starter::project_files(name, request.language) {
        let path = folder.join(&file.path);
        write_file(&path, &file.text).map_err(|error| {
            CommandError::system_while(&format!("cannot write {}", path.display()), &error)
        })?;
    }
    Ok(NewPlugin {
        needs_repository: git::read_state(&folder).state == GitKind::Outside,
        folder,
    })
}

/// Refuses a folder that contains files, so that none is overwritten.
fn refuse_folder(folder: &Path, name: &str) -> Result<(), CommandError> {
    let shown = folder.display();
    let hint = format!("choose another folder: orch plugin new {name} --dir FOLDER");
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(
            CommandError::input(format!("the folder {shown} exists and is not empty"))
                .with_hint(hint),
        ),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(CommandError::input(format!("{shown} exists and is not a folder")).with_hint(hint))
        }
        Err(error) => Err(CommandError::system_while(
            &format!("cannot read {shown}"),
            &error,
        )),
    }
}

fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn project_is_written_once_and_never_over_files() {
        let outer = tempfile::tempdir().unwrap();
        let request = NewPluginRequest {
            name: "sorting".to_owned(),
            language: PluginLanguage::C,
            folder: Some(outer.path().join("a/b")),
        };
        let created = create_plugin(&request).unwrap();
        assert!(created.folder.join("bench.yaml").is_file());
        assert!(created.needs_repository);
        let error = create_plugin(&request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        let text = error.to_string();
        assert!(text.contains("exists and is not empty\nhint: "), "{text}");
    }

    #[test]
    fn wrong_name_is_refused_with_a_better_one() {
        let request = NewPluginRequest {
            name: "My Sort".to_owned(),
            language: PluginLanguage::Rust,
            folder: None,
        };
        let text = create_plugin(&request).unwrap_err().to_string();
        assert!(text.contains("not a valid name"), "{text}");
        assert!(text.contains("hint: use small letters"), "{text}");
    }
}
