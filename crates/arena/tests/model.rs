//! Random programs on an arena against a model of what lives in it.
#![cfg(not(loom))]

#[path = "support/heap.rs"]
mod heap;

use heap::{Cycle, ModelHeap};
use mudlark_arena::{Arena, ArenaConfig, BLOCK_BYTES, BinSpec, CELL_BYTES_MAX, Claim, SystemPages};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Alloc { bin: usize, count: usize },
    Large { bytes: usize, drops: bool },
    Cycle { keep: u8, allocations: [usize; 3] },
    Release { keep_bytes: usize, whole_chunks: bool },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (0..BINS, 1_usize..400).prop_map(|(bin, count)| Op::Alloc { bin, count }),
        2 => (CELL_BYTES_MAX + 1..5 * BLOCK_BYTES, any::<bool>())
            .prop_map(|(bytes, drops)| Op::Large { bytes, drops }),
        3 => (any::<u8>(), [0_usize..60, 0..60, 0..60])
            .prop_map(|(keep, allocations)| Op::Cycle { keep, allocations }),
        1 => (0_usize..64, any::<bool>())
            .prop_map(|(blocks, whole)| Op::Release { keep_bytes: blocks * BLOCK_BYTES, whole_chunks: whole }),
    ];
    prop::collection::vec(op, 1..40)
}

const BINS: usize = 3;
/// Small enough to be used up now and then.
const MAX_BYTES: usize = 6 << 20;

fn bins() -> impl Strategy<Value = Vec<(usize, bool)>> {
    let sized = (2..=CELL_BYTES_MAX / 8).prop_map(|words| words * 8);
    let aligned = (4_u32..13, 1_usize..4).prop_map(|(shift, times)| (times << shift).min(CELL_BYTES_MAX));
    let tiny = (2_usize..20).prop_map(|words| words * 8);
    prop::collection::vec((prop_oneof![sized, aligned, tiny], any::<bool>()), BINS)
}

fn run(heap: &mut ModelHeap, op: &Op) {
    match *op {
        Op::Alloc { bin, count } => _ = (0..count).try_for_each(|_| heap.alloc(bin)),
        Op::Large { bytes, drops } => _ = heap.alloc_large(bytes, drops),
        Op::Cycle { keep, allocations } => {
            heap.cycle(&Cycle { keep, allocations });
            heap.check();
        }
        Op::Release { keep_bytes, whole_chunks } => {
            let before = heap.arena.stats().released_bytes;
            let done = heap.arena.release_free(keep_bytes, whole_chunks);
            assert_eq!(heap.arena.stats().released_bytes - before, done, "bytes said to be given back");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    /// Goal: live cells keep their contents, no cell is handed out twice, each dead object with drop glue is visited
    /// once, and the counters are exact. Method: random bins and calls; a recount after each cycle.
    #[test]
    fn an_arena_behaves_like_its_model(bins in bins(), ops in ops()) {
        let config = ArenaConfig { max_bytes: MAX_BYTES, pages: Box::new(SystemPages), ..ArenaConfig::default() };
        let mut heap = ModelHeap::new(Arena::new(config).expect("a small reservation"), &bins);
        for op in &ops {
            run(&mut heap, op);
        }
        heap.cycle(&Cycle { keep: 0x55, allocations: [0; 3] });
        heap.check();
        heap.end();
    }
}

/// Goal: every legal cell size works. Method: all of them, a block and a bit of each; half of the objects die.
#[test]
fn every_cell_size_works() {
    for cell_bytes in (16..=CELL_BYTES_MAX).step_by(8) {
        let config =
            ArenaConfig { max_bytes: MAX_BYTES, pages: Box::new(SystemPages), ..ArenaConfig::default() };
        let bins = [(cell_bytes, cell_bytes % 16 == 0)];
        let mut heap = ModelHeap::new(Arena::new(config).expect("a small reservation"), &bins);
        for _ in 0..2 {
            run(&mut heap, &Op::Alloc { bin: 0, count: BLOCK_BYTES / cell_bytes + 1 });
            heap.cycle(&Cycle { keep: 0xA7, allocations: [3; 3] });
            heap.check();
        }
        heap.end();
    }
}

/// Goal: when every block is in use the arena says so, and goes on after a cycle. Method: fill it, free half, fill it.
#[test]
fn a_full_arena_recovers() {
    let config = ArenaConfig { max_bytes: 4 << 20, pages: Box::new(SystemPages), ..ArenaConfig::default() };
    let mut heap =
        ModelHeap::new(Arena::new(config).expect("a small reservation"), &[(48, true), (8192, false)]);
    let mut objects = 0;
    for keep in [0x0F, 0x55, 0x33] {
        while heap.alloc(1).is_ok() {}
        while heap.alloc(0).is_ok() {}
        assert!(heap.alloc_large(1 << 20, true).is_err());
        objects = heap.len();
        heap.cycle(&Cycle { keep, allocations: [0; 3] });
        heap.check();
        assert!(heap.len() < objects * 3 / 4, "{} of {objects} objects are left", heap.len());
    }
    assert!(objects > 0);
    heap.cycle(&Cycle { keep: 0, allocations: [0; 3] });
    heap.check();
    assert_eq!((heap.len(), heap.arena.stats().in_use_bytes), (0, 0));
    heap.alloc_large(4 << 20, true).expect("everything is one run again");
    heap.end();
}

/// Goal: bytes given back are counted once. Method: give a part of a chunk back, then the whole chunk.
#[test]
fn bytes_are_given_back_once() {
    let config = ArenaConfig { max_bytes: MAX_BYTES, pages: Box::new(SystemPages), ..ArenaConfig::default() };
    let mut heap = ModelHeap::new(Arena::new(config).expect("a small reservation"), &[(8192, false)]);
    for _ in 0..2 {
        heap.alloc_large(1 << 20, false).expect("there is room");
    }
    for (keep, whole_chunks) in [(0b10, false), (0, true)] {
        heap.cycle(&Cycle { keep, allocations: [0; 3] });
        run(&mut heap, &Op::Release { keep_bytes: 0, whole_chunks });
        heap.check();
        let stats = heap.arena.stats();
        assert_eq!(stats.committed_bytes, stats.in_use_bytes);
    }
    heap.end();
}

/// Goal: what lies beside the heap takes at most 2.5 % of it. Method: 64 MiB of blocks; the committed tables.
#[test]
fn side_tables_take_at_most_a_fortieth() {
    let arena = Arena::new(ArenaConfig::default()).expect("the system has addresses");
    let bin = arena.new_bin(BinSpec { cell_bytes: 16, tag: std::ptr::null(), drops: true });
    for _ in 0..2048 {
        let mut claim = Claim::NONE;
        arena.claim_fresh(bin, &mut claim).expect("the system has memory");
        arena.release_claim(bin, &mut claim);
    }
    let stats = arena.stats();
    assert!(stats.side_table_bytes * 40 <= stats.total_bytes, "{stats:?}");
}
