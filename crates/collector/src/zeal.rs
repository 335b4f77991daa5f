//! Zeal: a heap that makes rare things happen often, for tests.

use crate::{heap::Core, local::Local, mutator::Mutator};
use mudlark_arena::sync::thread;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a heap does more often than it needs to. Nothing by default.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Zeal {
    /// Where the random choices come from. With one thread and no background threads a seed decides everything.
    pub seed: u64,
    /// Asks for a cycle after each so many allocations of one kind.
    pub allocations_per_cycle: Option<u32>,
    /// Gives the processor away at random edges between phases.
    pub yields: bool,
    /// Adds rounds of handshakes at random before marking ends.
    pub extra_rounds: bool,
    /// Fills cells when they are swept, and (built with `--cfg mudlark_asan`) tells AddressSanitizer that nobody may touch
    /// them.
    pub fill_freed: bool,
}

/// One of so many choices is taken.
const ODDS: u64 = 4;

/// A heap's zeal, and its dice.
#[derive(Debug)]
pub(crate) struct Zealot {
    zeal: Zeal,
    /// Not a modeled atomic: dice need no exploring.
    state: AtomicU64,
}

impl Zealot {
    pub(crate) fn new(zeal: Zeal) -> Zealot {
        Zealot { zeal, state: AtomicU64::new(zeal.seed) }
    }

    /// Rolls the dice: splitmix64.
    fn chooses(&self) -> bool {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.state.fetch_add(GAMMA, Relaxed).wrapping_add(GAMMA);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31).is_multiple_of(ODDS)
    }

    /// At the edge of a phase.
    pub(crate) fn at_edge(&self) {
        if self.zeal.yields && self.chooses() {
            thread::yield_now();
        }
    }

    /// Whether to make another round before marking ends.
    pub(crate) fn wants_round(&self) -> bool {
        self.zeal.extra_rounds && self.chooses()
    }

    /// How many bytes of a region of such cells may be used before the slow path is taken again.
    pub(crate) fn stretch_bytes(&self, cell_bytes: usize) -> usize {
        self.zeal.allocations_per_cycle.map_or(usize::MAX, |count| count.max(1) as usize * cell_bytes)
    }
}

impl Core {
    /// An allocation took the slow path only because of zeal: asks for a cycle.
    #[cold]
    pub(crate) fn ask_out_of_zeal(&self, mutator: &Mutator) {
        if self.zealot.zeal.allocations_per_cycle.is_some() {
            self.driver.request();
            mutator.poll_at_exit();
            if self.background.has_threads() && self.background.ask() {
                self.queue.driver.ring();
            }
        }
    }
}

impl Local {
    /// The end of the part of a region that the fast path may use.
    pub(crate) fn fast_limit(&self, cursor: *mut u8, limit: *mut u8, cell_bytes: usize) -> *mut u8 {
        let left = limit.addr() - cursor.addr();
        cursor.wrapping_add(left.min(self.core().zealot.stretch_bytes(cell_bytes)))
    }
}
