//! External bytes: memory outside of the heap that objects hold, such as buffers.
//!
//! They count into what is live and into goals, so a program with small objects and large buffers is collected in time.
//! But a burst of them must not leave a debt behind: what counts between two cycles is at most the room of one, the way
//! from live to goal. So a burst makes one cycle begin at once, which assists pay for once, and the next plan goes by
//! what is still there. OCaml's pacing had the bug that this rule excludes: bursts that took many cycles to repay.

use super::units::Bytes;

/// External bytes since the last cycle.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct External {
    /// What live objects held at the end of the last cycle.
    held: Bytes,
    /// Acquired since then.
    born: Bytes,
    /// Given up since then.
    gone: Bytes,
    /// The most that counts beyond `held`.
    room: Bytes,
}

impl External {
    /// A cycle is complete: objects hold so many bytes, and the next cycle has this much room.
    pub fn restart(&mut self, held: Bytes, room: Bytes) {
        *self = External { held, born: Bytes::ZERO, gone: Bytes::ZERO, room };
    }

    /// An object acquired memory.
    pub fn acquire(&mut self, bytes: Bytes) {
        self.born += bytes;
    }

    /// An object gave memory up, by itself or because it died.
    pub fn give_up(&mut self, bytes: Bytes) {
        self.gone += bytes;
    }

    /// What is really held: this counts against the memory limit.
    pub fn held(&self) -> Bytes {
        self.held + self.born - self.gone
    }

    /// What live objects held at the end of the last cycle.
    pub fn held_at_end(&self) -> Bytes {
        self.held
    }

    /// What counts in the live estimate: at most the room of a cycle more than there was at its begin.
    pub fn counted(&self) -> Bytes {
        External::counted_of(self.held, self.held(), self.room)
    }

    /// The same for callers that keep the sums themselves.
    pub fn counted_of(held_before: Bytes, held_now: Bytes, room: Bytes) -> Bytes {
        held_now.min(held_before + room)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: a burst is worth one cycle, and forgotten. Method: ten times the room at once.
    #[test]
    fn a_burst_counts_for_one_cycle() {
        let mut external = External::default();
        external.restart(Bytes(100), Bytes(50));
        external.acquire(Bytes(20));
        assert_eq!((external.held(), external.counted()), (Bytes(120), Bytes(120)));
        external.acquire(Bytes(500));
        assert_eq!((external.held(), external.counted()), (Bytes(620), Bytes(150)));
        external.give_up(Bytes(600));
        assert_eq!((external.held(), external.counted()), (Bytes(20), Bytes(20)));
        external.restart(Bytes(20), Bytes(50));
        assert_eq!(external.counted(), Bytes(20));
    }
}
