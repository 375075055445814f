//! The plugin function in which a fatal signal occurred: the function that was running, or the one
//! that called it.

use crate::plugin::elf::{self, CodePlace, NamedFunction};
use orch_core::worker::page::PageLayout;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

/// Describes the place of the fault inside the plugin's file, as the end of a message. Returns an
/// empty text if the fault lies elsewhere and its caller is unknown.
pub(super) fn describe_crash_site(page: &PageLayout, library: &Path) -> String {
    let base = page.library_base.load(Relaxed);
    let instruction = page.instruction.load(Relaxed);
    if base == 0 {
        return String::new();
    }
    if let Some(offset) = instruction.checked_sub(base) {
        match elf::find_code_place(library, offset) {
            CodePlace::Function(function) => {
                return format!(", in function {}", describe_function(&function, offset));
            }
            CodePlace::Unnamed => return format!(", at plugin+{offset:#x}"),
            CodePlace::Elsewhere => {}
        }
    }
    // A return address lies behind its call, possibly already in the next function.
    let calls = page
        .callers()
        .filter_map(|address| address.checked_sub(base)?.checked_sub(1));
    let mut first = None;
    for offset in calls {
        let CodePlace::Function(function) = elf::find_code_place(library, offset) else {
            continue;
        };
        let text = format!(
            ", called from function {}",
            describe_function(&function, offset)
        );
        if function
            .source
            .as_ref()
            .is_none_or(|source| !source.is_foreign)
        {
            return text;
        }
        first.get_or_insert(text);
    }
    first.unwrap_or_default()
}

/// Formats a function as `name (file:line, plugin+0x12)`. If the line belongs to an inlined
/// function, its name is used.
fn describe_function(function: &NamedFunction, offset: u64) -> String {
    match &function.source {
        Some(source) => {
            let name = source.inlined.as_ref().unwrap_or(&function.name);
            format!(
                "{name} ({}:{}, plugin+{offset:#x})",
                source.file, source.line
            )
        }
        None => format!("{} (plugin+{offset:#x})", function.name),
    }
}
