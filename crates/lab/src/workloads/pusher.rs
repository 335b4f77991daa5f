//! A message queue in a map: each push stores a fresh buffer under a new id and forgets the oldest one. What
//! counts is how long a single push may take.

use mudlark::{Gc, GcCell, Heap, Root, Scope, Trace};

use super::{Bench, Context, Failure, Finding, HeapFull, Outcome, batches};
use crate::baseline;
use crate::latency::Laps;
use crate::measure::Stopwatch;
use crate::scale::Scale;

const PUSHES: u64 = 4_000_000;
const WINDOW: u64 = 200_000;
/// Progress is reported once for this many pushes.
const BATCH: u64 = 1024;

/// Bytes of a message.
pub(crate) const MESSAGE_BYTES: usize = 1024;

/// The plan of the workload.
#[derive(Debug)]
pub(crate) struct Pusher {
    pub(crate) pushes: u64,
    pub(crate) window: u64,
}

impl Pusher {
    /// The ids that are in the map at the end.
    pub(crate) fn final_window(&self) -> std::ops::Range<u64> {
        self.pushes - self.window..self.pushes
    }

    /// The ids of all pushes, in batches.
    pub(crate) fn batches(&self) -> impl Iterator<Item = std::ops::Range<u64>> {
        batches(0..self.pushes, BATCH)
    }
}

/// Where an id belongs in a table of a power of two of buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buckets {
    bits: u32,
}

impl Buckets {
    /// A table for about `len` entries, presized so that it never grows.
    pub(crate) fn for_len(len: u64) -> Self {
        // At least two, for a shift by all 64 bits is not defined.
        Self { bits: len.next_power_of_two().ilog2().max(1) }
    }

    pub(crate) const fn count(self) -> usize {
        1 << self.bits
    }

    /// Multiplicative hashing: the upper bits of the product depend on all bits of the id.
    #[inline]
    pub(crate) const fn of(self, id: u64) -> usize {
        (id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - self.bits)) as usize
    }
}

impl Bench for Pusher {
    fn plan(scale: Scale) -> Self {
        Self { pushes: scale.count(PUSHES), window: scale.count(WINDOW) }
    }

    fn checksum(&self) -> u64 {
        self.final_window().map(|id| id & 0xff).sum()
    }

    fn objects(&self) -> u64 {
        // An entry and a buffer each, and the table.
        2 * self.pushes + 1
    }

    fn units(&self) -> u64 {
        self.pushes
    }

    fn run_on_mudlark(&self, heap: &Heap, context: &Context<'_>) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach();
        let buckets = Buckets::for_len(self.window);
        let watch = Stopwatch::start();
        let table: Root<Table<'static>> = mutator.enter(|cx| {
            let table: Gc<'_, Table<'_>> = cx.try_alloc_slice_with(buckets.count(), |_| GcCell::new(None))?;
            Ok::<_, HeapFull>(cx.root(table))
        })?;
        let mut laps = Laps::start();
        for batch in self.batches() {
            let pushed = batch.end - batch.start;
            for id in batch {
                mutator.enter(|cx| {
                    let map = Map { table: &table.get(cx), buckets };
                    map.insert(cx, id, cx.try_alloc([id as u8; MESSAGE_BYTES])?)?;
                    if id >= self.window {
                        map.remove(cx, id - self.window);
                    }
                    Ok::<_, HeapFull>(())
                })?;
                laps.lap();
            }
            context.progress.advance(pushed);
        }
        let timed = watch.elapsed();
        let checksum = mutator.enter(|cx| {
            let map = Map { table: &table.get(cx), buckets };
            self.final_window().map(|id| map.get(id).map_or(0, |buffer| u64::from(buffer[0]))).sum()
        });
        Ok(Outcome { checksum, timed, finding: Finding::Latency(laps.summary()) })
    }

    fn run_on_malloc(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        Ok(baseline::pusher::run(self, context))
    }
}

type Buffer<'gc> = Gc<'gc, [u8; MESSAGE_BYTES]>;
type Link<'gc> = GcCell<Option<Gc<'gc, Entry<'gc>>>>;
/// The buckets of a hash map with chains. They are cells of their own, so that a push costs the barrier of
/// one word, however large the map is.
type Table<'gc> = [Link<'gc>];

#[derive(Trace)]
struct Entry<'gc> {
    id: u64,
    next: GcCell<Option<Gc<'gc, Entry<'gc>>>>,
    buffer: GcCell<Gc<'gc, [u8; MESSAGE_BYTES]>>,
}

/// The table as seen from within a scope.
struct Map<'a, 'gc> {
    table: &'a Table<'gc>,
    buckets: Buckets,
}

impl<'gc> Map<'_, 'gc> {
    /// Stores a buffer under an id, in place of the one that was there.
    fn insert(&self, cx: &Scope<'gc>, id: u64, buffer: Buffer<'gc>) -> Result<(), HeapFull> {
        let bucket = &self.table[self.buckets.of(id)];
        let first = bucket.get();
        match find(first, id) {
            Some(entry) => entry.buffer.set(cx, buffer),
            None => {
                let entry = Entry { id, next: GcCell::new(first), buffer: GcCell::new(buffer) };
                bucket.set(cx, Some(cx.try_alloc(entry)?));
            }
        }
        Ok(())
    }

    fn remove(&self, cx: &Scope<'gc>, id: u64) {
        let bucket = &self.table[self.buckets.of(id)];
        let Some(first) = bucket.get() else { return };
        if first.id == id {
            return bucket.set(cx, first.next.get());
        }
        let mut before = first;
        while let Some(entry) = before.next.get() {
            if entry.id == id {
                return before.next.set(cx, entry.next.get());
            }
            before = entry;
        }
    }

    fn get(&self, id: u64) -> Option<Buffer<'gc>> {
        find(self.table[self.buckets.of(id)].get(), id).map(|entry| entry.buffer.get())
    }
}

fn find<'gc>(mut chain: Option<Gc<'gc, Entry<'gc>>>, id: u64) -> Option<Gc<'gc, Entry<'gc>>> {
    while let Some(entry) = chain {
        if entry.id == id {
            return chain;
        }
        chain = entry.next.get();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Buckets;

    #[test]
    fn every_id_has_a_bucket() {
        for len in [1, 2, 3, 1000, 200_000] {
            let buckets = Buckets::for_len(len);
            assert!(buckets.count() as u64 >= len);
            assert!((0..10_000).all(|id| buckets.of(id) < buckets.count()), "{len}");
        }
    }
}
