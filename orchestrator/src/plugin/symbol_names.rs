//! Readable names of functions.

use std::fmt::{self, Write};

/// Most bytes of a demangled name. A C++ symbol may refer to its own parts again and again, so a
/// short symbol may stand for a name of many megabytes.
const MOST_BYTES: usize = 64 << 10;
/// Most characters of a name in a message.
const MOST_SHOWN: usize = 200;

/// Demangles a Rust symbol, without the hash that may change with every build, or a C++ symbol.
/// Returns other symbols unchanged, and those whose name would be longer than 64 KiB.
pub(super) fn demangle(symbol: &str) -> String {
    let mut name = BoundedText(String::new());
    let written = if let Ok(rust) = rustc_demangle::try_demangle(symbol) {
        write!(name, "{rust:#}").is_ok()
    } else if symbol.starts_with("_Z") {
        // Without this prefix, the function `f` of a C library would be read as the type `float`.
        let options = cpp_demangle::DemangleOptions::new().no_return_type();
        cpp_demangle::Symbol::new(symbol)
            .is_ok_and(|cpp| cpp.structured_demangle(&mut name, &options).is_ok())
    } else {
        false
    };
    if written { name.0 } else { symbol.to_owned() }
}

/// Demangles a symbol for a message, and cuts a name of more than 200 characters.
pub(super) fn demangle_shown(symbol: &str) -> String {
    let mut name = demangle(symbol);
    if let Some((end, _)) = name.char_indices().nth(MOST_SHOWN) {
        name.truncate(end);
        name.push('…');
    }
    name
}

/// A text that refuses to become longer than a name may be.
struct BoundedText(String);

impl Write for BoundedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MOST_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_each_language_are_demangled() {
        assert_eq!(
            demangle("_ZN4core3fmt5write17h0123456789abcdefE"),
            "core::fmt::write"
        );
        assert_eq!(demangle("_RNvCs1234_7mycrate3foo"), "mycrate::foo");
        assert_eq!(demangle("_ZL5faultv"), "fault()");
        assert_eq!(demangle("_ZN3lib5Model3runEi"), "lib::Model::run(int)");
        assert_eq!(demangle("memcpy"), "memcpy");
    }

    #[test]
    fn names_of_c_functions_are_no_types() {
        for name in ["f", "i", "v", "St", "d", "PKc", "_Z", "_ZZZZ"] {
            assert_eq!(demangle(name), name);
        }
    }

    #[test]
    fn names_are_bounded() {
        // Each type has two arguments of the type before it, so every level doubles the name.
        let mut symbol = "_Z1f1AIiiE".to_owned();
        for level in 0..30 {
            let before = char::from_digit(level, 36).unwrap().to_ascii_uppercase();
            symbol.push_str(&format!("S_IS{before}_S{before}_E"));
        }
        assert_eq!(demangle(&symbol), symbol);
        let short = &symbol[.."_Z1f1AIiiES_IS0_S0_E".len()];
        assert_eq!(
            demangle(short),
            "f(A<int, int>, A<A<int, int>, A<int, int> >)"
        );
        let long = "f".repeat(100_000);
        assert_eq!(demangle(&long), long);
        assert_eq!(demangle_shown(&long).chars().count(), MOST_SHOWN + 1);
        assert_eq!(demangle_shown("memcpy"), "memcpy");
    }
}
