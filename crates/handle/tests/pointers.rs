//! Pointers that tell less than all of their object: behind a trait, erased, compared by address, with a tail.

#![forbid(unsafe_code)]

use mudlark::{
    AnyObject, ByAddress, DynTrace, Erased, Gc, GcCell, GcLazy, GcMutex, GcOnceCell, GcRefCell, GcRwLock,
    GcWeak, Heap, Root, Scope, Static, Tailed, Trace, Zeal, dyn_object,
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

/// Heaps that collect all the time, without and with a thread for it, and check every cycle.
fn heaps() -> [Heap; 2] {
    [0, 1].map(|workers| {
        let zeal = Zeal {
            seed: 7,
            allocations_per_cycle: Some(3),
            yields: true,
            extra_rounds: true,
            fill_freed: true,
        };
        Heap::builder().workers(workers).verify(true).zeal(zeal).build().expect("a heap")
    })
}

fn assert_sound(heap: &Heap) {
    let report = heap.verify_report();
    assert!(report.violations.is_empty() && report.cycles > 0, "{report:?}");
}

/// Counts how often it is dropped.
#[derive(Clone)]
struct Drops(Arc<AtomicUsize>);

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn drops() -> (Static<Drops>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    (Static(Drops(Arc::clone(&count))), count)
}

// ---- Behind a trait

trait Shape<'gc>: DynTrace<'gc> + Debug {
    fn area(&self) -> u64;
    fn name(&self) -> Gc<'gc, str>;
}
dyn_object!(for<'gc> dyn Shape<'gc>);

type Sh<'gc> = Gc<'gc, dyn Shape<'gc> + 'gc>;

#[derive(Trace, Debug)]
struct Square<'gc> {
    side: u64,
    name: Gc<'gc, str>,
    next: GcCell<Option<Gc<'gc, dyn Shape<'gc> + 'gc>>>,
}

impl<'gc> Shape<'gc> for Square<'gc> {
    fn area(&self) -> u64 {
        self.side * self.side
    }

    fn name(&self) -> Gc<'gc, str> {
        self.name
    }
}

/// With drop glue, larger than a cell, and with shapes that it owns.
#[derive(Trace)]
struct Group<'gc> {
    name: Gc<'gc, str>,
    owned: Vec<Box<dyn Shape<'gc> + 'gc>>,
    shared: GcRefCell<Vec<Gc<'gc, dyn Shape<'gc> + 'gc>>>,
    padding: [u64; 1500],
    drops: Static<Drops>,
}

impl Debug for Group<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Group").field(&self.owned).field(&self.shared).finish()
    }
}

impl<'gc> Shape<'gc> for Group<'gc> {
    fn area(&self) -> u64 {
        let owned: u64 = self.owned.iter().map(|shape| shape.area()).sum();
        assert!(self.padding.iter().all(|&word| word == 0xabcd));
        owned + self.shared.borrow().iter().map(|shape| shape.area()).sum::<u64>()
    }

    fn name(&self) -> Gc<'gc, str> {
        self.name
    }
}

/// A value without pointers and without size.
#[derive(Trace, Debug)]
struct Dot;

impl<'gc> Shape<'gc> for Dot {
    fn area(&self) -> u64 {
        0
    }

    fn name(&self) -> Gc<'gc, str> {
        unreachable!("dots have no name")
    }
}

fn square<'gc>(cx: &Scope<'gc>, side: u64) -> Square<'gc> {
    Square { side, name: cx.alloc_str(&format!("square of {side}")), next: GcCell::new(None) }
}

/// Goal: objects behind a trait are called, kept, followed and dropped like others: of any size, owned and shared, in every kind of place.
/// Method: a graph of such objects, looked at after cycles that the verifier checks.
#[test]
fn objects_behind_traits_live_like_others() {
    #[derive(Trace)]
    struct Places<'gc> {
        cell: GcCell<Gc<'gc, dyn Shape<'gc> + 'gc>>,
        weak: GcWeak<'gc, dyn Shape<'gc> + 'gc>,
        lost: GcWeak<'gc, dyn Shape<'gc> + 'gc>,
        boxed: GcMutex<Box<dyn Shape<'gc> + 'gc>>,
        slice: Gc<'gc, [Gc<'gc, dyn Shape<'gc> + 'gc>]>,
    }
    assert_eq!(size_of::<Option<Gc<'static, dyn Shape<'static>>>>(), size_of::<usize>());
    for heap in heaps() {
        let mut mutator = heap.attach();
        let (count, root) = mutator.enter(|cx| {
            let (drops, count) = drops();
            let shared: Sh<'_> = cx.alloc_dyn(square(cx, 2));
            let group: Sh<'_> = cx.alloc_dyn(Group {
                name: cx.alloc_str("group"),
                owned: vec![Box::new(square(cx, 3)), Box::new(Dot)],
                shared: GcRefCell::new(vec![shared, shared]),
                padding: [0xabcd; 1500],
                drops,
            });
            let lost: Sh<'_> = cx.alloc_dyn(square(cx, 7));
            let root: Root<Places<'static>> = cx.root(cx.alloc(Places {
                cell: GcCell::new(group),
                weak: GcWeak::new(cx, shared),
                lost: GcWeak::new(cx, lost),
                boxed: GcMutex::new(Box::new(square(cx, 5))),
                slice: cx.alloc_slice_with(3, |_| cx.alloc_dyn(Dot)),
            }));
            (count, root)
        });
        for _ in 0..2 {
            mutator.collect();
            mutator.enter(|cx| {
                let places = root.get(cx);
                let group = places.cell.get();
                assert_eq!((group.area(), &*group.name()), (9 + 4 + 4, "group"));
                let shared = places.weak.upgrade(cx).expect("the group has it");
                assert_eq!(&*shared.name(), "square of 2");
                assert!(places.lost.upgrade(cx).is_none());
                assert_eq!(&*places.boxed.lock(cx).name(), "square of 5");
                assert_eq!(places.slice.iter().map(|shape| shape.area()).sum::<u64>(), 0);
                assert!(Gc::downcast_ref::<Group<'_>>(group).is_some_and(|group| group.owned.len() == 2));
                assert!(Gc::downcast_ref::<Square<'_>>(group).is_none());
                assert!(Gc::downcast_ref::<Dot>(places.slice[1]).is_some());
            });
            assert_eq!(count.load(SeqCst), 0);
        }
        mutator.enter(|cx| {
            let places = root.get(cx);
            places.cell.set(cx, cx.alloc_dyn(Dot));
            *places.boxed.lock(cx) = Box::new(Dot);
        });
        mutator.collect();
        assert_eq!(count.load(SeqCst), 1, "the group is dropped, once");
        mutator.enter(|cx| assert!(root.get(cx).weak.upgrade(cx).is_none()));
        assert_sound(&heap);
        drop(root);
        mutator.collect();
        assert_eq!(heap.stats().live_bytes, 0);
    }
}

/// Goal: an object behind a trait takes one word more than its value, and its root goes to another thread if the trait says it may.
#[test]
fn objects_behind_traits_are_shared_between_threads() {
    trait Task<'gc>: DynTrace<'gc> + Send + Sync {
        fn run(&self) -> u64;
    }
    dyn_object!(for<'gc> dyn Task<'gc>);
    #[derive(Trace)]
    struct Add<'gc>(Gc<'gc, u64>, u64);
    impl<'gc> Task<'gc> for Add<'gc> {
        fn run(&self) -> u64 {
            *self.0 + self.1
        }
    }
    for heap in heaps() {
        let task: Root<dyn Task<'static>> = heap.attach().enter(|cx| {
            let number = cx.alloc(1_u64);
            let task: Gc<'_, dyn Task<'_>> = cx.alloc_dyn(Add(number, 2));
            cx.root(task)
        });
        heap.collect();
        // 24 of the object, and 16 of the number.
        assert_eq!(heap.stats().live_bytes, 24 + 16);
        let sum = thread::scope(|scope| {
            scope.spawn(|| heap.attach().enter(|cx| task.get(cx).run())).join().expect("the task is done")
        });
        assert_eq!(sum, 3);
    }
}

/// Goal: a full heap gives the value back, for small and for large objects behind a trait.
#[test]
fn a_full_heap_gives_values_back() {
    let heap = Heap::builder().workers(0).max_heap(1 << 20).build().expect("a heap");
    heap.attach().enter(|cx| {
        let mut list: Vec<Gc<'_, dyn AnyObject<'_>>> = Vec::new();
        let error = loop {
            match cx.try_alloc_dyn([list.len(); 2000]) {
                Ok(object) => list.push(object),
                Err(error) => break error,
            }
        };
        assert_eq!(error.value, [list.len(); 2000]);
        let error = loop {
            match cx.try_alloc_dyn([list.len(); 20]) {
                Ok(object) => list.push(object),
                Err(error) => break error,
            }
        };
        assert_eq!(error.value, [list.len(); 20]);
        for (index, &object) in list.iter().enumerate() {
            let large = Gc::downcast_ref::<[usize; 2000]>(object).map(|words| words.as_slice());
            let small = Gc::downcast_ref::<[usize; 20]>(object).map(|words| words.as_slice());
            assert!(large.or(small).expect("one of the two").iter().all(|&word| word == index));
        }
        let error = cx.try_alloc_tailed(7_u8, 1 << 20, |index| index).expect_err("it is too large");
        assert_eq!(error.value, 7);
        assert_eq!(cx.try_alloc_tailed(7_u8, usize::MAX, |index| index).expect_err("as well").value, 7);
        let error = cx.try_alloc_tailed_copy("head", &[0_u64; 1 << 17]).expect_err("as well");
        assert_eq!(error.value, "head");
    });
}

// ---- Erased

mod one {
    #[derive(mudlark::Trace)]
    pub(super) struct Same<'gc>(pub(super) mudlark::Gc<'gc, str>);
}

mod other {
    #[derive(mudlark::Trace)]
    pub(super) struct Same<'gc>(pub(super) mudlark::Gc<'gc, str>);
}

#[derive(Trace)]
struct Generic<'gc, T, const N: usize> {
    value: [T; N],
    name: Gc<'gc, str>,
}

/// Goal: an erased pointer comes back as what it was and as nothing else, whatever kind of object it leads to. Method: objects of many kinds, among
/// them types that look alike; each is asked for each type, also after it went through a root.
#[test]
fn erased_pointers_know_their_types() {
    macro_rules! types_of {
        ($cx:ident, $erased:expr, $($ty:ty),+ $(,)?) => {
            [$($erased.downcast::<$ty>($cx).is_some()),+]
        };
    }
    for heap in heaps() {
        let mut mutator = heap.attach();
        const KINDS: usize = 11;
        let roots: Vec<Root<Erased<'static>>> = mutator.enter(|cx| {
            let name = cx.alloc_str("name");
            let dynamic: Sh<'_> = cx.alloc_dyn(square(cx, 1));
            let objects: [Gc<'_, Erased<'_>>; KINDS] = [
                Gc::erase(cx.alloc(one::Same(name))),
                Gc::erase(cx.alloc(other::Same(name))),
                Gc::erase(cx.alloc(Generic { value: [1_u64; 1], name })),
                Gc::erase(cx.alloc(Generic { value: [1_u64; 2], name })),
                Gc::erase(cx.alloc(Generic { value: [1_i64; 2], name })),
                Gc::erase(cx.alloc_slice_with(0, |_| name)),
                Gc::erase(cx.alloc_slice_with(3000, |_| Some(name))),
                Gc::erase(cx.alloc(vec![1_u8])),
                Gc::erase(dynamic),
                Gc::erase(cx.alloc_tailed(name, 2, |_| 1_u8)),
                Gc::erase(cx.alloc(square(cx, 1))),
            ];
            objects.into_iter().map(|object| cx.root(object)).collect()
        });
        mutator.collect();
        mutator.enter(|cx| {
            for (index, root) in roots.iter().enumerate() {
                let erased = Gc::erase(root.get(cx));
                let is: [bool; KINDS] = types_of!(
                    cx,
                    erased,
                    one::Same<'_>,
                    other::Same<'_>,
                    Generic<'_, u64, 1>,
                    Generic<'_, u64, 2>,
                    Generic<'_, i64, 2>,
                    [Gc<'_, str>],
                    [Option<Gc<'_, str>>],
                    Vec<u8>,
                    dyn Shape<'_>,
                    Tailed<Gc<'_, str>, u8>,
                    Square<'_>,
                );
                assert_eq!(is, std::array::from_fn(|kind| kind == index), "object {index}");
            }
            let shape = roots[8].get(cx).downcast::<dyn Shape<'_>>(cx).expect("it is a shape");
            assert_eq!((shape.area(), &*shape.name()), (1, "square of 1"));
            let slice = roots[6].get(cx).downcast::<[Option<Gc<'_, str>>]>(cx).expect("it is a slice");
            assert!(slice.len() == 3000 && slice[2999].as_deref() == Some("name"));
            let erased = Gc::erase(cx.alloc(1_u64));
            assert!(
                erased.downcast::<Vec<u8>>(cx).is_none() && erased.downcast::<dyn Shape<'_>>(cx).is_none()
            );
        });
        assert_sound(&heap);
    }
}

/// Goal: an object of any type can be asked for it, pointer-free or not, and says no to every other.
#[test]
fn any_objects_know_their_types() {
    heaps()[0].attach().enter(|cx| {
        let text = cx.alloc_str("text");
        let any: [Gc<'_, dyn AnyObject<'_>>; 5] = [
            cx.alloc_dyn(1_u64),
            cx.alloc_dyn(1_i64),
            cx.alloc_dyn(text),
            cx.alloc_dyn(()),
            cx.alloc_dyn(vec![text]),
        ];
        for (index, &object) in any.iter().enumerate() {
            let is = [
                Gc::downcast_ref::<u64>(object) == Some(&1),
                Gc::downcast_ref::<i64>(object) == Some(&1),
                Gc::downcast_ref::<Gc<'_, str>>(object).is_some_and(|&found| Gc::ptr_eq(found, text)),
                Gc::downcast_ref::<()>(object).is_some(),
                Gc::downcast_ref::<Vec<Gc<'_, str>>>(object).is_some_and(|list| &*list[0] == "text"),
            ];
            assert_eq!(is, std::array::from_fn(|kind| kind == index), "object {index}");
        }
    });
}

// ---- Identity

/// Goal: pointers are keys by address: equal values are different keys, copies are the same. Method: a map and a set in the heap, after a cycle.
#[test]
fn pointers_are_keys_by_address() {
    #[derive(Trace)]
    struct Table<'gc> {
        names: GcRefCell<HashMap<ByAddress<'gc, u64>, Gc<'gc, str>>>,
        order: GcRefCell<BTreeSet<ByAddress<'gc, dyn Shape<'gc> + 'gc>>>,
    }
    for heap in heaps() {
        let mut mutator = heap.attach();
        let (keys, table): (Root<[Gc<'static, u64>]>, Root<Table<'static>>) = mutator.enter(|cx| {
            let keys = cx.alloc_slice_with(100, |_| cx.alloc(7_u64));
            let names =
                keys.iter().enumerate().map(|(index, &key)| (key.into(), cx.alloc_str(&index.to_string())));
            let order = (0..10).map(|side| ByAddress(cx.alloc_dyn(square(cx, side)) as Sh<'_>));
            let table =
                Table { names: GcRefCell::new(names.collect()), order: GcRefCell::new(order.collect()) };
            (cx.root(keys), cx.root(cx.alloc(table)))
        });
        mutator.collect();
        mutator.enter(|cx| {
            let table = table.get(cx);
            let names = table.names.borrow();
            assert_eq!((names.len(), table.order.borrow().len()), (100, 10));
            for (index, &key) in keys.get(cx).iter().enumerate() {
                assert_eq!(*names[&ByAddress(key)], *index.to_string());
            }
            assert!(!names.contains_key(&ByAddress(cx.alloc(7))));
            let order = table.order.borrow();
            assert!(order.iter().is_sorted_by_key(|shape| Gc::address(shape.0)));
            assert_eq!(order.iter().map(|shape| shape.area()).sum::<u64>(), 285);
        });
        assert_sound(&heap);
    }
}

#[derive(Trace, Debug)]
struct Knot<'gc> {
    cell: GcCell<Option<Gc<'gc, Knot<'gc>>>>,
    list: GcRefCell<Vec<Gc<'gc, Knot<'gc>>>>,
    mutex: GcMutex<Option<Gc<'gc, Knot<'gc>>>>,
    lock: GcRwLock<Option<Gc<'gc, Knot<'gc>>>>,
    once: GcOnceCell<Gc<'gc, Knot<'gc>>>,
    lazy: GcLazy<(), Gc<'gc, Knot<'gc>>>,
    weak: GcCell<Option<GcWeak<'gc, Knot<'gc>>>>,
    shape: GcCell<Option<Gc<'gc, dyn Shape<'gc> + 'gc>>>,
    tail: GcCell<Option<Gc<'gc, Tail<'gc>>>>,
}

type Tail<'gc> = Tailed<u8, Gc<'gc, Knot<'gc>>>;

/// Goal: formatting ends, however the pointers go round. Method: an object that leads to itself through every kind of cell and pointer.
#[test]
fn cycles_are_formatted() {
    heaps()[0].attach().enter(|cx| {
        let knot = cx.alloc(Knot {
            cell: GcCell::new(None),
            list: GcRefCell::default(),
            mutex: GcMutex::default(),
            lock: GcRwLock::default(),
            once: GcOnceCell::new(),
            lazy: GcLazy::new(()),
            weak: GcCell::new(None),
            shape: GcCell::new(None),
            tail: GcCell::new(None),
        });
        let shape = cx.alloc_dyn(square(cx, 1)) as Sh<'_>;
        let ring = Gc::downcast_ref::<Square<'_>>(shape).expect("it is a square");
        ring.next.set(cx, Some(shape));
        assert!(format!("{shape:?}").contains("Gc(…)"));

        knot.cell.set(cx, Some(knot));
        assert!(format!("{knot:?}").contains("Gc(…)"), "through `GcCell`");
        knot.cell.set(cx, None);
        knot.list.borrow_mut(cx).push(knot);
        assert!(format!("{knot:?}").contains("Gc(…)"), "through `GcRefCell`");
        let borrowed = knot.list.borrow_mut(cx);
        assert!(format!("{knot:?}").contains("GcRefCell(<borrowed>)"));
        drop(borrowed);
        knot.list.take(cx);
        *knot.mutex.lock(cx) = Some(knot);
        assert!(
            format!("{knot:?}").contains("GcMutex(<locked>)"),
            "through `GcMutex`, which is locked meanwhile"
        );
        *knot.mutex.lock(cx) = None;
        *knot.lock.write(cx) = Some(knot);
        assert!(format!("{knot:?}").contains("Gc(…)"), "through `GcRwLock`");
        *knot.lock.write(cx) = None;
        knot.tail.set(cx, Some(cx.alloc_tailed(1, 1, |_| knot)));
        assert!(format!("{knot:?}").contains("Gc(…)"), "through `Tailed`");
        knot.tail.set(cx, None);
        knot.weak.set(cx, Some(GcWeak::new(cx, knot)));
        knot.shape.set(cx, Some(shape));
        assert!(format!("{knot:?}").contains("(GcWeak)"));
        assert!(knot.once.set(cx, knot).is_ok());
        assert!(format!("{knot:?}").contains("Gc(…)"), "through `GcOnceCell`");
        assert_eq!(format!("{:?}", ByAddress(knot)), format!("ByAddress({:#x})", Gc::address(knot)));
    });
}

// ---- Header and tail

/// Goal: header and elements lie as the compiler says, for layouts of all kinds. Method: what was written is read, and addresses are aligned.
#[test]
fn headers_and_tails_lie_where_they_should() {
    #[derive(Trace, Clone, Copy, PartialEq, Debug)]
    #[repr(align(64))]
    struct Wide(u8);
    fn check<'gc, H, T>(cx: &Scope<'gc>, header: H, element: impl Fn(usize) -> T)
    where
        H: Trace<'gc> + Copy + PartialEq + Debug + 'gc,
        T: Trace<'gc> + Copy + PartialEq + Debug + 'gc,
    {
        for len in [0, 1, 2, 3, 7, 100, 5000] {
            let elements: Vec<T> = (0..len).map(&element).collect();
            let objects = [
                cx.alloc_tailed(header, len, &element),
                cx.alloc_tailed_from_iter(header, elements.clone()),
                cx.alloc_tailed_copy(header, &elements),
            ];
            for object in objects {
                assert_eq!((object.header, &object.tail), (header, elements.as_slice()));
                assert_eq!(std::ptr::from_ref(&*object).addr() % align_of_val(&*object), 0);
                assert!(std::ptr::from_ref(&object.header).is_aligned() && object.tail.as_ptr().is_aligned());
            }
        }
    }
    heaps()[0].attach().enter(|cx| {
        check(cx, 1_u8, |index| index as u8);
        check(cx, 1_u8, |index| index as u64);
        check(cx, 1_u128, |index| index as u8);
        check(cx, (), |index| index as u128);
        check(cx, Wide(1), |index| index as u16);
        check(cx, 1_u16, |index| Wide(index as u8));
        check(cx, [1_u64; 3], |_| ());
        check(cx, cx.alloc(1_u64), |index| (index as u32, 1_u8));
    });
}

/// Goal: a tail is traced in pieces and as a whole, dropped once, and short if its maker unwinds or its iterator ends. Method: long tails with
/// pointers and drop glue.
#[test]
fn tails_are_traced_and_dropped() {
    #[derive(Trace)]
    struct Element<'gc> {
        number: Gc<'gc, usize>,
        drops: Static<Drops>,
    }
    /// Says that it has more than it gives.
    struct Liar(std::vec::IntoIter<u64>);
    impl Iterator for Liar {
        type Item = u64;
        fn next(&mut self) -> Option<u64> {
            self.0.next()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (2, Some(2))
        }
    }
    impl ExactSizeIterator for Liar {}

    const LEN: usize = 4000;
    for heap in heaps() {
        let mut mutator = heap.attach();
        let (header, head_drops) = drops();
        let (element, tail_drops) = drops();
        type Long<'gc> = Tailed<(Static<Drops>, Gc<'gc, str>), Element<'gc>>;
        let mut root: Option<Root<Long<'static>>> = None;
        let unwound = mutator.enter(|cx| {
            let make = |index: usize| Element { number: cx.alloc(index), drops: element.clone() };
            root = Some(cx.root(cx.alloc_tailed((header.clone(), cx.alloc_str("long")), LEN, make)));
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                cx.alloc_tailed((header.clone(), cx.alloc_str("short")), LEN, |index| {
                    assert!(index < 10, "as planned");
                    make(index)
                });
            }));
            assert_eq!(
                (head_drops.load(SeqCst), tail_drops.load(SeqCst)),
                (0, 10),
                "what was made is dropped"
            );
            let short = cx.alloc_tailed_from_iter((), Liar(vec![1].into_iter()));
            assert_eq!(short.tail, [1]);
            let long = cx.alloc_tailed_from_iter((), Liar(vec![1, 2, 3].into_iter()));
            assert_eq!(long.tail, [1, 2]);
            unwound
        });
        assert!(unwound.is_err());
        for _ in 0..2 {
            mutator.collect();
            assert_eq!(
                (head_drops.load(SeqCst), tail_drops.load(SeqCst)),
                (1, 10),
                "the unfinished one is gone"
            );
            mutator.enter(|cx| {
                let long = root.as_ref().expect("it was made").get(cx);
                assert_eq!((&*long.header.1, long.tail.len()), ("long", LEN));
                assert!(long.tail.iter().enumerate().all(|(index, element)| *element.number == index));
            });
        }
        drop(root);
        mutator.collect();
        assert_eq!((head_drops.load(SeqCst), tail_drops.load(SeqCst)), (2, 10 + LEN));
        assert_eq!(heap.stats().live_bytes, 0);
        assert_sound(&heap);
    }
}
