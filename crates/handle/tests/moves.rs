//! Every way to take a pointer out of an object, in the middle of marking: what was taken out of an object that is not marked yet, and is
//! now in one that was born black, must have been shaded on the way.

#![forbid(unsafe_code)]

use mudlark::{
    DynTrace, Gc, GcCell, GcLazy, GcMutex, GcMutexGuard, GcOnceCell, GcPercent, GcRefCell, GcRwLock,
    GcRwLockWriteGuard, Heap, Initialize, Mutator, RefMut, Root, Scope, Tailed, Trace, Zeal, dyn_object,
};

/// What moves.
#[derive(Trace)]
struct Parcel<'gc> {
    number: u64,
    copy: Gc<'gc, u64>,
}

type Par<'gc> = Gc<'gc, Parcel<'gc>>;

fn parcel<'gc>(cx: &Scope<'gc>, number: u64) -> Par<'gc> {
    cx.alloc(Parcel { number, copy: cx.alloc(number) })
}

/// What a lazy value is made from: it sends a parcel to whoever is named at the desk. (Through the desk itself it must not go, for what is
/// taken from there is shaded.)
#[derive(Trace)]
struct Sender<'gc> {
    parcel: Par<'gc>,
    desk: Gc<'gc, Desk<'gc>>,
}

type Slot<'gc> = GcCell<Option<Par<'gc>>>;
type Desk<'gc> = GcCell<Option<Gc<'gc, Slot<'gc>>>>;

impl<'gc> Initialize<'gc, u64> for Sender<'gc> {
    fn initialize(self, cx: &Scope<'gc>) -> u64 {
        self.desk.get().expect("somebody is named").set(cx, Some(self.parcel));
        self.parcel.number
    }
}

trait Carrier<'gc>: DynTrace<'gc> {
    fn slot(&self) -> &Slot<'gc>;
}
dyn_object!(for<'gc> dyn Carrier<'gc>);

#[derive(Trace)]
struct Van<'gc>(Slot<'gc>);

impl<'gc> Carrier<'gc> for Van<'gc> {
    fn slot(&self) -> &Slot<'gc> {
        &self.0
    }
}

/// A link of a chain, with one parcel in each kind of place.
#[derive(Trace)]
struct Holder<'gc> {
    number: u64,
    next: Option<Gc<'gc, Holder<'gc>>>,
    slot: Slot<'gc>,
    list: GcRefCell<Vec<Par<'gc>>>,
    mutex: GcMutex<(u64, Option<Par<'gc>>)>,
    lock: GcRwLock<(u64, Option<Par<'gc>>)>,
    nested: GcRefCell<GcOnceCell<Par<'gc>>>,
    lazy: GcLazy<Sender<'gc>, u64>,
    tail: Gc<'gc, Tailed<u64, Slot<'gc>>>,
    carrier: Gc<'gc, dyn Carrier<'gc> + 'gc>,
    owned: Box<dyn Carrier<'gc> + 'gc>,
}

fn holder<'gc>(
    cx: &Scope<'gc>,
    number: u64,
    next: Option<Gc<'gc, Holder<'gc>>>,
    desk: Gc<'gc, Desk<'gc>>,
) -> Gc<'gc, Holder<'gc>> {
    let parcel = || parcel(cx, number);
    let slot = || Slot::new(Some(parcel()));
    cx.alloc(Holder {
        number,
        next,
        slot: slot(),
        list: GcRefCell::new(vec![parcel()]),
        mutex: GcMutex::new((number, Some(parcel()))),
        lock: GcRwLock::new((number, Some(parcel()))),
        nested: GcRefCell::new(GcOnceCell::from(parcel())),
        lazy: GcLazy::new(Sender { parcel: parcel(), desk }),
        tail: cx.alloc_tailed(number, 3, |_| slot()),
        carrier: cx.alloc_dyn(Van(slot())),
        owned: Box::new(Van(slot())),
    })
}

type Take = for<'a, 'gc> fn(&'a Scope<'gc>, Gc<'gc, Holder<'gc>>) -> Option<Par<'gc>>;

/// The ways to take a parcel out.
const WAYS: [(&str, Take); 16] = [
    ("set", |cx, holder| {
        let parcel = holder.slot.get();
        holder.slot.set(cx, None);
        parcel
    }),
    ("replace", |cx, holder| holder.slot.replace(cx, None)),
    ("take", |cx, holder| holder.slot.take(cx)),
    ("compare and exchange", |cx, holder| {
        holder.slot.compare_exchange(cx, holder.slot.get(), None).ok().flatten()
    }),
    ("swap", |cx, holder| {
        let other = Slot::new(None);
        holder.slot.swap(cx, &other);
        other.get()
    }),
    ("pop", |cx, holder| holder.list.borrow_mut(cx).pop()),
    ("replace contents", |cx, holder| holder.list.replace(cx, vec![]).pop()),
    ("take contents", |cx, holder| holder.list.take(cx).pop()),
    ("swap contents", |cx, holder| {
        let other = GcRefCell::default();
        holder.list.swap(cx, &other);
        other.into_inner().pop()
    }),
    ("narrowed borrow", |cx, holder| {
        let list = holder.list.borrow_mut(cx);
        let mut part = RefMut::filter_map(list, |list| Some(list.as_mut_slice())).ok()?;
        Some(std::mem::replace(&mut part[0], parcel(cx, 0)))
    }),
    ("narrowed mutex guard", |cx, holder| {
        GcMutexGuard::map(holder.mutex.lock(cx), |pair| &mut pair.1).take()
    }),
    ("narrowed write guard", |cx, holder| {
        GcRwLockWriteGuard::map(holder.lock.write(cx), |pair| &mut pair.1).take()
    }),
    ("nested once cell", |cx, holder| holder.nested.borrow_mut(cx).take()),
    ("seed", |cx, holder| {
        assert!(holder.lazy.get().is_none() && *holder.lazy.force(cx) == holder.number);
        None // It is there already.
    }),
    ("tail", |cx, holder| holder.tail.tail[2].take(cx)),
    ("behind a trait", |cx, holder| {
        // One in the heap, one in a box: either could be lost.
        let (one, other) = (holder.carrier.slot().take(cx)?, holder.owned.slot().take(cx)?);
        assert_eq!(one.number, other.number);
        Some(if one.number % 2 == 0 { one } else { other })
    }),
];

/// Garbage, so that a cycle begins and goes on: each scope's end does a piece of it.
fn churn(mutator: &mut Mutator) {
    mutator.enter(|cx| (0..50_u64).for_each(|number| _ = cx.alloc([number; 8])));
}

const LINKS: u64 = 500;
/// How many parcels move in one scope.
const STEP: usize = 5;

/// Moves the parcels of a long chain, from its far end, which marking reaches last, into new objects.
fn run(way: usize, workers: usize) {
    let (name, take) = WAYS[way];
    let zeal =
        Zeal { seed: way as u64, allocations_per_cycle: Some(150), fill_freed: true, ..Zeal::default() };
    let heap = Heap::builder()
        .workers(workers)
        .verify(true)
        .zeal(zeal)
        .gc_percent(GcPercent::Percent(20))
        .build()
        .expect("a heap");
    let mut mutator = heap.attach();
    let (chain, desk): (Root<Holder<'static>>, Root<Desk<'static>>) = mutator.enter(|cx| {
        let desk = cx.alloc(Desk::new(None));
        let mut last = None;
        for number in 0..LINKS {
            last = Some(holder(cx, number, last, desk));
        }
        (cx.root(last.expect("it is not empty")), cx.root(desk))
    });
    type Moved<'gc> = GcRefCell<Vec<Gc<'gc, Slot<'gc>>>>;
    let moved: Root<Moved<'static>> = mutator.enter(|cx| cx.root(cx.alloc(Moved::default())));
    let mut from = 0;
    while from < LINKS as usize {
        churn(&mut mutator);
        mutator.enter(|cx| {
            // The chain is walked once in a scope, and begins with the last number.
            let mut at = Some(chain.get(cx));
            while let Some(holder) = at {
                at = holder.next;
                if holder.number as usize >= from + STEP {
                    continue;
                }
                if (holder.number as usize) < from {
                    break;
                }
                let slot = cx.alloc(Slot::new(None));
                desk.get(cx).set(cx, Some(slot));
                if let Some(parcel) = take(cx, holder) {
                    slot.set(cx, Some(parcel));
                }
                let parcel = slot.get().expect("it was there");
                assert_eq!((parcel.number, *parcel.copy), (holder.number, holder.number), "{name}");
                moved.get(cx).borrow_mut(cx).push(slot);
            }
        });
        from += STEP;
    }
    for _ in 0..2 {
        heap.collect();
        mutator.enter(|cx| {
            let mut sum = 0;
            for slot in moved.get(cx).borrow().iter() {
                let parcel = slot.get().expect("it was moved here");
                assert_eq!(parcel.number, *parcel.copy, "{name}, {workers} workers");
                sum += parcel.number;
            }
            assert_eq!(sum, LINKS * (LINKS - 1) / 2, "{name}, {workers} workers");
        });
    }
    let report = heap.verify_report();
    assert_eq!(report.violations, Vec::<String>::new(), "{name}, {workers} workers");
    assert!(report.cycles > 1, "{name}, {workers} workers: {report:?}");
}

/// Goal: no way to take a pointer out of an object hides it from the collector. Method: all of them, while marking is spread over many
/// scopes; each cycle is checked by the verifier, and dead memory is filled.
#[test]
fn what_is_taken_out_in_the_middle_of_marking_survives() {
    for workers in 0..2 {
        for way in 0..WAYS.len() {
            run(way, workers);
        }
    }
}
