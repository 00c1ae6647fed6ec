//! The command line's entry: everything else is in the library, so that tests reach it.

use std::process::ExitCode;

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mintreu::cli::main()
}
