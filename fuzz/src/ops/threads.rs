//! Running a program: on one thread, or its two halves on two.
//!
//! Each thread has a machine of its own, with its own objects, mutators and model, on the one heap. What they share is the [`Plaza`].
//!
//! | threads | who runs when | what it is for |
//! |---|---|---|
//! | `One` | all steps in order, mutators in each other | orders of steps; without background threads a run repeats itself |
//! | `Turns` | one of the two, which passes the baton on after some steps, in a scope or not | mutators on different threads in different stages of a cycle, again and again the same |
//! | `Free` | both | races |

use super::{
    Op, Program, Setup, Threads, Turn,
    machine::Machine,
    objects::{Ledger, Ticket},
};
use mudlark::{CleanupRunner, Gc, GcCell, GcMutex, GcPercent, Heap, Mutator, Root, Trace, Zeal};
use std::{
    cell::Cell,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// Runs a program.
///
/// # Panics
///
/// When the heap is not what the model says.
pub fn run(program: &Program) {
    let setup = program.setup;
    let Threads::One = setup.threads else { return run_on_two(program) };
    let ledger = Part { setup, baton: Baton::None, plaza: None }.run(heap(setup), &program.ops);
    ledger.check_end();
}

fn run_on_two(program: &Program) {
    let setup = Setup { tight: false, ..program.setup };
    let heap = heap(setup);
    let plaza = Arc::new(Plaza::new(&heap));
    let turns = match setup.threads {
        Threads::Turns { steps } => Some((Arc::<Turns>::default(), u32::from(steps).max(1))),
        _ => None,
    };
    let (one, two) = program.ops.split_at(program.ops.len() / 2);
    let ledgers = thread::scope(|scope| {
        let threads = [one, two].into_iter().enumerate().map(|(me, ops)| {
            let (heap, plaza) = (heap.clone(), Some(Arc::clone(&plaza)));
            let baton = Baton::new(me, turns.clone());
            scope.spawn(move || Part { setup, baton, plaza }.run(heap, ops))
        });
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread agrees with its model"))
            .collect::<Vec<_>>()
    });
    let parcels = plaza.end(&heap);
    recount(&heap);
    assert_eq!(heap.verify_report().violations, Vec::<String>::new());
    drop(heap);
    ledgers.iter().chain([&parcels]).for_each(|ledger| ledger.check_end());
}

fn heap(setup: Setup) -> Heap {
    let allocations = u32::from(setup.zeal.allocations);
    let zeal = Zeal {
        seed: setup.zeal.seed.into(),
        allocations_per_cycle: (allocations > 0).then_some(allocations),
        yields: setup.zeal.yields,
        extra_rounds: setup.zeal.extra_rounds,
        fill_freed: setup.zeal.fill_freed,
    };
    Heap::builder()
        .workers(usize::from(setup.background))
        .max_heap(if setup.tight { 4 << 20 } else { 64 << 20 })
        .gc_percent(setup.percent)
        .zeal(zeal)
        .verify(setup.zeal.verify)
        .cleanups(CleanupRunner::Program)
        .build()
        .expect("a heap")
}

/// What a thread does.
struct Part {
    setup: Setup,
    baton: Baton,
    plaza: Option<Arc<Plaza>>,
}

impl Part {
    /// Does all steps, checks what comes of them, and gives up all it has of the heap; unless the heap goes on, it has ended then.
    fn run(self, heap: Heap, ops: &[Op]) -> Arc<Ledger> {
        let Part { setup, baton, plaza } = self;
        baton.begin();
        let is_alone = plaza.is_none();
        let (mut first, mut second) = (heap.attach(), heap.attach());
        let mut machine = Machine::new(heap, plaza, baton);
        let ballast = setup.ballast.then(|| ballast(&mut first));
        machine.run(ops, &mut first, &mut second);
        machine.collect(&mut first, Heap::collect);
        drop((first, second));
        let Machine { heap, roots, stash, ledger, ramp_up, baton, .. } = machine;
        drop(ramp_up);
        if is_alone {
            recount(&heap);
            assert_eq!(heap.verify_report().violations, Vec::<String>::new());
        }
        if setup.roots_last {
            drop((heap, ballast));
            drop((roots, stash));
        } else {
            drop((roots, stash, ballast));
            baton.without(|| heap.collect());
            ledger.check(|_| 1);
        }
        ledger
    }
}

impl Machine {
    fn run(&mut self, ops: &[Op], first: &mut Mutator, twin: &mut Mutator) {
        let mut ops = ops.iter().copied();
        let mut next = None;
        while let Some(op) = next.take().or_else(|| ops.next()) {
            next = match op {
                Op::Turn(Turn::Outside(outside)) => {
                    self.baton.step();
                    self.outside(outside, first, twin);
                    None
                }
                Op::Turn(Turn::Leave | Turn::EndFrame) => None,
                Op::Turn(Turn::Frame { second }) => {
                    self.baton.step();
                    let (mutator, other) =
                        if second { (&mut *twin, &mut *first) } else { (&mut *first, &mut *twin) };
                    mutator.frame(|frame| self.frame(frame, None, other, &mut ops))
                }
                Op::Turn(Turn::Enter { second: true }) => self.scope(twin, Some(first), None, &mut ops),
                Op::Turn(Turn::Enter { second: false }) => self.scope(first, Some(twin), None, &mut ops),
                op => self.scope(first, Some(twin), Some(op), &mut ops),
            };
        }
    }
}

/// A megabyte in a whole chunk of roots, which are marked before those of the program: what these lead to stays white
/// for many safepoints. The model does not know of it.
fn ballast(mutator: &mut Mutator) -> Vec<Root<[u64]>> {
    // The other thread may have set a hard limit already.
    mutator.enter(|cx| {
        let pieces = (0..256_u64).map_while(|n| cx.try_alloc_slice_with(512, |_| n).ok());
        pieces.map(|piece| cx.root(piece)).collect()
    })
}

/// The exact counters are right when nothing moves. The background may be at the end of a cycle or give memory back; what is
/// wrong stays so.
fn recount(heap: &Heap) {
    heap.set_gc_percent(GcPercent::Off);
    heap.collect();
    let mut result = heap.recount();
    for _ in 0..1000 {
        if result.is_ok() {
            break;
        }
        thread::yield_now();
        result = heap.recount();
    }
    result.expect("the counters are exact");
}

// ---- turns

/// Whose turn it is.
#[derive(Default)]
pub(super) struct Turns {
    state: Mutex<TurnState>,
    changed: Condvar,
}

#[derive(Default)]
struct TurnState {
    turn: usize,
    /// Who takes no turns now: it is at its end, or waits for the heap.
    is_out: [bool; 2],
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, TurnState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut TurnState)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn wait_for(&self, me: usize) {
        let mut state = self.lock();
        while state.turn != me && !state.is_out[1 - me] {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.turn = me;
    }
}

/// A thread's part in the turns, if turns are taken.
pub(super) enum Baton {
    None,
    Turns { me: usize, turns: Arc<Turns>, steps: u32, left: Cell<u32> },
}

impl Baton {
    fn new(me: usize, turns: Option<(Arc<Turns>, u32)>) -> Baton {
        match turns {
            None => Baton::None,
            Some((turns, steps)) => Baton::Turns { me, turns, steps, left: Cell::new(steps) },
        }
    }

    fn begin(&self) {
        if let Baton::Turns { me, turns, .. } = self {
            turns.wait_for(*me);
        }
    }

    /// Before a step: when the turn is over, the other thread has one.
    pub(super) fn step(&self) {
        let Baton::Turns { me, turns, steps, left } = self else { return };
        if left.get() > 0 {
            left.set(left.get() - 1);
            return;
        }
        left.set(*steps);
        turns.change(|state| state.turn = 1 - me);
        turns.wait_for(*me);
    }

    /// Does what may have to wait for the other thread, which goes on meanwhile.
    pub(super) fn without<R>(&self, work: impl FnOnce() -> R) -> R {
        let Baton::Turns { me, turns, .. } = self else { return work() };
        turns.change(|state| (state.turn, state.is_out[*me]) = (1 - me, true));
        let result = work();
        turns.change(|state| state.is_out[*me] = false);
        turns.wait_for(*me);
        result
    }
}

impl Drop for Baton {
    /// Also when a check fails, so that the other thread comes to its end.
    fn drop(&mut self) {
        if let Baton::Turns { me, turns, .. } = self {
            turns.change(|state| (state.turn, state.is_out[*me]) = (1 - *me, true));
        }
    }
}

// ---- what threads share

/// An object that goes from thread to thread, and what it was made in exchange for.
#[derive(Trace)]
struct Parcel<'gc> {
    number: u64,
    /// Made of the number.
    seal: u64,
    depth: u32,
    before: GcCell<Option<Gc<'gc, Parcel<'gc>>>>,
    #[trace(skip)]
    ticket: Ticket,
}

/// Where parcels lie.
#[derive(Trace)]
struct Exchange<'gc> {
    parcels: GcMutex<Vec<Gc<'gc, Parcel<'gc>>>>,
}

/// What the two threads share.
pub(super) struct Plaza {
    exchange: Root<Exchange<'static>>,
    ledger: Arc<Ledger>,
}

const DEPTH_MAX: u32 = 8;

fn seal(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5EA1
}

impl Plaza {
    fn new(heap: &Heap) -> Plaza {
        let exchange =
            heap.attach().enter(|cx| cx.root(cx.alloc(Exchange { parcels: GcMutex::new(Vec::new()) })));
        Plaza { exchange, ledger: Arc::default() }
    }

    /// Takes some parcels, looks into them, and leaves others.
    pub(super) fn exchange(&self, mutator: &mut Mutator, count: usize) {
        mutator.enter(|cx| {
            let exchange = self.exchange.get(cx);
            for _ in 0..=count % 16 {
                let taken = {
                    let mut parcels = exchange.parcels.lock(cx);
                    let taken = parcels.len() / 2;
                    (parcels.len() > 4).then(|| parcels.swap_remove(taken))
                };
                let mut next = taken;
                while let Some(parcel) = next {
                    assert_eq!(parcel.seal, seal(parcel.number), "a parcel is broken");
                    assert_eq!(
                        self.ledger.drops(parcel.ticket.number),
                        0,
                        "a parcel is reachable and dropped"
                    );
                    next = parcel.before.get();
                }
                let ticket = self.ledger.ticket(0);
                let number = ticket.number as u64;
                let before = taken.filter(|taken| taken.depth < DEPTH_MAX);
                let depth = before.map_or(0, |before| before.depth + 1);
                let before = GcCell::new(before);
                let Ok(parcel) = cx.try_alloc(Parcel { number, seal: seal(number), depth, before, ticket })
                else {
                    continue;
                };
                if let Some(taken) = taken {
                    taken.before.set(cx, None);
                }
                exchange.parcels.lock(cx).push(parcel);
            }
        });
    }

    /// Everything on the plaza is garbage, and goes.
    fn end(self: Arc<Plaza>, heap: &Heap) -> Arc<Ledger> {
        let ledger = Arc::clone(&self.ledger);
        drop(self);
        heap.collect();
        ledger.check(|_| 1);
        ledger
    }
}
