//! The build script of the crate around a bench file: gives the file the variables of the package
//! to which it belongs, as `cargo bench` does. `orch` writes them into the file `variables`.

fn main() {
    println!("cargo:rerun-if-changed=variables");
    let variables = std::fs::read_to_string("variables").expect("orch wrote the file");
    for variable in variables.lines() {
        println!("cargo:rustc-env={variable}");
    }
}
