//! The lock of a cell whose contents are more than a word: between the mutator that changes it and the marker.
//!
//! A marker must never read what a mutator is changing. So the first exclusive access in each stage of a
//! cycle takes the lock, shades all contents (they are the snapshot) and stamps the cell. A marker takes the same
//! lock to read, or finds the stamp of a closed mutator and has nothing to do: all contents were shaded, and
//! what was put in since is black or was shaded elsewhere. Stamps carry the stage, because what is put in after an
//! earlier stage's stamp and before the snapshot is nobody's work yet.

use mudlark_arena::sync::{AtomicU32, Ordering, thread};

/// Who may look at the contents of a cell. One word.
#[derive(Debug)]
pub struct MarkLock {
    /// A [`Stamp`], shifted by one, and the lock in the lowest bit.
    state: AtomicU32,
}

/// A stage of a cycle of one mutator; zero is before all of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stamp(u32);

impl Stamp {
    /// The stamp of the given stage (1 armed, 2 flushed, 3 closed) in a cycle.
    pub(crate) fn new(cycle: u64, stage: u32) -> Stamp {
        // 29 bits of cycle number: a stamp would have to outlive half a billion cycles to be taken for a new one.
        Stamp(((cycle as u32) << 2 | stage) & (u32::MAX >> 1))
    }
}

const LOCKED: u32 = 1;

impl Default for MarkLock {
    fn default() -> MarkLock {
        MarkLock::new()
    }
}

impl MarkLock {
    #[cfg(not(loom))]
    /// An open lock without a stamp.
    pub const fn new() -> MarkLock {
        MarkLock { state: AtomicU32::new(0) }
    }

    #[cfg(loom)]
    /// An open lock without a stamp.
    pub fn new() -> MarkLock {
        MarkLock { state: AtomicU32::new(0) }
    }

    /// Lets a marker of a cycle read the contents through `scan`, unless they were stamped in it by a closed mutator.
    ///
    /// Never waits: who holds the lock now is a closed mutator that shades all contents itself.
    pub(crate) fn scan(&self, closed: Stamp, scan: impl FnOnce()) {
        // ORDERING: Acquire pairs with the Release in `Held::drop`: contents written before an older stamp are seen.
        let state = self.state.load(Ordering::Acquire);
        if state & LOCKED != 0 || state >> 1 == closed.0 {
            return;
        }
        if self.state.compare_exchange(state, state | LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            let _held = Held { lock: self, after: state };
            scan();
        }
        // On failure a mutator came first, and shades.
    }

    /// Before an exclusive access in the stage `now`: shades the contents through `shade`, once per stage.
    ///
    /// Waits for a marker that is reading the contents, if one is.
    pub fn log(&self, now: Stamp, shade: impl FnOnce()) {
        let mut state = self.state.load(Ordering::Acquire);
        while state >> 1 != now.0 {
            if state & LOCKED != 0 {
                thread::yield_now();
                state = self.state.load(Ordering::Acquire);
                continue;
            }
            // ORDERING: Acquire pairs with the Release of the marker's `Held`: its reads are over.
            match self.state.compare_exchange(state, state | LOCKED, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => {
                    let _held = Held { lock: self, after: now.0 << 1 };
                    shade();
                    return;
                }
                Err(changed) => state = changed,
            }
        }
    }
}

/// Opens the lock when dropped, also when tracing unwinds.
struct Held<'a> {
    lock: &'a MarkLock,
    after: u32,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquires above.
        self.lock.state.store(self.after, Ordering::Release);
    }
}
