//! What weak maps and interners are made of: slots that stay where they are, and an index of hashes.
//!
//! ```text
//!   slots      [8] [16] [32] …          slices in the heap: traced, and cleared by the collector
//!   index      (hash, slot number) …    plain memory: neither traced nor looked at by any other thread
//!   free       slot numbers
//! ```
//!
//! A slot in use has one entry in the index, a free one none. When the collector clears a slot, its entry stays behind, and is not
//! found any more; *purging* takes such entries out and frees their slots. That happens when the slots are used up, and when about
//! half of the entries are of that kind, which is estimated when the heap says that something was cleared. Once three quarters
//! of the slots are free, the pairs move to fewer segments, but not while the mutator is closed (P2).
//!
//! Not `Sync`: one thread's mutators use it. No function calls out while the state is borrowed.

use crate::{
    ephemeron::Slot,
    error::AllocError,
    scope::Scope,
    slots::Slots,
    trace::{Trace, Visitor},
};
use mudlark_collector::EphemeronSlot;
use std::{cell::RefCell, mem};

/// A table with fewer slots stays as it is.
const SHRINK_SLOTS_MIN: usize = 64;
/// Slots that are looked at to estimate how many are cleared.
const SAMPLE: usize = 64;

/// Slots and their index.
pub(crate) struct WeakTable<'gc> {
    slots: Slots<'gc, Slot<'gc>>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    index: Index,
    free: Vec<u32>,
    /// Slots that were ever used since the segments are what they are.
    used: usize,
    /// Slots that exist.
    capacity: usize,
    /// The number of cleared slots of the heap when this table was last looked at, and last purged.
    seen: u64,
    purged: u64,
}

impl<'gc> WeakTable<'gc> {
    pub(crate) fn new() -> WeakTable<'gc> {
        WeakTable { slots: Slots::new(), state: RefCell::default() }
    }

    fn slot(&self, slot: u32) -> &'gc EphemeronSlot {
        &self.slots.get(slot).expect("slots in use exist").slot
    }

    /// The first slot with this hash that `is_it` takes.
    pub(crate) fn find(
        &self,
        hash: u64,
        mut is_it: impl FnMut(&'gc EphemeronSlot) -> bool,
    ) -> Option<&'gc EphemeronSlot> {
        let state = self.state.borrow();
        state.index.with_hash(hash).map(|slot| self.slot(slot)).find(|slot| is_it(slot))
    }

    /// A free slot, and its number for [`WeakTable::enter`]; or for nobody, if the caller does not use it after all.
    pub(crate) fn reserve(&self, cx: &Scope<'gc>) -> Result<Reserved<'gc>, AllocError<()>> {
        self.settle(cx);
        let number = match self.take_free() {
            Some(number) => number,
            None => {
                self.make_room(cx)?;
                self.take_free().expect("there is room now")
            }
        };
        Ok(Reserved { number, slot: self.slot(number) })
    }

    fn take_free(&self) -> Option<u32> {
        let mut state = self.state.borrow_mut();
        if let Some(slot) = state.free.pop() {
            return Some(slot);
        }
        let is_room = state.used < state.capacity;
        state.used += usize::from(is_room);
        is_room.then(|| state.used as u32 - 1)
    }

    /// Puts a slot that was filled into the index.
    pub(crate) fn enter(&self, hash: u64, reserved: &Reserved<'gc>) {
        self.state.borrow_mut().index.insert(hash, reserved.number);
    }

    /// Takes the slot that `is_it` takes out of the index, and has `empty` free it.
    pub(crate) fn remove<R>(
        &self,
        cx: &Scope<'gc>,
        hash: u64,
        is_it: impl Fn(&EphemeronSlot) -> bool,
        empty: impl FnOnce(&EphemeronSlot) -> R,
    ) -> Option<R> {
        let removed = {
            let mut state = self.state.borrow_mut();
            let slot = state.index.remove(hash, |slot| is_it(self.slot(slot)))?;
            let removed = empty(self.slot(slot));
            state.free.push(slot);
            removed
        };
        self.settle(cx);
        Some(removed)
    }

    /// All slots, in order of their numbers. Slots may be filled and emptied meanwhile.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &'gc EphemeronSlot> {
        let used = self.state.borrow().used;
        (0..used).map_while(|slot| self.slots.get(slot as u32)).map(|slot| &slot.slot)
    }

    /// Forgets all pairs.
    pub(crate) fn clear(&self, cx: &Scope<'gc>) {
        self.slots.clear(cx);
        *self.state.borrow_mut() = State::default();
    }

    /// Slots that exist: for tests.
    pub(crate) fn capacity(&self) -> usize {
        self.state.borrow().capacity
    }

    fn make_room(&self, cx: &Scope<'gc>) -> Result<(), AllocError<()>> {
        let cleared = cx.core().ephemerons_cleared();
        if self.state.borrow().purged != cleared {
            self.purge(cleared);
            let state = self.state.borrow();
            // Else the next purge would come too soon to be paid for.
            if state.free.len() > state.capacity / 4 {
                return Ok(());
            }
        }
        let capacity = self.slots.grow(cx)?;
        self.state.borrow_mut().capacity = capacity;
        Ok(())
    }

    /// Takes entries of cleared slots out of the index.
    fn purge(&self, cleared: u64) {
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        (state.seen, state.purged) = (cleared, cleared);
        let mut freed = Vec::new();
        state.index.retain(|slot| {
            let is_used = self.slot(slot).peek_key().is_some();
            if !is_used {
                freed.push(slot);
            }
            is_used
        });
        state.free.append(&mut freed);
    }

    /// Before or after a change: purges and shrinks if it pays.
    fn settle(&self, cx: &Scope<'gc>) {
        let cleared = cx.core().ephemerons_cleared();
        if self.state.borrow().seen != cleared {
            self.state.borrow_mut().seen = cleared;
            if self.is_half_cleared() {
                self.purge(cleared);
            }
        }
        let state = self.state.borrow();
        let is_sparse = state.capacity > SHRINK_SLOTS_MIN && state.index.len() < state.capacity / 4;
        drop(state);
        if is_sparse && !cx.local().is_closed() {
            // Without memory for fewer segments the old ones stay.
            let _ = self.shrink(cx);
        }
    }

    /// An estimate.
    fn is_half_cleared(&self) -> bool {
        let state = self.state.borrow();
        if state.used == 0 {
            return false;
        }
        let step = state.used.div_ceil(SAMPLE);
        let sampled = (0..state.used).step_by(step);
        let (sample, live) = sampled.fold((0, 0), |(sample, live), slot| {
            (sample + 1, live + usize::from(self.slot(slot as u32).peek_key().is_some()))
        });
        live * state.used < state.index.len() / 2 * sample
    }

    /// Moves all pairs to new segments with room for twice as many.
    fn shrink(&self, cx: &Scope<'gc>) -> Result<(), AllocError<()>> {
        let new = self.slots.prepare(cx, self.state.borrow().index.len() * 2)?;
        if new.capacity >= self.state.borrow().capacity {
            return Ok(());
        }
        let mut state = self.state.borrow_mut();
        let mut index = Index::default();
        let mut used = 0;
        for (hash, slot) in state.index.entries() {
            let from = self.slot(slot);
            if from.peek_key().is_some() {
                // SAFETY: P2: the caller asked; only this thread's mutators are at the table.
                unsafe { cx.local().copy_ephemeron(from, &new.get(used).slot) };
                index.insert(hash, used);
                used += 1;
            }
        }
        let (seen, purged) = (state.seen, state.purged);
        *state = State { index, free: Vec::new(), used: used as usize, capacity: new.capacity, seen, purged };
        drop(state);
        self.slots.replace(cx, &new);
        Ok(())
    }
}

/// A slot that nobody uses yet.
pub(crate) struct Reserved<'gc> {
    number: u32,
    pub(crate) slot: &'gc EphemeronSlot,
}

// SAFETY: T1: the slots are traced, the rest holds numbers; T3: it is not looked at.
unsafe impl<'gc> Trace<'gc> for WeakTable<'gc> {
    const NEEDS_TRACE: bool = true;

    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.slots.trace(visitor);
    }
}

/// Hashes and numbers of slots: open addressing, and removal shifts back.
#[derive(Default)]
struct Index {
    /// A hash, and a number plus one; zero is free. A power of two of them, or none.
    entries: Vec<(u64, u32)>,
    len: usize,
}

const INDEX_LEN_LEAST: usize = 16;

impl Index {
    fn len(&self) -> usize {
        self.len
    }

    fn home(&self, hash: u64) -> usize {
        (hash >> (64 - self.entries.len().trailing_zeros())) as usize
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.entries.len() - 1)
    }

    fn entries(&self) -> impl Iterator<Item = (u64, u32)> {
        self.entries.iter().filter(|(_, number)| *number != 0).map(|&(hash, number)| (hash, number - 1))
    }

    /// Where entries with this hash are.
    fn places_of(&self, hash: u64) -> impl Iterator<Item = usize> {
        let first = if self.entries.is_empty() { None } else { Some(self.home(hash)) };
        std::iter::successors(first, |&place| Some(self.after(place)))
            .take_while(|&place| self.entries[place].1 != 0)
            .filter(move |&place| self.entries[place].0 == hash)
    }

    fn with_hash(&self, hash: u64) -> impl Iterator<Item = u32> {
        self.places_of(hash).map(|place| self.entries[place].1 - 1)
    }

    fn insert(&mut self, hash: u64, slot: u32) {
        if (self.len + 1) * 4 > self.entries.len() * 3 {
            self.resize(self.len + 1, |_| true);
        }
        let mut place = self.home(hash);
        while self.entries[place].1 != 0 {
            place = self.after(place);
        }
        self.entries[place] = (hash, slot + 1);
        self.len += 1;
    }

    fn remove(&mut self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut hole = self.places_of(hash).find(|&place| is_it(self.entries[place].1 - 1))?;
        let slot = self.entries[hole].1 - 1;
        let mask = self.entries.len() - 1;
        let mut next = self.after(hole);
        while self.entries[next].1 != 0 {
            // Whoever would not be found from its home any more, moves into the hole.
            let from_home = next.wrapping_sub(self.home(self.entries[next].0)) & mask;
            if from_home >= next.wrapping_sub(hole) & mask {
                self.entries[hole] = self.entries[next];
                hole = next;
            }
            next = self.after(next);
        }
        self.entries[hole] = (0, 0);
        self.len -= 1;
        Some(slot)
    }

    fn retain(&mut self, keep: impl FnMut(u32) -> bool) {
        self.resize(0, keep);
    }

    /// Builds the index anew, with room for at least `room` entries and all that are kept.
    fn resize(&mut self, room: usize, mut keep: impl FnMut(u32) -> bool) {
        let old = mem::take(self);
        let kept: Vec<(u64, u32)> = old.entries().filter(|&(_, slot)| keep(slot)).collect();
        let len = (room.max(kept.len()) * 2).next_power_of_two().max(INDEX_LEN_LEAST);
        self.entries = vec![(0, 0); len];
        for (hash, slot) in kept {
            self.insert(hash, slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the index finds what was entered and not removed, and nothing else. Method: random operations with few different hashes,
    /// compared with a list.
    #[test]
    fn the_index_is_a_multimap() {
        let mut seed = 7_u64;
        println!("seed {seed}");
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let (mut index, mut list) = (Index::default(), Vec::new());
        for step in 0..60_000_u32 {
            // Homes that are neighbors, and around the end.
            let hash = (random(40) << 58).wrapping_sub(3 << 60) | random(3);
            match random(if step % 8192 < 6000 { 10 } else { 22 }) {
                0..5 => {
                    index.insert(hash, step);
                    list.push((hash, step));
                }
                5..7 => {
                    let mut found: Vec<u32> = index.with_hash(hash).collect();
                    found.sort_unstable();
                    let expected: Vec<u32> =
                        list.iter().filter(|entry| entry.0 == hash).map(|entry| entry.1).collect();
                    assert_eq!(found, expected);
                }
                7 if random(500) == 0 => {
                    index.retain(|slot| slot % 3 != 0);
                    list.retain(|&(_, slot)| slot % 3 != 0);
                }
                _ if !list.is_empty() => {
                    let (hash, slot) = list.remove(random(list.len() as u64) as usize);
                    assert_eq!(index.remove(hash, |other| other == slot), Some(slot));
                    assert_eq!(index.remove(hash, |other| other == slot), None);
                }
                _ => {}
            }
            assert_eq!(index.len(), list.len());
        }
        assert!(list.len() > 10);
    }
}
