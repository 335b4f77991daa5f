//! The census of payloads: each is dropped exactly once, and none while something leads to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::node::{Id, Kind, word};

/// The sums of all payloads of a run. Two sums that agree say that the same payloads were made and dropped.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    made: Sums,
    dropped: Sums,
    /// Payloads whose drop found them dropped or overwritten.
    bad_drops: AtomicU64,
}

#[derive(Debug, Default)]
struct Sums {
    count: AtomicU64,
    words: AtomicU64,
}

impl Sums {
    fn add(&self, word: u64) {
        self.count.fetch_add(1, Relaxed);
        // Wraps around.
        self.words.fetch_add(word, Relaxed);
    }

    fn get(&self) -> (u64, u64) {
        (self.count.load(Relaxed), self.words.load(Relaxed))
    }
}

/// A payload with memory of its own, whose drop is counted.
#[derive(Debug)]
pub(super) struct Ticket {
    id: Id,
    /// The number among those of its object.
    place: u64,
    /// Emptied by the drop, before the memory can be anything else.
    state: AtomicU64,
    boxed: Box<u64>,
    ledger: Arc<Ledger>,
}

impl Ledger {
    pub(super) fn ticket(self: &Arc<Self>, id: Id, place: usize) -> Ticket {
        let place = place as u64;
        let word = ticket_word(id, place);
        self.made.add(word);
        Ticket { id, place, state: AtomicU64::new(word), boxed: Box::new(!word), ledger: Arc::clone(self) }
    }

    pub(super) fn made(&self) -> u64 {
        self.made.get().0
    }

    /// Compares what was made with what was dropped.
    pub(super) fn check(&self) -> Result<(), String> {
        let (made, dropped, bad) = (self.made.get(), self.dropped.get(), self.bad_drops.load(Relaxed));
        if bad > 0 {
            return Err(format!("{bad} payloads were dropped a second time, or after they were overwritten"));
        }
        if made != dropped {
            let (made, dropped) = (made.0, dropped.0);
            return Err(format!("{made} payloads were made, and {dropped} or others of them dropped"));
        }
        Ok(())
    }
}

impl Ticket {
    pub(super) fn intact(&self, id: Id, place: usize) -> Result<(), String> {
        let word = ticket_word(id, place as u64);
        let state = self.state.load(Relaxed);
        if state == 0 {
            return Err(format!("payload {place} of {id} was dropped while something leads to it"));
        }
        if self.id != id || self.place != place as u64 || state != word || *self.boxed != !word {
            return Err(format!("payload {place} of {id} is that of {} and holds {state:#x}", self.id));
        }
        Ok(())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let word = ticket_word(self.id, self.place);
        if self.state.swap(0, Relaxed) != word || *self.boxed != !word {
            self.ledger.bad_drops.fetch_add(1, Relaxed);
        }
        self.ledger.dropped.add(word);
    }
}

/// Never zero.
fn ticket_word(id: Id, place: u64) -> u64 {
    word(id, Kind::Keg) ^ (place << 1) | 1
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Id, Ledger};

    #[test]
    fn a_payload_that_is_not_dropped_is_missed() {
        let ledger = Arc::<Ledger>::default();
        let (one, two) = (ledger.ticket(Id::of(1), 0), ledger.ticket(Id::of(2), 3));
        drop(one);
        assert!(ledger.check().unwrap_err().contains("2 payloads were made, and 1"));
        assert!(two.intact(Id::of(2), 3).is_ok() && two.intact(Id::of(2), 2).is_err());
        drop(two);
        assert_eq!(ledger.check(), Ok(()));
    }
}
