//! A heap of typed cells on an arena, and a model of it: what lives, where, and with what in it.

use mudlark_arena::{Arena, BLOCK_BYTES, BinSpec, Birth, Claim, Exhausted, LargeSpec, Region, SweepVisitor};
use std::{
    collections::{BTreeMap, BTreeSet},
    ptr::{NonNull, null},
};

/// An object that the model believes to live.
struct Object {
    bytes: usize,
    /// In the first and the last word of the cell.
    id: u64,
    drops: bool,
}

struct Home {
    claim: Claim,
    region: Region,
}

/// Objects with drop glue that are dead and must be visited, once.
#[derive(Default)]
struct Doomed(BTreeSet<usize>);

impl SweepVisitor for Doomed {
    fn dead(&mut self, _tag: *const (), cell: NonNull<u8>) {
        assert!(self.0.remove(&cell.addr().get()), "{cell:?} was visited twice, or is alive");
    }
}

/// What [`ModelHeap::cycle`] does beside marking, and whom it keeps.
pub(crate) struct Cycle {
    /// Objects whose number modulo eight is set in these bits live on.
    pub(crate) keep: u8,
    /// Allocations of each bin: while marking, behind the turn, and before the sweep is complete.
    pub(crate) allocations: [usize; 3],
}

/// An arena, its user, and the model of both.
pub(crate) struct ModelHeap {
    pub(crate) arena: Arena,
    homes: Vec<Home>,
    birth: Birth,
    live: BTreeMap<usize, Object>,
    doomed: Doomed,
    next_id: u64,
}

fn write_word(cell: *mut u8, offset: usize, value: u64) {
    // SAFETY: callers pass offsets within the cell.
    let place = unsafe { cell.add(offset) };
    // SAFETY: cells are multiples of eight at multiples of eight, and the model owns what it allocated.
    unsafe { place.cast::<u64>().write(value) };
}

fn read_word(cell: *const u8, offset: usize) -> u64 {
    // SAFETY: callers pass offsets within the cell.
    let place = unsafe { cell.add(offset) };
    // SAFETY: the model wrote this word when it allocated the cell.
    unsafe { place.cast::<u64>().read() }
}

impl ModelHeap {
    pub(crate) fn new(arena: Arena, bins: &[(usize, bool)]) -> ModelHeap {
        for &(cell_bytes, drops) in bins {
            arena.new_bin(BinSpec { cell_bytes, tag: null(), drops });
        }
        let homes = bins.iter().map(|_| Home { claim: Claim::NONE, region: Region::EMPTY }).collect();
        let (live, doomed) = (BTreeMap::new(), Doomed::default());
        ModelHeap { arena, homes, birth: Birth::White, live, doomed, next_id: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// Where the objects are, lowest first.
    #[allow(dead_code, reason = "not all tests ask")]
    pub(crate) fn addresses(&self) -> Vec<usize> {
        self.live.keys().copied().collect()
    }

    /// Notes a new object and checks that its place was free.
    fn note(&mut self, cell: *mut u8, bytes: usize, drops: bool) {
        let (start, end) = (cell.expose_provenance(), cell.addr() + bytes);
        let below = self.live.range(..end).next_back();
        assert!(below.is_none_or(|(at, object)| at + object.bytes <= start), "{cell:?} was not free");
        assert!(self.doomed.0.range(start..end).next().is_none(), "{cell:?} holds a value to be dropped");
        assert!(self.arena.contains(cell));
        let align = 1 << bytes.trailing_zeros().min(12);
        assert!(start.is_multiple_of(align), "{cell:?} of {bytes} bytes is not aligned to {align}");
        self.next_id += 1;
        write_word(cell, 0, self.next_id);
        write_word(cell, bytes - 8, self.next_id);
        self.live.insert(start, Object { bytes, id: self.next_id, drops });
    }

    /// The arena's ladder, for one cell.
    pub(crate) fn alloc(&mut self, index: usize) -> Result<(), Exhausted> {
        let (bytes, drops) = {
            let bin = self.arena.bin(index).expect("bins are made at the beginning");
            (bin.cell_bytes(), bin.drops())
        };
        loop {
            if let Some(cell) = self.homes[index].region.bump(bytes) {
                self.note(cell, bytes, drops);
                return Ok(());
            }
            self.retire(index);
            let bin = self.arena.bin(index).expect("bins are made at the beginning");
            let home = &mut self.homes[index];
            if let Some(region) = self.arena.next_region(bin, &mut home.claim, self.birth) {
                home.region = region;
                continue;
            }
            self.arena.release_claim(bin, &mut home.claim);
            if !self.arena.claim_available(bin, &mut home.claim)
                && self.arena.sweep_and_claim(bin, &mut home.claim, &mut self.doomed).is_none()
            {
                self.arena.claim_fresh(bin, &mut home.claim)?;
            }
        }
    }

    pub(crate) fn alloc_large(&mut self, bytes: usize, drops: bool) -> Result<(), Exhausted> {
        let spec = LargeSpec { bytes, tag: null(), drops };
        let cell = self.arena.alloc_large(spec, self.birth, |_| {})?;
        self.note(cell.as_ptr(), bytes.next_multiple_of(BLOCK_BYTES), drops);
        Ok(())
    }

    fn retire(&mut self, index: usize) {
        let bin = self.arena.bin(index).expect("bins are made at the beginning");
        let home = &mut self.homes[index];
        let region = std::mem::replace(&mut home.region, Region::EMPTY);
        // SAFETY: the objects of this model are plain words.
        unsafe { self.arena.retire_region(bin, &mut home.claim, region, self.birth) };
    }

    fn retire_all(&mut self) {
        (0..self.homes.len()).for_each(|index| self.retire(index));
    }

    fn release_all(&mut self) {
        self.retire_all();
        for (index, home) in self.homes.iter_mut().enumerate() {
            let bin = self.arena.bin(index).expect("bins are made at the beginning");
            self.arena.release_claim(bin, &mut home.claim);
        }
    }

    /// Allocates in each bin until `count` objects are made or memory is gone.
    fn alloc_each(&mut self, count: usize) {
        for index in 0..self.homes.len() {
            for _ in 0..count {
                if self.alloc(index).is_err() {
                    return;
                }
            }
        }
    }

    fn mark(&self, keep: u8) {
        let marks = self.arena.marks(self.arena.filling_side());
        for (&address, object) in &self.live {
            if keep >> (object.id % 8) & 1 != 0 {
                let cell = std::ptr::without_provenance(address);
                // SAFETY: live objects are cells of the arena.
                let before = unsafe { marks.is_marked(cell) };
                // SAFETY: as above.
                assert_eq!(unsafe { marks.try_mark(cell) }, !before);
            }
        }
    }

    /// Takes what is not marked for dead.
    fn bury(&mut self) {
        let marks = self.arena.marks(self.arena.live_side());
        let doomed = &mut self.doomed.0;
        self.live.retain(|&address, object| {
            // SAFETY: live objects are cells of the arena.
            let lives = unsafe { marks.is_marked(std::ptr::without_provenance(address)) };
            if !lives && object.drops {
                doomed.insert(address);
            }
            lives
        });
    }

    /// A whole cycle, as a collector runs it.
    pub(crate) fn cycle(&mut self, cycle: &Cycle) {
        let [marking, turned, sweeping] = cycle.allocations;
        self.retire_all();
        self.birth = Birth::Black;
        self.mark(cycle.keep);
        self.alloc_each(marking);
        self.arena.turn();
        self.bury();
        self.alloc_each(turned);
        self.release_all();
        self.birth = Birth::White;
        let rest = self.arena.clear_filling(0..usize::MAX);
        assert_eq!(rest, None, "all blocks were asked for");
        self.alloc_each(sweeping);
        for index in 0..self.homes.len() {
            let bin = self.arena.bin(index).expect("bins are made at the beginning");
            while self.arena.sweep_one(bin, &mut self.doomed).is_some() {}
        }
        while self.arena.sweep_one_large(&mut self.doomed).is_some() {}
    }

    /// Everything that must hold between cycles. Gives all claims back.
    pub(crate) fn check(&mut self) {
        self.release_all();
        assert_eq!(self.arena.unswept_blocks(), 0);
        assert!(self.doomed.0.is_empty(), "{} dead objects were not visited", self.doomed.0.len());
        for (&address, object) in &self.live {
            let cell = std::ptr::with_exposed_provenance(address);
            let words = [read_word(cell, 0), read_word(cell, object.bytes - 8)];
            assert_eq!(words, [object.id; 2], "the contents of {cell:?} changed");
        }
        let stats = self.arena.stats();
        let cells: u64 = self.arena.bin_stats().iter().map(|bin| bin.objects()).sum();
        assert_eq!(cells + stats.large_objects, self.live.len() as u64);
        assert_eq!(stats.total_bytes, stats.in_use_bytes + stats.free_bytes);
        assert_eq!(stats.committed_bytes, stats.total_bytes - stats.released_bytes);
        self.arena.recount().expect("the counters are exact");
    }

    /// Ends the heap: every object with drop glue is visited, once.
    pub(crate) fn end(mut self) {
        self.release_all();
        let mut rest = std::mem::take(&mut self.doomed);
        rest.0.extend(self.live.iter().filter(|(_, object)| object.drops).map(|(&address, _)| address));
        self.arena.visit_remaining(&mut rest);
        assert!(rest.0.is_empty(), "{} objects were not dropped with the heap", rest.0.len());
    }
}
