//! Ephemerons whose keys are white: what marking remembers of them, in time linear in their number.
//!
//! A marker that comes to a slot whose key is marked follows the value, as if it were any edge. Else it notes the slot, and goes on.
//!
//! | when | what happens |
//! |---|---|
//! | marking has run dry, and something was marked since the last look | all noted slots are looked at again: a *pass*. Those whose keys are still white are noted again |
//! | the same, for the third time in a cycle | they go into a table by key instead. From then on each object that is scanned, and each leaf that is marked, is looked up there, and so nothing is looked at twice: the cycle is *keyed* |
//! | marking has run dry, and nothing was marked since the last look | no slot with a marked key hides a white value: on to the round of handshakes |
//! | a round brought something | marking goes on as above |
//! | marking is complete | what is still noted has a dead key and is cleared, before any mutator disarms (W1) |
//!
//! Most slots need no second look, nearly all others one; chains, in which each value leads to the next key, are what the table is
//! for. To begin with it would cost several times as much per dead key, and slow the scan of everything else down.
//!
//! That nothing is lost between a look at the mark and the note: passes begin when no marker holds work, so whatever was marked by then
//! is seen; what is marked later makes for another pass. In the table, the mark is looked at and the slot noted in one critical
//! section of the shard; who marks a key looks there afterwards (P3).

use crate::{ephemeron::EphemeronSlot, heap::Core, mark::MarkQueue, plant::Bug};
use hashbrown::{HashMap, hash_map};
use mudlark_arena::sync::{AtomicBool, AtomicU64, Mutex, Ordering::Relaxed};
use std::{mem, ptr::NonNull};

/// Slots that are looked at, noted or cleared at once.
pub(crate) const BATCH_LEN: usize = 256;
/// Passes over all noted slots before the table is built.
const PLAIN_PASSES_MAX: u32 = 2;
const SHARDS: usize = 16;
/// Keys in the first level of a shard; each further level has twice as many.
const LEVEL_KEYS_LEAST: usize = 64;

/// A slot that was met in the current cycle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(NonNull<EphemeronSlot>);

// SAFETY: P1: slots are atomic, and lie in objects that are marked: they stay in place until the cycle is over.
unsafe impl Send for Entry {}

impl Entry {
    /// # Safety
    ///
    /// P1: the slot lies in an object of the heap that was shown to a marker in this cycle, and is forgotten with the cycle.
    pub(crate) unsafe fn of(slot: &EphemeronSlot) -> Entry {
        Entry(NonNull::from(slot))
    }

    pub(crate) fn slot(&self) -> &EphemeronSlot {
        // SAFETY: P1: promised to `of`.
        unsafe { self.0.as_ref() }
    }
}

/// Slots that wait for one key.
#[derive(Debug)]
enum Waiting {
    One(Entry),
    Many(Vec<Entry>),
}

/// A part of the table. Levels never grow, so that an insertion is never followed by a long rehash: when the last is full, a larger
/// one begins.
#[derive(Debug, Default)]
struct Shard {
    levels: Vec<HashMap<usize, Waiting>>,
}

impl Shard {
    fn insert(&mut self, key: NonNull<u8>, entry: Entry) {
        let is_full = |level: &HashMap<usize, Waiting>| level.len() == level.capacity();
        if self.levels.last().is_none_or(is_full) {
            self.levels.push(HashMap::with_capacity(LEVEL_KEYS_LEAST << self.levels.len()));
        }
        let Some(level) = self.levels.last_mut() else { return };
        match level.entry(key.addr().get()) {
            hash_map::Entry::Vacant(vacant) => _ = vacant.insert(Waiting::One(entry)),
            hash_map::Entry::Occupied(mut occupied) => match occupied.get_mut() {
                Waiting::Many(entries) => entries.push(entry),
                Waiting::One(first) => {
                    let first = *first;
                    occupied.insert(Waiting::Many(vec![first, entry]));
                }
            },
        }
    }

    /// Takes what waits for a key into `found`; all of it at once, if it is much, goes to `queue`.
    fn take(&mut self, key: usize, found: &mut Vec<Entry>, queue: &MarkQueue) {
        for level in &mut self.levels {
            match level.remove(&key) {
                None => {}
                Some(Waiting::One(entry)) => found.push(entry),
                Some(Waiting::Many(entries)) => queue.push_ephemerons([entries]),
            }
        }
    }
}

/// The slots with white keys that a cycle has met.
#[derive(Debug, Default)]
pub(crate) struct Ephemerons {
    /// Those that wait for the next pass; in a keyed cycle none.
    noted: Mutex<Vec<Vec<Entry>>>,
    shards: [Mutex<Shard>; SHARDS],
    /// Something was marked since the last pass began. Set by markers that hold work.
    stirred: AtomicBool,
    /// A level whose slots are being cleared.
    clearing: Mutex<Option<hash_map::IntoIter<usize, Waiting>>>,
    /// Passes in this cycle.
    passes: Mutex<u32>,
    /// Looks at slots since the heap was made: what linear time is measured by.
    looks: AtomicU64,
    /// Slots that were cleared.
    cleared: AtomicU64,
}

impl Ephemerons {
    /// Notes slots that a marker found. It still holds work, so that marking does not run dry before they are here.
    pub(crate) fn note(&self, entries: Vec<Entry>) {
        self.noted.lock().push(entries);
    }

    /// Something was marked. The caller holds work.
    pub(crate) fn stir(&self) {
        if !self.stirred.load(Relaxed) {
            self.stirred.store(true, Relaxed);
        }
    }

    pub(crate) fn add_looks(&self, looks: u64) {
        self.looks.fetch_add(looks, Relaxed);
    }

    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Relaxed)
    }

    /// Slots that were cleared since the heap was made. If the number is what it was, no map has lost an entry.
    pub(crate) fn cleared(&self) -> u64 {
        self.cleared.load(Relaxed)
    }

    /// Keeps a slot until its key is marked: `true`; or finds that it is: `false` (P3).
    pub(crate) fn wait_for(&self, key: NonNull<u8>, entry: Entry, is_marked: impl FnOnce() -> bool) -> bool {
        // One critical section: who marks the key from now on looks it up after this, or is seen here.
        let mut shard = self.shard(key.addr().get()).lock();
        let waits = !is_marked();
        if waits {
            shard.insert(key, entry);
        }
        waits
    }

    /// An object was marked: takes the slots that wait for it.
    pub(crate) fn take(&self, key: NonNull<u8>, found: &mut Vec<Entry>, queue: &MarkQueue) {
        let key = key.addr().get();
        self.shard(key).lock().take(key, found, queue);
    }

    fn shard(&self, key: usize) -> &Mutex<Shard> {
        // Cells of one type lie at regular distances.
        let mixed = (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        &self.shards[mixed as usize % SHARDS]
    }

    /// Forgets everything: the cycle is given up, or over.
    pub(crate) fn forget(&self) {
        self.noted.lock().clear();
        for shard in &self.shards {
            shard.lock().levels.clear();
        }
        *self.clearing.lock() = None;
        *self.passes.lock() = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.noted.lock().is_empty()
            && self.clearing.lock().is_none()
            && self.shards.iter().all(|shard| shard.lock().levels.is_empty())
    }

    /// Some of what is left when marking is complete.
    fn take_dead(&self) -> Option<Vec<Entry>> {
        if let Some(entries) = self.noted.lock().pop() {
            return Some(entries);
        }
        let mut clearing = self.clearing.lock();
        if clearing.is_none() {
            let level = self.shards.iter().find_map(|shard| shard.lock().levels.pop());
            *clearing = level.map(HashMap::into_iter);
        }
        let level = clearing.as_mut()?;
        let mut entries = Vec::new();
        for (_, waiting) in level.take(BATCH_LEN) {
            match waiting {
                Waiting::One(entry) => entries.push(entry),
                Waiting::Many(many) => entries.extend(many),
            }
        }
        if level.len() == 0 {
            *clearing = None;
        }
        Some(entries)
    }
}

impl Core {
    /// Marking has run dry: has noted slots looked at again, if anything was marked since they were. `false` if not; then every slot that
    /// was met and whose key is marked has its value marked.
    pub(crate) fn begin_ephemeron_pass(&self) -> bool {
        let ephemerons = &self.ephemerons;
        let mut noted = ephemerons.noted.lock();
        let is_due = ephemerons.stirred.swap(false, Relaxed) && !noted.is_empty();
        let mut passes = ephemerons.passes.lock();
        if !is_due || self.plants(Bug::EphemeronOnce) && *passes > 0 {
            return false;
        }
        *passes += 1;
        // Before the work is there: who takes it knows, and nobody else holds any (P3).
        self.queue.set_keyed(*passes > PLAIN_PASSES_MAX);
        self.queue.push_ephemerons(mem::take(&mut *noted));
        true
    }

    /// Behind the end of marking: clears slots whose keys are dead, some of those that are left. `false` when none was left.
    pub(crate) fn clear_ephemeron_batch(&self) -> bool {
        let Some(entries) = self.ephemerons.take_dead() else {
            self.ephemerons.forget();
            return false;
        };
        let marks = self.arena.marks(self.arena.filling_side());
        let mut cleared = 0;
        for entry in entries {
            let Some(key) = entry.slot().peek_key() else { continue };
            // SAFETY: C2: the key is an object of this heap: it was one when the cycle began, or is held now; nothing was swept since.
            if !unsafe { marks.is_marked(key.as_ptr()) } && !self.plants(Bug::EphemeronNotCleared) {
                entry.slot().clear(key);
                cleared += 1;
            }
        }
        self.ephemerons.cleared.fetch_add(cleared, Relaxed);
        true
    }

    /// Slots of ephemerons that were cleared since the heap was made.
    pub fn ephemerons_cleared(&self) -> u64 {
        self.ephemerons.cleared()
    }
}
