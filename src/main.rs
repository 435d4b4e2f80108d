//! The `godwit` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    godwit::cli::dispatch::main().into()
}
