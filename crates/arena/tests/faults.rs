//! What the system may refuse, it refuses here: nothing is lost, and it can be asked again.
#![cfg(not(loom))]

#[path = "support/heap.rs"]
mod heap;
#[path = "support/pages.rs"]
mod pages;

use heap::{Cycle, ModelHeap};
use mudlark_arena::{Arena, ArenaConfig, BLOCK_BYTES, Exhausted, PageSource, SystemPages};
use pages::FlakyPages;

fn arena(pages: &FlakyPages) -> Option<Arena> {
    Arena::new(ArenaConfig { max_bytes: 16 << 20, pages: Box::new(pages.clone()), ..ArenaConfig::default() })
        .ok()
}

/// Allocates, and once more after the pages are well again if they were not. Whether they were.
fn alloc(heap: &mut ModelHeap, pages: &FlakyPages, large: bool) {
    let allocate = |heap: &mut ModelHeap| if large { heap.alloc_large(300_000, true) } else { heap.alloc(0) };
    let before = heap.len();
    if let Err(cause) = allocate(heap) {
        assert_eq!((cause, heap.len()), (Exhausted::System, before));
        heap.check();
        pages.heal();
        allocate(heap).expect("the pages are well again");
    }
}

/// Everything that asks for pages: grows, shrinks, grows.
fn scenario(pages: &FlakyPages) {
    let mut arena_or_none = arena(pages);
    if arena_or_none.is_none() {
        pages.heal();
        arena_or_none = arena(pages);
    }
    let mut heap = ModelHeap::new(arena_or_none.expect("the pages are well again"), &[(1000, true)]);
    for round in 0..2 {
        (0..2500).for_each(|_| alloc(&mut heap, pages, false));
        alloc(&mut heap, pages, true);
        heap.cycle(&Cycle { keep: 1 << round, allocations: [0; 3] });
        heap.check();
        let released = heap.arena.release_free(0, round == 1);
        heap.check();
        if released == 0 {
            pages.heal();
            heap.arena.release_free(0, round == 1);
            heap.check();
        }
        assert!(round == 1 || heap.arena.stats().released_bytes > 0);
    }
    heap.end();
}

/// Goal: any single refusal is survived, and so is a longer spell of them. Method: refuse the n-th request, and all from
/// the n-th on until somebody notices, for each n.
#[test]
fn every_refusal_is_survived() {
    let pages = FlakyPages::refusing(0, 0);
    scenario(&pages);
    let requests = pages.requests();
    assert!(requests > 10, "the scenario asks for pages");
    for number in 0..=requests {
        for spell in [1, u64::MAX - number] {
            println!("requests from {number} on are refused, {spell} of them");
            scenario(&FlakyPages::refusing(number, number + spell));
        }
    }
}

/// Goal: memory that is given back is gone, reads as zero when it is taken again, and is counted. Method: fill, free,
/// release; ask the system what is resident.
#[test]
fn released_memory_is_gone_and_comes_back_as_zeros() {
    let config = ArenaConfig { max_bytes: 64 << 20, pages: Box::new(SystemPages), ..ArenaConfig::default() };
    let mut heap = ModelHeap::new(Arena::new(config).expect("a small reservation"), &[(8192, false)]);
    for _ in 0..4000 {
        heap.alloc(0).expect("there is room");
    }
    let first = heap.addresses()[0];
    heap.cycle(&Cycle { keep: 0, allocations: [0; 3] });
    let bytes = 4000 / (BLOCK_BYTES / 8192) * BLOCK_BYTES;
    let before = resident_bytes();
    assert_eq!(heap.arena.release_free(0, false), bytes);
    assert!(before - resident_bytes() > bytes / 10 * 9, "memory was given back, and is still there");
    heap.check();
    heap.alloc(0).expect("there is room");
    assert_eq!(heap.addresses()[0], first);
    let cell = std::ptr::with_exposed_provenance::<u8>(first);
    // SAFETY: the model owns the 8192 bytes of the cell, and wrote its ends.
    let contents = unsafe { std::slice::from_raw_parts(cell, 8192) };
    assert!(contents[8..8184].iter().all(|&byte| byte == 0), "old contents came back");
    heap.end();
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: usize = statm.split(' ').nth(1).and_then(|field| field.parse().ok()).expect("it is a number");
    pages * SystemPages.page_bytes()
}
