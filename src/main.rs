//! The command line's entry: everything else is in the library, so that tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    mintreu::cli::main()
}
