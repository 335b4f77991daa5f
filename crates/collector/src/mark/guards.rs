//! Guarded objects: what marking does with registrations of guardians.
//!
//! A registration is a slot with a key, its object, and no value. Marking passes the object by, and notes the slot if the object is white.
//! When a round of handshakes has proved that nothing else is reachable, the objects of the noted slots that are still white come back,
//! in two steps, so that what comes back does not depend on the order:
//!
//! 1. *Choose.* Each slot whose key is white gets the key as its value too. From then on it is a strong reference, and its guardian gives
//!    the object away.
//! 2. *Revive.* The objects are marked, and marking goes on from there, with ephemerons and another round at the end.
//!
//! Guardians that only such objects led to are found now, and their registrations are noted: then there is another such stage. Marking is
//! complete when a round was quiet and no slot is noted (G1). Weak references, ephemerons and cleanups come after that: to them, what
//! came back was never dead.
//!
//! A mutator that takes an object out of its slot between the two steps does so by a weak load: through the gate.

use crate::{heap::Core, mark::Entry, plant::Bug};
use mudlark_arena::sync::{AtomicU64, Mutex, Ordering};
use std::mem;

/// The slots of guardians that matter to a cycle.
#[derive(Debug, Default)]
pub(crate) struct Guards {
    /// Those with white keys.
    noted: Mutex<Vec<Vec<Entry>>>,
    /// Those whose objects are to be marked.
    chosen: Mutex<Vec<Vec<Entry>>>,
    /// Objects that came back since the heap was made.
    revived: AtomicU64,
}

impl Guards {
    /// Notes slots that a marker found. It still holds work.
    pub(crate) fn note(&self, entries: Vec<Entry>) {
        self.noted.lock().push(entries);
    }

    /// Notes slots whose objects come back: they have values now. The caller holds work.
    pub(crate) fn choose(&self, entries: Vec<Entry>) {
        let count = entries.len() as u64;
        self.chosen.lock().push(entries);
        // ORDERING: G2: Release pairs with the Acquire in `revived`: who sees the number sees the values.
        self.revived.fetch_add(count, Ordering::Release);
    }

    /// Forgets the cycle: it is given up.
    pub(crate) fn forget(&self) {
        self.noted.lock().clear();
        self.chosen.lock().clear();
    }
}

impl Core {
    /// The round is over: if it was quiet, and slots of guardians are noted, has them looked at. `true` then; marking goes on.
    pub(crate) fn begin_guard_stage(&self, round: u64) -> bool {
        let mut noted = self.guards.noted.lock();
        if noted.is_empty() || self.plants(Bug::GuardsMissed) || !self.queue.is_quiet(round) {
            return false;
        }
        self.queue.push_guards(mem::take(&mut *noted));
        true
    }

    /// Marking has run dry: has the chosen objects marked. `false` if there are none.
    pub(crate) fn begin_revival(&self) -> bool {
        let chosen = mem::take(&mut *self.guards.chosen.lock());
        if chosen.is_empty() || self.plants(Bug::RevivedUnmarked) {
            return false;
        }
        self.queue.push_revivals(chosen);
        true
    }

    /// Objects that came back from the dead since the heap was made. If the number is what it was, no guardian has more to give.
    pub fn revived(&self) -> u64 {
        // ORDERING: G2: Acquire pairs with the Release in `choose`.
        self.guards.revived.load(Ordering::Acquire)
    }
}
