//! What a torture is like: all that is not asked for follows from the seed.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use mudlark::{GcPercent, Heap, Zeal};

use crate::error::LabError;
use crate::rng::Rng;
use crate::size::ByteSize;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct TortureRequest {
    /// Threads that work on the heap, at least 1.
    pub threads: usize,
    /// How long they do.
    pub time: Duration,
    /// After how many operations each thread ends before that.
    pub ops: Option<u64>,
    /// Where the random numbers come from.
    pub seed: u64,
    /// Background threads of the collector.
    pub workers: Option<usize>,
    /// Growth between collections.
    pub gc_percent: Option<GcPercent>,
    /// The hard limit.
    pub max_heap: Option<ByteSize>,
    /// About how large the graph of each thread becomes.
    pub live: ByteSize,
    /// Whether the heap makes rare things frequent; in some way that follows from the seed if `None`.
    pub zeal: Option<bool>,
    /// Whether a second marker checks each cycle.
    pub verify: bool,
}

/// A seed that was probably never used, short enough to be typed again.
pub fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish() >> 32
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) request: TortureRequest,
    pub(super) workers: usize,
    pub(super) gc_percent: GcPercent,
    pub(super) zeal: Zeal,
}

/// The streams of random numbers that come from one seed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Heap,
    Ops(usize),
    Details(usize),
}

impl Plan {
    pub(super) fn new(request: TortureRequest) -> Self {
        let mut rng = stream(request.seed, Stream::Heap);
        // Drawn in any case, so that an option changes nothing but what it says.
        let workers = [0, 1, 1, 2, 3][rng.below(5)];
        let percent = [25, 50, 100, 200][rng.below(4)];
        let zeal = random_zeal(&mut rng);
        Self {
            request,
            workers: request.workers.unwrap_or(workers),
            gc_percent: request.gc_percent.unwrap_or(GcPercent::Percent(percent)),
            zeal: match request.zeal {
                None => zeal,
                Some(false) => Zeal::default(),
                Some(true) => Zeal {
                    allocations_per_cycle: zeal.allocations_per_cycle.or(Some(1000)),
                    yields: true,
                    extra_rounds: true,
                    fill_freed: true,
                    ..zeal
                },
            },
        }
    }

    /// The random numbers of this plan for something.
    pub(super) fn stream(&self, stream_of: Stream) -> Rng {
        stream(self.request.seed, stream_of)
    }

    pub(super) fn heap(&self) -> Result<Heap, LabError> {
        let mut builder = Heap::builder()
            .split_safepoints(true)
            .gc_percent(self.gc_percent)
            .workers(self.workers)
            .zeal(self.zeal)
            .verify(self.request.verify);
        let max_heap = self.request.max_heap;
        if let Some(ByteSize(bytes)) = max_heap {
            // What no address space holds is for the heap to refuse.
            builder = builder.max_heap(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        builder.build().map_err(|source| LabError::Heap { max_heap, source })
    }
}

fn stream(seed: u64, stream_of: Stream) -> Rng {
    let number = match stream_of {
        Stream::Heap => 0,
        Stream::Ops(thread) => 1 + 2 * thread as u64,
        Stream::Details(thread) => 2 + 2 * thread as u64,
    };
    Rng::seeded(Rng::seeded(seed).next_u64() ^ Rng::seeded(number).next_u64().rotate_left(32))
}

/// Nothing in a third of all cases; else each kind with even odds.
fn random_zeal(rng: &mut Rng) -> Zeal {
    let is_calm = rng.below(3) == 0;
    let mut flip = |odds| rng.below(odds) == 0 && !is_calm;
    let (is_frequent, yields, extra_rounds, fill_freed) = (flip(2), flip(2), flip(2), flip(2));
    let count = [50, 200, 1000, 5000, 20_000][rng.below(5)];
    let allocations_per_cycle = is_frequent.then_some(count);
    Zeal { seed: rng.next_u64(), allocations_per_cycle, yields, extra_rounds, fill_freed }
}

#[cfg(test)]
pub(super) fn request(seed: u64) -> TortureRequest {
    TortureRequest {
        threads: 4,
        time: Duration::from_secs(2),
        ops: None,
        seed,
        workers: None,
        gc_percent: None,
        max_heap: None,
        live: ByteSize(256 << 10),
        zeal: None,
        verify: true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Stream, request};

    #[test]
    fn a_plan_follows_from_its_seed() {
        let plans = [5, 5, 6].map(|seed| Plan::new(request(seed)));
        let first = plans.map(|plan| plan.stream(Stream::Ops(0)).next_u64());
        assert_eq!((plans[0].zeal, plans[0].workers, first[0]), (plans[1].zeal, plans[1].workers, first[1]));
        assert_ne!(first[0], first[2]);
        assert_ne!(first[0], plans[0].stream(Stream::Details(0)).next_u64());
    }
}
