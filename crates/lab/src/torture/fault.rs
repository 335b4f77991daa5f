//! What a torture can find.

use std::fmt;

/// Something that is not what the shadow says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The thread that found it; `None` at the end of the run, when the threads are gone.
    pub thread: Option<usize>,
    /// How many operations the thread had begun.
    pub op: u64,
    /// The seed of the run.
    pub seed: u64,
    /// What was expected, and what is the case.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, op, seed, what } = self;
        match thread {
            Some(thread) => write!(f, "thread {thread}, operation {op}, seed {seed}: {what}"),
            None => write!(f, "after the run, seed {seed}: {what}"),
        }
    }
}

/// Why an operation ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Snag {
    /// The heap and the shadow differ.
    Wrong(String),
    /// The heap is full: no fault, the graph must shrink.
    Full,
}

impl From<String> for Snag {
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}
