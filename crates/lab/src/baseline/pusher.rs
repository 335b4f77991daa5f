//! The message queue in a hash map of boxes: the same chains, the same buckets.

use crate::latency::Laps;
use crate::measure::Stopwatch;
use crate::workloads::pusher::{Buckets, MESSAGE_BYTES, Pusher};
use crate::workloads::{Context, Finding, Outcome};

pub(crate) fn run(plan: &Pusher, context: &Context<'_>) -> Outcome {
    let watch = Stopwatch::start();
    let mut map = Map::for_len(plan.window);
    let mut laps = Laps::start();
    for batch in plan.batches() {
        let pushed = batch.end - batch.start;
        for id in batch {
            map.insert(id, Box::new([id as u8; MESSAGE_BYTES]));
            if id >= plan.window {
                drop(map.remove(id - plan.window));
            }
            laps.lap();
        }
        context.progress.advance(pushed);
    }
    let timed = watch.elapsed();
    let checksum = plan.final_window().map(|id| map.get(id).map_or(0, |buffer| u64::from(buffer[0]))).sum();
    Outcome { checksum, timed, finding: Finding::Latency(laps.summary()) }
}

type Buffer = [u8; MESSAGE_BYTES];
type Link = Option<Box<Entry>>;

struct Entry {
    id: u64,
    next: Link,
    buffer: Box<Buffer>,
}

struct Map {
    table: Box<[Link]>,
    buckets: Buckets,
}

impl Map {
    fn for_len(len: u64) -> Self {
        let buckets = Buckets::for_len(len);
        Self { table: (0..buckets.count()).map(|_| None).collect(), buckets }
    }

    /// Stores a buffer under an id, in place of the one that was there.
    fn insert(&mut self, id: u64, buffer: Box<Buffer>) {
        let bucket = &mut self.table[self.buckets.of(id)];
        let mut chain = &mut *bucket;
        while let Some(entry) = chain {
            if entry.id == id {
                entry.buffer = buffer;
                return;
            }
            chain = &mut entry.next;
        }
        let next = bucket.take();
        *bucket = Some(Box::new(Entry { id, next, buffer }));
    }

    /// Takes the buffer of an id out of the map.
    fn remove(&mut self, id: u64) -> Option<Box<Buffer>> {
        let mut chain = &mut self.table[self.buckets.of(id)];
        while chain.as_ref()?.id != id {
            chain = &mut chain.as_mut()?.next;
        }
        let entry = chain.take()?;
        *chain = entry.next;
        Some(entry.buffer)
    }

    fn get(&self, id: u64) -> Option<&Buffer> {
        let mut chain = &self.table[self.buckets.of(id)];
        while let Some(entry) = chain {
            if entry.id == id {
                return Some(&entry.buffer);
            }
            chain = &entry.next;
        }
        None
    }
}
