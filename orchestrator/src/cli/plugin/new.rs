//! `orch plugin new`: writes a project that builds, runs and passes its tests unchanged.

use crate::cli::CommandResult;
use crate::cli::args::{NewOptions, StarterLanguage};
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::error::CommandError;
use crate::git::{self, GitKind};
use crate::project::quoted;
use crate::starter::{self, PluginLanguage};
use std::path::{Path, PathBuf};

/// Writes the project and prints the next steps.
pub(super) fn new(options: &NewOptions) -> CommandResult {
    if let Some(problem) = starter::name_problem(&options.name) {
        return Err(CommandError::input(problem));
    }
    let folder = options
        .dir
        .clone()
        .unwrap_or_else(|| PathBuf::from(&options.name));
    refuse_folder(&folder, &options.name)?;
    let (language, name) = match options.lang {
        StarterLanguage::Rust => (PluginLanguage::Rust, "Rust"),
        StarterLanguage::C => (PluginLanguage::C, "C"),
        StarterLanguage::Cpp => (PluginLanguage::Cpp, "C++"),
    };
    for file in starter::project_files(&options.name, language) {
        write(&folder.join(&file.path), &file.text).map_err(|error| {
            CommandError::system_while(
                &format!("cannot write {}", folder.join(&file.path).display()),
                &error,
            )
        })?;
    }
    let vendored = if language == PluginLanguage::Rust {
        "the SDK's source"
    } else {
        "orch's header"
    };
    let test = if language == PluginLanguage::Rust {
        "cargo test"
    } else {
        "sh test.sh"
    };
    let shown = folder.display();
    let mut text = format!("{shown}: a plugin in {name}, with {vendored} in vendor/\n\nnext:\n");
    text.push_str(&format!("  cd {}\n", quoted(&shown.to_string())));
    text.push_str("  orch run bench.yaml      # build and measure it\n");
    text.push_str(&format!(
        "  {test:<23}  # test that the workload computes the right result\n"
    ));
    text.push_str("  orch plugin check .      # check it for common defects\n");
    if git::read_state(&folder).state == GitKind::Outside {
        text.push_str(
            "  git init && git add -A && git commit -m 'a first \
             plugin'\n\x20                          # compare and bisect work on commits\n",
        );
    }
    output::print(&text)?;
    Ok(Exit::Fine)
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

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}
