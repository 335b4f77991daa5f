//! Models of the mark lock and of the root table.

use super::CELL_BYTES;
use crate::{
    mark_lock::{MarkLock, Stamp},
    roots::{RootTable, SlotCache},
};
use loom::{cell::UnsafeCell, sync::Arc, thread};
use std::{
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

/// A cell whose contents a mutator changes while a marker looks.
struct Guarded {
    lock: MarkLock,
    contents: UnsafeCell<u32>,
    /// Who saw the first contents: the marker that scanned, or the mutator that shaded.
    scans: AtomicUsize,
    shades: AtomicUsize,
}

impl Guarded {
    fn see(&self, by: &AtomicUsize) {
        // SAFETY: a read; loom checks that nobody writes.
        if self.contents.with(|contents| unsafe { contents.read() }) == 0 {
            by.fetch_add(1, SeqCst);
        }
    }

    fn change(&self, to: u32) {
        // SAFETY: a write; loom checks that nobody looks.
        self.contents.with_mut(|contents| unsafe { contents.write(to) });
    }
}

fn mutator_against_marker(mutate: fn(&Guarded)) {
    loom::model(move || {
        let cell = Arc::new(Guarded {
            lock: MarkLock::new(),
            contents: UnsafeCell::new(0),
            scans: AtomicUsize::new(0),
            shades: AtomicUsize::new(0),
        });
        let mutator = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || mutate(&cell))
        };
        let marker = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || cell.lock.scan(Stamp::of_cycle(1), || cell.see(&cell.scans)))
        };
        mutator.join().expect("the mutator is done");
        marker.join().expect("the marker is done");
        let (scans, shades) = (cell.scans.load(SeqCst), cell.shades.load(SeqCst));
        assert!(scans + shades > 0, "nobody saw what was in the cell");
    });
}

/// Goal: a marker never reads what a mutator is changing, and the first contents are seen by one of them. Method: a
/// closed mutator logs and writes, twice; a marker scans.
#[test]
fn a_log_and_a_scan_never_overlap() {
    mutator_against_marker(|cell| {
        for value in 1..3 {
            cell.lock.log(Stamp::of_cycle(1), || cell.see(&cell.shades));
            cell.change(value);
        }
    });
}

/// Goal: the model above can fail. Method: write without a log.
#[test]
#[should_panic(expected = "Causality violation")]
fn a_write_needs_a_log() {
    mutator_against_marker(|cell| cell.change(1));
}

/// Goal: the model above can fail. Method: log without shading.
#[test]
#[should_panic(expected = "nobody saw")]
fn a_log_needs_shading() {
    mutator_against_marker(|cell| {
        cell.lock.log(Stamp::of_cycle(1), || {});
        cell.change(1);
    });
}

/// Goal: only the stamp of the cycle keeps its markers off. Method: a stamp of this cycle, of another one, then a scan.
#[test]
fn only_the_stamp_of_the_cycle_keeps_markers_off() {
    loom::model(|| {
        let scanned_after = |cycle: u64| {
            let (lock, mut scanned) = (MarkLock::new(), false);
            lock.log(Stamp::of_cycle(cycle), || {});
            lock.scan(Stamp::of_cycle(2), || scanned = true);
            scanned
        };
        assert!(scanned_after(1));
        assert!(!scanned_after(2));
    });
}

/// An address that could be an object's.
fn object(number: usize) -> NonNull<u8> {
    NonNull::new(std::ptr::without_provenance_mut(number * CELL_BYTES)).expect("numbers begin with one")
}

/// Goal: slots are given out once, and whoever scans meets objects and never links. Method: two mutators make and drop
/// roots while a marker scans; afterwards the roots in use are found, each once.
#[test]
fn roots_come_and_go_while_they_are_scanned() {
    loom::model(|| {
        let table = Arc::new(RootTable::default());
        let mut cache = SlotCache::default();
        let first = table.add(&mut cache, object(1));
        let mutators = [2, 4].map(|number| {
            let table = Arc::clone(&table);
            let (mut cache, old) = (std::mem::take(&mut cache), first);
            thread::spawn(move || {
                let kept = table.add(&mut cache, object(number));
                if number == 2 {
                    assert_eq!(old.replace(std::ptr::null_mut()), Some(object(1)));
                    table.give(old);
                }
                table.give_cache(&mut cache);
                kept
            })
        });
        let met = |table: &RootTable| {
            let mut met = Vec::new();
            for chunk in 0..table.chunk_count() {
                table.each_in_chunk(chunk, |cell| met.push(cell.addr().get() / CELL_BYTES));
            }
            met.sort_unstable();
            met
        };
        assert!(met(&table).iter().all(|number| [1, 2, 4].contains(number)));
        let [a, b] = mutators.map(|mutator| mutator.join().expect("the mutator is done"));
        assert_ne!(a, b);
        assert_eq!(met(&table), [2, 4]);
        assert_eq!(table.len(), 2);
    });
}
