//! The bell by which the background thread that drives cycles is woken.
//!
//! It has a lock of its own. That thread takes the lock again when it wakes; were it the mark queue's, the mutator that rang would meet it
//! there a moment later, at its safepoint, and one of the two would have to sleep.

use mudlark_arena::sync::{Condvar, Mutex};
use std::time::Duration;

#[derive(Debug, Default)]
struct State {
    rings: u64,
    /// Somebody waits for more rings than these.
    waits_since: Option<u64>,
}

/// A bell for one listener.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    rang: Condvar,
}

impl Bell {
    /// Wakes the listener, to look around.
    pub(crate) fn ring(&self) {
        let wakes = {
            let mut state = self.state.lock();
            state.rings += 1;
            // Waking takes microseconds, even of a thread that was woken already and has no core yet.
            state.waits_since == Some(state.rings - 1)
        };
        if wakes {
            self.rang.notify_all();
        }
    }

    /// The rings so far. To be read before the listener looks around, so that none is missed in between.
    pub(crate) fn rings(&self) -> u64 {
        self.state.lock().rings
    }

    /// Waits until somebody rang since `seen`, or for `limit` if there is one.
    pub(crate) fn wait(&self, seen: u64, limit: Option<Duration>) {
        let mut state = self.state.lock();
        state.waits_since = Some(seen);
        while state.rings == seen {
            match limit {
                None => state = self.rang.wait(state),
                Some(limit) => {
                    self.rang.wait_at_most(state, limit);
                    state = self.state.lock();
                    break;
                }
            }
        }
        state.waits_since = None;
    }
}
