//! Readable names of functions.

/// Demangles a Rust symbol, without the hash that may change with every build, or a C++ symbol.
/// Returns other symbols unchanged.
pub(super) fn demangle(symbol: &str) -> String {
    if let Ok(name) = rustc_demangle::try_demangle(symbol) {
        return format!("{name:#}");
    }
    let options = cpp_demangle::DemangleOptions::new().no_return_type();
    let name = cpp_demangle::Symbol::new(symbol)
        .ok()
        .and_then(|name| name.demangle_with_options(&options).ok());
    name.unwrap_or_else(|| symbol.to_owned())
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
}
