//! The program `orch`: everything is in the library.

fn main() -> std::process::ExitCode {
    orch::main()
}
