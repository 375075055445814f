//! Makes the linker keep the allocator entry points of `src/counting/entry.rs` and export them from the executable,
//! so that plugins and the C library call them instead of the C library's own.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in [
        "malloc",
        "free",
        "calloc",
        "realloc",
        "reallocarray",
        "memalign",
        "aligned_alloc",
        "posix_memalign",
        "valloc",
        "pvalloc",
    ] {
        println!("cargo::rustc-link-arg-bins=-Wl,-u,{name}");
        println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={name}");
    }
}
