//! What the sandbox of a worker lets through: what the scenario says, and the files that a job's parameters name.

use super::scratch::Scratch;
use crate::plugin::Sandbox;
use crate::plugin::build::Prepared;
use crate::protocol::{Grants, Request};
use crate::worker::sandbox;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A variable of a plugin's `env:` whose folders libraries are loaded from.
const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// What a worker of this plugin with these parameters may use; none where there is no sandbox.
pub(crate) fn grants(prepared: &Prepared, params: &Map<String, Value>) -> Option<Grants> {
    let Sandbox::On { read, write } = &prepared.sandbox else { return None };
    let mut read = [sandbox::system(), read].concat();
    read.extend(prepared.env.iter().filter(|(name, _)| name == LIBRARIES).flat_map(|(_, value)| folders(value)));
    for value in params.values() {
        files_in(value, &prepared.folder, &|path| Kind::of(path), &mut read);
    }
    Some(Grants { read, write: write.clone(), scratch: None })
}

/// The request with the folder that its worker got.
pub(super) fn with_scratch<'a>(request: &'a Request, scratch: Option<&Scratch>) -> Cow<'a, Request> {
    let mut request = Cow::Borrowed(request);
    if let (Some(scratch), Some(_)) = (scratch, &request.sandbox)
        && let Some(grants) = &mut request.to_mut().sandbox
    {
        grants.scratch = Some(scratch.path().to_owned());
    }
    request
}

fn folders(list: &str) -> Vec<PathBuf> {
    list.split(':').map(PathBuf::from).filter(|path| path.is_absolute()).collect()
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    File,
    Folder,
}

impl Kind {
    fn of(path: &Path) -> Self {
        match path.metadata() {
            Err(_) => Self::Nothing,
            Ok(data) if data.is_dir() => Self::Folder,
            Ok(_) => Self::File,
        }
    }
}

/// The files that texts in a parameter name, at any depth. A word without a slash is no folder's name: `mode: src` does
/// not open the sources.
fn files_in(value: &Value, here: &Path, kind: &dyn Fn(&Path) -> Kind, found: &mut Vec<PathBuf>) {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains('\0') => {
            let path = here.join(text);
            let named = match kind(&path) {
                Kind::Nothing => false,
                Kind::File => true,
                Kind::Folder => text.contains('/'),
            };
            if named {
                found.push(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| files_in(item, here, kind, found)),
        Value::Object(fields) => fields.values().for_each(|field| files_in(field, here, kind, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_name_files_and_words_name_no_folders() {
        let kind = |path: &Path| match path.to_str() {
            Some("/here/model.bin" | "/abs/file") => Kind::File,
            Some("/here/src" | "/here/./src" | "/abs") => Kind::Folder,
            _ => Kind::Nothing,
        };
        let named = |value: Value| {
            let mut found = Vec::new();
            files_in(&value, Path::new("/here"), &kind, &mut found);
            found.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(named(json!("model.bin")), ["/here/model.bin"]);
        assert_eq!(named(json!(["greedy", {"weights": "/abs/file", "n": 3}])), ["/abs/file"]);
        assert_eq!(named(json!("src")), [""; 0]);
        assert_eq!(named(json!("./src")), ["/here/./src"]);
        assert_eq!(named(json!("/abs")), ["/abs"]);
        assert_eq!(named(json!(["", "/missing", "a\0b", null, true])), [""; 0]);
    }
}
