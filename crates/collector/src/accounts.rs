//! Bytes: what is live now, estimated from what was marked and what was allocated since.
//!
//! Counted when a region is taken, not per object, so the estimate runs ahead of the truth by the open regions; what
//! a region did not use is taken back when it is retired.

use mudlark_arena::{
    Birth,
    sync::{AtomicU64, Ordering::Relaxed},
};

/// The heap's bytes. All accesses are relaxed: nothing is read through them.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    /// Bytes of regions and large objects handed to mutators since birth.
    allocated: AtomicU64,
    /// Objects in retired regions since birth, and large ones.
    objects: AtomicU64,
    /// Bytes handed out black since the cycle began.
    black: AtomicU64,
    /// Bytes marked by markers since the cycle began.
    marked: AtomicU64,
    /// Objects marked by markers since the cycle began.
    marked_objects: AtomicU64,
    /// Objects that each of the last two cycles marked, plus one; zero where there was none.
    last_objects: [AtomicU64; 2],
    /// Bytes marked by background threads that no allocation was charged against yet.
    credit: AtomicU64,
    /// `allocated` minus this is the live estimate.
    dead: AtomicU64,
}

impl Accounts {
    /// Bytes of a new region or large object.
    pub(crate) fn take(&self, bytes: u64, birth: Birth) {
        self.allocated.fetch_add(bytes, Relaxed);
        if birth == Birth::Black {
            self.black.fetch_add(bytes, Relaxed);
        }
    }

    /// Bytes that a retired region did not use.
    pub(crate) fn untake(&self, bytes: u64, birth: Birth) {
        if bytes == 0 {
            return;
        }
        self.allocated.fetch_sub(bytes, Relaxed);
        if birth == Birth::Black {
            self.black.fetch_sub(bytes, Relaxed);
        }
    }

    pub(crate) fn note_objects(&self, objects: u64) {
        self.objects.fetch_add(objects, Relaxed);
    }

    pub(crate) fn note_marked(&self, bytes: u64, objects: u64) {
        self.marked.fetch_add(bytes, Relaxed);
        self.marked_objects.fetch_add(objects, Relaxed);
    }

    /// Work that nobody was charged for: assists need not do it again.
    pub(crate) fn earn_credit(&self, bytes: u64) {
        self.credit.fetch_add(bytes, Relaxed);
    }

    /// Uses up to `bytes` of credit; returns how much.
    pub(crate) fn use_credit(&self, bytes: u64) -> u64 {
        let before = self.credit.fetch_update(Relaxed, Relaxed, |credit| Some(credit.saturating_sub(bytes)));
        before.unwrap_or(0).min(bytes)
    }

    /// Before the first handshake of a cycle.
    pub(crate) fn begin_cycle(&self) {
        self.credit.store(0, Relaxed);
        self.black.store(0, Relaxed);
        self.marked.store(0, Relaxed);
        self.marked_objects.store(0, Relaxed);
    }

    /// At the flip: what was neither marked nor born black is dead. Returns the live bytes.
    pub(crate) fn finish_cycle(&self) -> u64 {
        let marked = self.marked.load(Relaxed);
        let [last, before] = &self.last_objects;
        before.store(last.load(Relaxed), Relaxed);
        last.store(self.marked_objects.load(Relaxed) + 1, Relaxed);
        let live = marked + self.black.load(Relaxed);
        self.dead.store(self.allocated.load(Relaxed).saturating_sub(live), Relaxed);
        live
    }

    /// Bytes marked by markers in this cycle so far.
    pub(crate) fn marked(&self) -> u64 {
        self.marked.load(Relaxed)
    }

    /// The most objects that one of the last two cycles marked: what the next one is expected to. `None` before the second.
    pub(crate) fn expected_objects(&self) -> Option<u64> {
        let [last, before] = &self.last_objects;
        let (last, before) = (last.load(Relaxed).checked_sub(1)?, before.load(Relaxed).checked_sub(1)?);
        Some(last.max(before))
    }

    /// Bytes believed to be live.
    pub(crate) fn live(&self) -> u64 {
        self.allocated.load(Relaxed).saturating_sub(self.dead.load(Relaxed))
    }

    /// Bytes allocated since birth.
    pub(crate) fn allocated(&self) -> u64 {
        self.allocated.load(Relaxed)
    }

    /// Objects allocated since birth, as far as regions are retired.
    pub(crate) fn objects(&self) -> u64 {
        self.objects.load(Relaxed)
    }
}
