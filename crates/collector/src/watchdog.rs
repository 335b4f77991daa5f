//! The watchdog: tells of mutators that stay in a scope although a cycle waits for its end.
//!
//! Nothing is wrong with such a scope, and nobody but the cycle waits for it. But memory grows meanwhile, and from the outside it looks
//! like a collector that does not collect.

use crate::{heap::Core, sweeper::contain};
use mudlark_arena::sync::{AtomicU64, Ordering::Relaxed};
use std::{fmt, panic::Location, time::Duration};

/// A scope whose end a cycle has been waiting for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StuckScope {
    /// How long the cycle has waited.
    pub waited: Duration,
    /// Where the scope was entered.
    pub entered_at: &'static Location<'static>,
    /// The number of the cycle.
    pub cycle: u64,
    /// What it waits with.
    pub handshake: &'static str,
}

impl fmt::Display for StuckScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StuckScope { waited, entered_at, cycle, handshake } = self;
        write!(
            f,
            "cycle {cycle} has waited for {waited:.1?} (handshake {handshake}) for the end of the scope that was entered at \
             {entered_at}; enter shorter scopes"
        )
    }
}

/// When to tell, and whom.
pub struct Watchdog {
    after: Duration,
    tell: Box<dyn Fn(&StuckScope) + Send + Sync>,
    /// The request (by its time) that was told of last.
    told_of: AtomicU64,
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").field("after", &self.after).finish_non_exhaustive()
    }
}

impl Watchdog {
    /// Calls `tell` for each scope that a handshake has waited for longer than `after`, once per handshake. It is called on a
    /// background thread (without any: on a thread that waits for a cycle) and must not use the heap; a panic in it is
    /// contained.
    pub fn new(after: Duration, tell: impl Fn(&StuckScope) + Send + Sync + 'static) -> Watchdog {
        Watchdog { after, tell: Box::new(tell), told_of: AtomicU64::new(0) }
    }

    /// How long whoever watches may sleep.
    pub(crate) fn interval(&self) -> Duration {
        (self.after / 4).max(Duration::from_millis(1))
    }
}

impl Core {
    /// Tells the watchdog, if there is something to tell.
    pub(crate) fn watch(&self) {
        let Some(watchdog) = &self.watchdog else { return };
        let stuck: Vec<StuckScope> = {
            // Handshakes are requested under this lock, so all of this is about the same one.
            let registry = self.registry.lock();
            let Some((request, waited)) = self.handshake_wait() else { return };
            if waited < watchdog.after || watchdog.told_of.swap(request, Relaxed) == request {
                return;
            }
            let (handshake, cycle) = (self.current_handshake().name(), self.cycle_number());
            let scopes = registry.mutators.iter().filter_map(|mutator| mutator.unacknowledged_scope());
            scopes.map(|entered_at| StuckScope { waited, entered_at, cycle, handshake }).collect()
        };
        for scope in &stuck {
            contain(|| (watchdog.tell)(scope));
        }
    }
}
