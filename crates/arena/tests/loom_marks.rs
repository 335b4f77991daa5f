//! Models of the mark bitmaps: who sees a bit, who wins it, and that neighbors in a word do not disturb each other.
#![cfg(loom)]

#[path = "support/loom_pages.rs"]
mod loom_pages;

use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{
            AtomicPtr,
            Ordering::{self, Acquire, Relaxed, Release},
        },
    },
    thread,
};
use loom_pages::ModelPages;
use mudlark_arena::{Arena, ArenaConfig, BLOCK_BYTES, Bin, BinSpec, Birth, Claim, LargeSpec, Swept};
use std::ptr::{NonNull, null, null_mut, without_provenance};

/// Room for four blocks: loom's atomics are slow to make.
const BLOCKS: usize = 4;
const CELL_BYTES: usize = 256;

fn arena() -> Arc<Arena> {
    let config = ArenaConfig {
        max_bytes: BLOCKS * BLOCK_BYTES,
        pages: Box::new(ModelPages),
        ..ArenaConfig::default()
    };
    Arc::new(Arena::new(config).expect("models have memory"))
}

fn bin(arena: &Arena) -> &Bin {
    arena.new_bin(BinSpec { cell_bytes: CELL_BYTES, tag: null(), drops: false })
}

/// A claimed fresh block.
fn fresh_claim(arena: &Arena, bin: &Bin) -> Claim {
    let mut claim = Claim::NONE;
    arena.claim_fresh(bin, &mut claim).expect("the model has memory");
    claim
}

/// What lies beside an object: loom sees who reads and writes it.
struct Published {
    slot: AtomicPtr<u8>,
    contents: UnsafeCell<u32>,
}

/// A mutator makes an object in a region of this `birth` and publishes it with `order`; a reader meets it.
fn publish(birth: Birth, order: Ordering, reader: fn(&Arena, *mut u8, &UnsafeCell<u32>)) {
    loom::model(move || {
        let arena = arena();
        let published =
            Arc::new(Published { slot: AtomicPtr::new(null_mut()), contents: UnsafeCell::new(0) });
        let other = {
            let (arena, published) = (Arc::clone(&arena), Arc::clone(&published));
            thread::spawn(move || {
                let cell = published.slot.load(Acquire);
                if !cell.is_null() {
                    reader(&arena, cell, &published.contents);
                }
            })
        };
        let bin = bin(&arena);
        let mut claim = fresh_claim(&arena, bin);
        let mut region = arena.next_region(bin, &mut claim, birth).expect("a fresh block is a hole");
        let cell = region.bump(CELL_BYTES).expect("a new region has a cell");
        // SAFETY: a write; loom checks that nobody else looks.
        published.contents.with_mut(|contents| unsafe { contents.write(1) });
        published.slot.store(cell, order);
        other.join().expect("the reader found what it may find");
    });
}

fn try_mark(arena: &Arena, cell: *const u8) -> bool {
    // SAFETY: models mark cells of their arena only.
    unsafe { arena.marks(arena.filling_side()).try_mark(cell) }
}

fn is_marked(arena: &Arena, cell: *const u8) -> bool {
    // SAFETY: as above.
    unsafe { arena.marks(arena.filling_side()).is_marked(cell) }
}

fn mark_or_scan(arena: &Arena, cell: *mut u8, contents: &UnsafeCell<u32>) {
    if try_mark(arena, cell) {
        // SAFETY: a read; loom checks that nobody writes.
        let value = contents.with(|contents| unsafe { contents.read() });
        panic!("a new object was found white, with {value} in it");
    }
}

fn read(_arena: &Arena, _cell: *mut u8, contents: &UnsafeCell<u32>) {
    // SAFETY: a read; loom checks that nobody writes.
    assert_eq!(contents.with(|contents| unsafe { contents.read() }), 1);
}

/// Goal: a marker never scans an object that is being written. Method: a mutator takes a black region, writes and
/// publishes with Release; a marker loads with Acquire.
#[test]
fn a_marker_finds_new_objects_black() {
    publish(Birth::Black, Release, mark_or_scan);
}

/// Goal: the model above can fail. Method: allocate white.
#[test]
#[should_panic(expected = "found white")]
fn objects_born_white_are_found() {
    publish(Birth::White, Release, mark_or_scan);
}

/// Goal: another mutator sees a whole object. Method: as above, and it reads.
#[test]
fn a_reader_finds_new_objects_whole() {
    publish(Birth::Black, Release, read);
}

/// Goal: the model above can fail. Method: publish without Release.
#[test]
#[should_panic(expected = "Causality violation")]
fn publication_needs_release() {
    publish(Birth::Black, Relaxed, read);
}

/// Goal: exactly one marker wins an object, and bits that share a word do not get lost. Method: two markers meet one
/// object, and one more each.
#[test]
fn one_marker_wins_each_object() {
    loom::model(|| {
        let arena = arena();
        let bin = bin(&arena);
        let mut claim = fresh_claim(&arena, bin);
        let mut region = arena.next_region(bin, &mut claim, Birth::White).expect("a fresh block is a hole");
        let cells = [(); 3].map(|()| region.bump(CELL_BYTES).expect("four cells fit").addr());
        let [one, two] = [[0, 1], [2, 0]].map(|which| {
            let arena = Arc::clone(&arena);
            let mark = move |index: usize| try_mark(&arena, without_provenance(cells[index]));
            thread::spawn(move || which.map(mark))
        });
        let [[shared, alone], [other_alone, other_shared]] =
            [one, two].map(|marker| marker.join().expect("the marker is done"));
        assert!(shared != other_shared, "the shared object was won twice, or by nobody");
        assert!(alone && other_alone);
        for cell in cells {
            assert!(is_marked(&arena, without_provenance(cell)), "a neighbor's bit was lost");
        }
    });
}

/// Goal: retiring a black region takes back only its own bits. Method: a mutator retires while a marker marks a
/// neighbor in the same word.
#[test]
fn retiring_does_not_lose_a_neighbors_mark() {
    loom::model(|| {
        let arena = arena();
        let bin = bin(&arena);
        let mut claim = fresh_claim(&arena, bin);
        let mut white = arena.next_region(bin, &mut claim, Birth::White).expect("a fresh block is a hole");
        let old = white.bump(CELL_BYTES).expect("four cells fit");
        // SAFETY: the bin has no drop glue.
        unsafe { arena.retire_region(bin, &mut claim, white, Birth::White) };
        let address = old.addr();
        let marker = {
            let arena = Arc::clone(&arena);
            thread::spawn(move || {
                assert!(try_mark(&arena, without_provenance(address)));
            })
        };
        let mut black = arena.next_region(bin, &mut claim, Birth::Black).expect("three cells are left");
        let new = black.bump(CELL_BYTES).expect("three cells are left");
        let unused = black.cursor;
        // SAFETY: the bin has no drop glue.
        unsafe { arena.retire_region(bin, &mut claim, black, Birth::Black) };
        marker.join().expect("the marker is done");
        assert_eq!([old, new, unused].map(|cell| is_marked(&arena, cell)), [true, true, false]);
    });
}

/// Goal: a large object that is born black while the bitmaps take turns is not swept. Method: a mutator allocates
/// while another thread turns; then everything is swept.
#[test]
fn a_black_large_object_survives_the_turn() {
    loom::model(|| {
        let arena = arena();
        let driver = {
            let arena = Arc::clone(&arena);
            thread::spawn(move || arena.turn())
        };
        let mutator = {
            let arena = Arc::clone(&arena);
            thread::spawn(move || {
                let spec = LargeSpec { bytes: BLOCK_BYTES, tag: null(), drops: false };
                let made = arena.alloc_large(spec, Birth::Black, |_: NonNull<u8>| {});
                made.expect("the model has memory");
            })
        };
        driver.join().expect("the bitmaps have taken turns");
        mutator.join().expect("the object is made");
        while let Some(swept) = arena.sweep_one_large(&mut ()) {
            assert_eq!(swept, Swept::Full, "a black object was swept");
        }
        assert_eq!(arena.stats().large_objects, 1);
    });
}
