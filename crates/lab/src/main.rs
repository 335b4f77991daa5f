//! The command `mudlark`: see `mudlark --help`, and the library `mudlark_lab` for what is behind it.

use std::process::ExitCode;

use clap::Parser as _;
use mudlark_lab::args::Cli;

/// Both heaps live in the same binary, so the hand-freed versions and everything around the collected
/// ones use the same, good allocator. Not under sanitizers, which watch the one of the system.
#[cfg(not(any(mudlark_asan, mudlark_tsan)))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match mudlark_lab::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
