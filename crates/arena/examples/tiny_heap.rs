//! A garbage collector in a hundred lines: what an arena does for its owner, and what it leaves to it.
//!
//! One type (pairs), one thread, stop-the-world mark and sweep. Run it with
//! `cargo run -p mudlark-arena --example tiny_heap`.

use mudlark_arena::{Arena, ArenaConfig, Bin, BinSpec, Birth, Claim, Exhausted, Region};
use std::ptr::{NonNull, null};

/// The one type of this heap.
#[derive(Clone, Copy)]
struct Pair {
    left: Option<NonNull<Pair>>,
    right: Option<NonNull<Pair>>,
}

/// An arena with one bin, and the place in it where the next pair goes.
struct Heap<'a> {
    arena: &'a Arena,
    bin: &'a Bin,
    claim: Claim,
    region: Region,
}

impl<'a> Heap<'a> {
    fn new(arena: &'a Arena) -> Heap<'a> {
        let bin = arena.new_bin(BinSpec { cell_bytes: size_of::<Pair>(), tag: null(), drops: false });
        Heap { arena, bin, claim: Claim::NONE, region: Region::EMPTY }
    }

    /// Bumps through holes, then through swept blocks, unswept blocks and fresh blocks.
    fn alloc(&mut self, pair: Pair) -> Result<NonNull<Pair>, Exhausted> {
        loop {
            if let Some(cell) =
                self.region.bump(self.bin.cell_bytes()).and_then(|cell| NonNull::new(cell.cast()))
            {
                // SAFETY: the cell is free, as large as a pair, and aligned to it.
                unsafe { cell.write(pair) };
                return Ok(cell);
            }
            self.retire();
            match self.arena.next_region(self.bin, &mut self.claim, Birth::White) {
                Some(region) => self.region = region,
                None => self.claim_a_block()?,
            }
        }
    }

    fn claim_a_block(&mut self) -> Result<(), Exhausted> {
        self.arena.release_claim(self.bin, &mut self.claim);
        let swept = self.arena.claim_available(self.bin, &mut self.claim)
            || self.arena.sweep_and_claim(self.bin, &mut self.claim, &mut ()).is_some();
        if swept { Ok(()) } else { self.arena.claim_fresh(self.bin, &mut self.claim) }
    }

    fn retire(&mut self) {
        let region = std::mem::replace(&mut self.region, Region::EMPTY);
        // SAFETY: the bin has no drop glue.
        unsafe { self.arena.retire_region(self.bin, &mut self.claim, region, Birth::White) };
    }

    /// Frees what cannot be reached from `roots`. Returns how many pairs are left.
    fn collect(&mut self, roots: &[NonNull<Pair>]) -> u64 {
        let marks = self.arena.marks(self.arena.live_side().other());
        let mut gray = roots.to_vec();
        while let Some(pair) = gray.pop() {
            // SAFETY: roots and what they lead to are cells of this arena.
            if unsafe { marks.try_mark(pair.as_ptr().cast()) } {
                // SAFETY: as above, and they hold pairs.
                let Pair { left, right } = unsafe { pair.read() };
                gray.extend([left, right].into_iter().flatten());
            }
        }
        self.retire();
        self.arena.release_claim(self.bin, &mut self.claim);
        self.arena.turn();
        let rest = self.arena.clear_filling(0..usize::MAX);
        assert_eq!(rest, None, "all blocks were asked for");
        while self.arena.sweep_one(self.bin, &mut ()).is_some() {}
        self.arena.bin_stats()[0].objects()
    }

    fn tree(&mut self, depth: u32) -> Result<NonNull<Pair>, Exhausted> {
        let child = |heap: &mut Self| if depth > 0 { heap.tree(depth - 1).map(Some) } else { Ok(None) };
        let (left, right) = (child(self)?, child(self)?);
        self.alloc(Pair { left, right })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arena = Arena::new(ArenaConfig::default())?;
    let mut heap = Heap::new(&arena);
    let kept = heap.tree(15)?;
    for round in 1..=5 {
        heap.tree(15)?;
        let left = heap.collect(&[kept]);
        assert_eq!(left, (1 << 16) - 1);
        let stats = arena.stats();
        println!(
            "round {round}: {left} pairs in {} of {} KiB",
            stats.in_use_bytes >> 10,
            stats.total_bytes >> 10
        );
    }
    Ok(())
}
