//! Models of sweeping and claiming: each block is in one place.
#![cfg(loom)]

#[path = "support/loom_pages.rs"]
mod loom_pages;

use loom::{sync::Arc, thread};
use loom_pages::ModelPages;
use mudlark_arena::{Arena, ArenaConfig, BLOCK_BYTES, Bin, BinSpec, Birth, Claim, SweepVisitor};
use std::{
    ptr::{NonNull, null},
    sync::Mutex,
};

const CELL_BYTES: usize = 512;

fn arena(blocks: usize) -> Arc<Arena> {
    let config = ArenaConfig {
        max_bytes: blocks * BLOCK_BYTES,
        pages: Box::new(ModelPages),
        ..ArenaConfig::default()
    };
    Arc::new(Arena::new(config).expect("models have memory"))
}

fn bin(arena: &Arena) -> &Bin {
    arena
        .bin(0)
        .unwrap_or_else(|| arena.new_bin(BinSpec { cell_bytes: CELL_BYTES, tag: null(), drops: true }))
}

/// Fills a fresh block; returns its cells.
fn fill_block(arena: &Arena, bin: &Bin) -> Vec<*mut u8> {
    let mut claim = Claim::NONE;
    arena.claim_fresh(bin, &mut claim).expect("the model has memory");
    let mut region = arena.next_region(bin, &mut claim, Birth::White).expect("a fresh block is a hole");
    let cells = std::iter::from_fn(|| region.bump(CELL_BYTES)).collect();
    // SAFETY: the model's objects are their addresses; nothing in them is ever read.
    unsafe { arena.retire_region(bin, &mut claim, region, Birth::White) };
    arena.release_claim(bin, &mut claim);
    cells
}

/// Notes who died.
struct Census<'a>(&'a Mutex<Vec<usize>>);

impl SweepVisitor for Census<'_> {
    fn dead(&mut self, _tag: *const (), cell: NonNull<u8>) {
        self.0.lock().expect("nobody panics in here").push(cell.addr().get());
    }
}

/// Sweeps a block, claims it, and takes all its free cells.
fn sweep_and_take(arena: &Arena, dead: &Mutex<Vec<usize>>) -> Vec<usize> {
    let (bin, mut claim, mut taken) = (bin(arena), Claim::NONE, Vec::new());
    let _ = arena.sweep_and_claim(bin, &mut claim, &mut Census(dead));
    while let Some(mut region) = arena.next_region(bin, &mut claim, Birth::White) {
        taken.extend(std::iter::from_fn(|| region.bump(CELL_BYTES)).map(|cell| cell.addr()));
        // SAFETY: as in `fill_block`.
        unsafe { arena.retire_region(bin, &mut claim, region, Birth::White) };
    }
    arena.release_claim(bin, &mut claim);
    taken
}

/// Goal: each dead object is visited once, each block swept once and each hole given out once, whoever sweeps.
/// Method: two blocks, half of one alive; a background sweeper against a mutator that sweeps and claims.
#[test]
fn sweepers_and_claimants_share_blocks() {
    loom::model(|| {
        let arena = arena(3);
        let (first, second) = {
            let bin = bin(&arena);
            (fill_block(&arena, bin), fill_block(&arena, bin))
        };
        // SAFETY: a cell of this arena.
        unsafe { arena.marks(arena.filling_side()).try_mark(first[0]) };
        let live = first[0].addr();
        arena.turn();
        let dead = std::sync::Arc::new(Mutex::new(Vec::new()));
        let sweeper = {
            let (arena, dead) = (Arc::clone(&arena), std::sync::Arc::clone(&dead));
            thread::spawn(move || while arena.sweep_one(bin(&arena), &mut Census(&dead)).is_some() {})
        };
        let mutator = {
            let (arena, dead) = (Arc::clone(&arena), std::sync::Arc::clone(&dead));
            thread::spawn(move || sweep_and_take(&arena, &dead))
        };
        let taken = mutator.join().expect("the mutator is done");
        sweeper.join().expect("the sweeper is done");
        assert_eq!(arena.unswept_blocks(), 0);
        assert!(!taken.contains(&live), "a live cell was given out");
        let mut dead = dead.lock().expect("nobody panics in there").clone();
        dead.sort_unstable();
        let mut expected: Vec<usize> =
            [&first[1..], &second[..]].concat().iter().map(|cell| cell.addr()).collect();
        expected.sort_unstable();
        assert_eq!(dead, expected);
        arena.recount().expect("the counters are exact");
    });
}

/// Goal: a block that is claimed when the bitmaps take turns is swept exactly once, before or after its release.
/// Method: a mutator retires and releases while another thread turns; then all is swept.
#[test]
fn a_claim_across_the_turn_is_swept_later() {
    loom::model(|| {
        let arena = arena(2);
        let mut claim = Claim::NONE;
        arena.claim_fresh(bin(&arena), &mut claim).expect("the model has memory");
        let region = arena.next_region(bin(&arena), &mut claim, Birth::Black);
        let mut region = region.expect("a fresh block is a hole");
        let kept = region.bump(CELL_BYTES).expect("two cells fit");
        let mutator = {
            let arena = Arc::clone(&arena);
            thread::spawn(move || {
                let bin = bin(&arena);
                // SAFETY: as in `fill_block`.
                unsafe { arena.retire_region(bin, &mut claim, region, Birth::Black) };
                arena.release_claim(bin, &mut claim);
            })
        };
        let driver = {
            let arena = Arc::clone(&arena);
            thread::spawn(move || arena.turn())
        };
        driver.join().expect("the bitmaps have taken turns");
        mutator.join().expect("the mutator is done");
        let dead = Mutex::new(Vec::new());
        assert_eq!(arena.unswept_blocks(), 1);
        while arena.sweep_one(bin(&arena), &mut Census(&dead)).is_some() {}
        assert_eq!(arena.unswept_blocks(), 0);
        assert!(dead.into_inner().expect("nobody panics in there").is_empty(), "a black object was swept");
        // SAFETY: a cell of this arena.
        assert!(unsafe { arena.marks(arena.live_side()).is_marked(kept) });
        arena.recount().expect("the counters are exact");
    });
}
