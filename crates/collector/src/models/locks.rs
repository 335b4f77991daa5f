//! Models of the mark lock and of the lock of containers.

use crate::{
    mark_lock::{MarkLock, Stamp},
    piece_lock::{PieceLock, Rest},
};
use loom::{cell::UnsafeCell, sync::Arc, thread};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

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

/// A container of two pieces, of which a mutator changes one after the other while a marker looks.
struct Container {
    lock: PieceLock,
    /// Each a piece. Objects are numbers, zero is none.
    places: [UnsafeCell<usize>; 2],
    /// By object: whether it was seen in a place or shaded.
    marked: [AtomicUsize; 4],
}

impl Container {
    fn see(&self, place: usize) {
        // SAFETY: a read; loom checks that nobody writes.
        let object = self.places[place].with(|object| unsafe { object.read() });
        self.marked[object].fetch_add(1, SeqCst);
    }

    fn put(&self, place: usize, object: usize) {
        // SAFETY: a write; loom checks that nobody looks.
        self.places[place].with_mut(|at| unsafe { at.write(object) });
    }

    /// Shades what is in a place, if that is to be done, and writes another object over it.
    fn replace(&self, place: usize, object: usize) {
        self.lock.change(Stamp::of_cycle(1), |shades| {
            if shades {
                self.see(place);
            }
            self.put(place, object);
        });
    }

    fn mark(&self) {
        let piece = |place| {
            self.see(place);
            (place == 0).then_some(1)
        };
        while self.lock.scan_piece(Stamp::of_cycle(1), piece) != Rest::None {
            thread::yield_now();
        }
    }
}

/// The objects 1 and 2 lie in the container when the cycle begins, and are to be marked in the end.
fn container_against_marker(mutate: fn(&Container)) {
    loom::model(move || {
        let container = Arc::new(Container {
            lock: PieceLock::new(),
            places: [1, 2].map(UnsafeCell::new),
            marked: Default::default(),
        });
        let mutator = {
            let container = Arc::clone(&container);
            thread::spawn(move || mutate(&container))
        };
        let marker = {
            let container = Arc::clone(&container);
            thread::spawn(move || container.mark())
        };
        mutator.join().expect("the mutator is done");
        marker.join().expect("the marker is done");
        for object in 1..3 {
            assert!(container.marked[object].load(SeqCst) > 0, "nobody saw {object}");
        }
    });
}

/// Goal: an object that moves from a piece not seen to one that was is marked, and no piece is read while it changes. Method: the
/// two objects change places, by operations that shade what they take out.
#[test]
fn objects_that_change_pieces_are_marked() {
    container_against_marker(|container| {
        container.replace(1, 0);
        container.replace(0, 2);
        container.replace(1, 1);
    });
}

/// Goal: who logs a container that is half seen, has all of it marked, and changes it alone. Method: log, then write.
#[test]
fn the_rest_of_a_container_is_shaded() {
    container_against_marker(|container| {
        container.lock.log(Stamp::of_cycle(1), |place| {
            container.see(place);
            (place == 0).then_some(1)
        });
        container.put(0, 0);
        container.replace(1, 3);
    });
}

/// Goal: the models above can fail. Method: the same, without shading.
#[test]
#[should_panic(expected = "nobody saw")]
fn an_operation_needs_shading() {
    container_against_marker(|container| {
        container.lock.change(Stamp::of_cycle(1), |_| container.put(1, 0));
        container.lock.change(Stamp::of_cycle(1), |_| container.put(0, 2));
    });
}

/// Goal: the models above can fail. Method: an operation without the lock.
#[test]
#[should_panic(expected = "Causality violation")]
fn an_operation_needs_the_lock() {
    container_against_marker(|container| {
        container.see(1);
        container.put(1, 0);
    });
}
