//! Source lines of instructions, from a library's debug information.

use super::symbol_names;
use addr2line::gimli::{Dwarf, EndianSlice, Error, LittleEndian, SectionId};
use addr2line::{Context, Frame};
use object::read::elf::ElfFile64;
use object::{Object, ObjectSection};
use std::path::Path;

type DwarfSlice<'a> = EndianSlice<'a, LittleEndian>;

/// A line of a source file, and its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceLine {
    /// Name of the function if it was inlined into another one, as far as the debug information has
    /// it.
    pub(crate) inlined: Option<String>,
    /// Shortened path: without the folders of toolchains and registries, and without the folder in
    /// which orch was started.
    pub(crate) file: String,
    pub(crate) line: u32,
    /// Whether the code belongs to the standard library or to a package of a registry.
    pub(crate) is_foreign: bool,
}

/// Finds the line of an address in a file's code. If functions were inlined there, the innermost
/// function of the plugin itself is used, because a line in an iterator of the standard library
/// does not help. Returns `None` if the debug information is missing or cannot be read.
pub(super) fn find_line(file: &ElfFile64<object::Endianness>, address: u64) -> Option<SourceLine> {
    let section = |id: SectionId| -> Result<DwarfSlice, Error> {
        let data = file
            .section_by_name(id.name())
            .and_then(|section| section.data().ok());
        Ok(EndianSlice::new(data.unwrap_or_default(), LittleEndian))
    };
    let context = Context::from_dwarf(Dwarf::load(section).ok()?).ok()?;
    let mut frames = context.find_frames(address).skip_all_loads().ok()?;
    let mut lines = Vec::new();
    while let Ok(Some(frame)) = frames.next() {
        lines.push(read_source_line(&frame));
    }
    // The outermost function is not inlined, and its symbol has the full name.
    if let Some(Some(outermost)) = lines.last_mut() {
        outermost.inlined = None;
    }
    let mut lines: Vec<SourceLine> = lines.into_iter().flatten().collect();
    let own = lines.iter().position(|line| !line.is_foreign).unwrap_or(0);
    (own < lines.len()).then(|| lines.swap_remove(own))
}

fn read_source_line(frame: &Frame<DwarfSlice>) -> Option<SourceLine> {
    let location = frame.location.as_ref()?;
    let (file, is_foreign) = shorten_path(location.file?);
    let inlined = frame.function.as_ref().and_then(|function| {
        let name = function.raw_name().ok()?;
        Some(symbol_names::demangle_shown(&name))
    });
    Some(SourceLine {
        inlined,
        file,
        line: location.line?,
        is_foreign,
    })
}

/// Shortens a path, and returns whether it belongs to foreign code.
fn shorten_path(path: &str) -> (String, bool) {
    for (folder, levels) in [
        ("/rustc/", 1),
        ("/lib/rustlib/src/rust/", 0),
        ("/registry/src/", 1),
    ] {
        if let Some((_, inside)) = path.split_once(folder) {
            let rest = inside.splitn(levels + 1, '/').last().unwrap_or(inside);
            return (
                rest.strip_prefix("library/").unwrap_or(rest).to_owned(),
                true,
            );
        }
    }
    let here = std::env::current_dir().unwrap_or_default();
    let short = Path::new(path)
        .strip_prefix(here)
        .unwrap_or(Path::new(path));
    let short = short.strip_prefix(".").unwrap_or(short);
    (short.display().to_string(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_toolchains_and_registries_are_shortened_and_foreign() {
        let of = |path: &str| shorten_path(path);
        assert_eq!(
            of("/rustc/0123abcd/library/core/src/ptr/mod.rs"),
            ("core/src/ptr/mod.rs".to_owned(), true)
        );
        let in_toolchain =
            "/home/x/.rustup/toolchains/stable/lib/rustlib/src/rust/library/std/src/io.rs";
        assert_eq!(of(in_toolchain), ("std/src/io.rs".to_owned(), true));
        let in_registry = "/home/x/.cargo/registry/src/index-0123/rayon-1.12.0/src/lib.rs";
        assert_eq!(
            of(in_registry),
            ("rayon-1.12.0/src/lib.rs".to_owned(), true)
        );
        assert_eq!(
            of("plugins/p/src/lib.rs"),
            ("plugins/p/src/lib.rs".to_owned(), false)
        );
        let here = std::env::current_dir().unwrap_or_default().join("src/x.c");
        assert_eq!(
            of(&here.display().to_string()),
            ("src/x.c".to_owned(), false)
        );
    }
}
