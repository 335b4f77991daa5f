//! What can be wrong with a simulation that is asked for.

use std::path::PathBuf;

use mudlark_sim::reference::{EndlessCycle, InputError};

/// Why there is no simulation. Another command line, or another file, helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// No scenario has this name.
    #[error("cannot simulate `{name}`: there is no such scenario; `mudlark sim --list` names them")]
    NoScenario {
        /// The name.
        name: String,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no scenario.
    #[error("{}: {source}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Why.
        source: InputError,
    },
    /// The scenario of a file has no end.
    #[error("{}: {source}", path.display())]
    Endless {
        /// The file.
        path: PathBuf,
        /// Which cycle.
        source: EndlessCycle,
    },
    /// More cycles than the file has.
    #[error("cannot run {asked} cycles of {}: its series end after {found}; lower --cycles", path.display())]
    ShortFile {
        /// The file.
        path: PathBuf,
        /// The cycles asked for.
        asked: u64,
        /// Those that it has.
        found: usize,
    },
    /// A sweep of a file.
    #[error("cannot sweep with --file: the file sets the knobs; leave --sweep out, or name a scenario")]
    SweepOfFile,
    /// Several policies for a file.
    #[error("cannot compare policies with --file: give one --policy, or name a scenario")]
    PoliciesOfFile,
    /// The simulation ends before the cycle.
    #[error("cannot explain cycle {asked}: the simulation ends after {last} cycles")]
    NoCycle {
        /// The cycle.
        asked: u64,
        /// How many there are.
        last: u64,
    },
}
