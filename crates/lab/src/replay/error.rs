//! What can be wrong with a replay.

use mudlark::HeapError;

/// Why there is no replay, or no good one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// No scenario has this name.
    #[error("cannot replay `{name}`: there is no such scenario; `mudlark sim --list` names them")]
    NoScenario {
        /// The name.
        name: String,
    },
    /// A real program cannot follow the scenario.
    #[error("cannot replay `{name}` on a real heap: it has {what}; simulate it with `mudlark sim {name}`")]
    NotReal {
        /// The scenario.
        name: String,
        /// What is in the way.
        what: &'static str,
    },
    /// The scenario has no verdicts.
    #[error("cannot check `{name}`: nothing is promised of it; leave --check out, or check one of {known}")]
    NoChecks {
        /// The scenario.
        name: String,
        /// Those that have.
        known: String,
    },
    /// The machine has more or fewer cores than verdicts are made for.
    #[error(
        "cannot check on {cores} cores: the scenarios are made for 2; confine the command to two, with `taskset -c 0,1`"
    )]
    Cores {
        /// The cores.
        cores: u32,
    },
    /// Timing of an unoptimized build says nothing.
    #[error("cannot check an unoptimized build: its timing says nothing; build with --release")]
    Unoptimized,
    /// The heap could not be made.
    #[error("cannot make the heap: {0}; free some memory, or allow the process more of it")]
    Heap(#[from] HeapError),
    /// The heap was full.
    #[error(
        "cannot finish `{name}`: the system gives the heap no more memory; free some, or take another scenario"
    )]
    HeapFull {
        /// The scenario.
        name: String,
    },
    /// Data in the heap is not what was stored.
    #[error(
        "`{name}` found {found} links of {expected} in its live set; this is a bug of the heap, please report it"
    )]
    Damaged {
        /// The scenario.
        name: String,
        /// Links that there were,
        found: usize,
        /// and should be.
        expected: usize,
    },
    /// A verdict is bad.
    #[error(
        "{failed} of {checked} checks failed; the lines above say which, and by how much; \
         if they name other processes, measure again when these are gone"
    )]
    Failed {
        /// Checks that failed.
        failed: usize,
        /// All of them.
        checked: usize,
    },
}

impl ReplayError {
    /// Whether another command line helps.
    pub(crate) const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::NoScenario { .. }
                | Self::NotReal { .. }
                | Self::NoChecks { .. }
                | Self::Cores { .. }
                | Self::Unoptimized
        )
    }
}
