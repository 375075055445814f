//! `orch plugin new`: writes a project and prints the next steps.

use crate::cli::CommandResult;
use crate::cli::args::{NewOptions, StarterLanguage};
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::plugin_new::{self, NewPluginRequest};
use crate::project::quoted;
use crate::starter::PluginLanguage;

/// Writes the project and prints the next steps.
pub(super) fn new(options: &NewOptions) -> CommandResult {
    let (language, name) = match options.lang {
        StarterLanguage::Rust => (PluginLanguage::Rust, "Rust"),
        StarterLanguage::C => (PluginLanguage::C, "C"),
        StarterLanguage::Cpp => (PluginLanguage::Cpp, "C++"),
    };
    let request = NewPluginRequest {
        name: options.name.clone(),
        language,
        folder: options.dir.clone(),
    };
    let created = plugin_new::create_plugin(&request)?;
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
    let shown = created.folder.display();
    let mut text = format!("{shown}: a plugin in {name}, with {vendored} in vendor/\n\nnext:\n");
    text.push_str(&format!("  cd {}\n", quoted(&shown.to_string())));
    text.push_str("  orch run bench.yaml      # build and measure it\n");
    text.push_str(&format!(
        "  {test:<23}  # test that the workload computes the right result\n"
    ));
    text.push_str("  orch plugin check .      # check it for common defects\n");
    if created.needs_repository {
        text.push_str(
            "  git init && git add -A && git commit -m 'a first \
             plugin'\n\x20                          # compare and bisect work on commits\n",
        );
    }
    output::print(&text)?;
    Ok(Exit::Fine)
}
