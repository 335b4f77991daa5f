//! Cells while cycles run: mutation between and within the phases of marking, without background threads, so that every
//! run is the same.

use mudlark::{
    BorrowMutError, Gc, GcCell, GcPercent, GcRefCell, Heap, Mutator, Ref, RefMut, Root, Scope, Trace, Zeal,
};

#[derive(Trace)]
struct Node<'gc> {
    number: u64,
    one: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    many: GcRefCell<Vec<Gc<'gc, Node<'gc>>>>,
    nested: GcRefCell<GcRefCell<Option<Gc<'gc, Node<'gc>>>>>,
}

fn node<'gc>(cx: &Scope<'gc>, number: u64) -> Gc<'gc, Node<'gc>> {
    cx.alloc(Node {
        number,
        one: GcCell::new(None),
        many: GcRefCell::new(Vec::new()),
        nested: GcRefCell::new(GcRefCell::new(None)),
    })
}

const PLACES: usize = 9;

/// Puts a node into one of the places of another.
fn put<'gc>(cx: &Scope<'gc>, at: Gc<'gc, Node<'gc>>, place: usize, node: Gc<'gc, Node<'gc>>) {
    match place {
        0 => at.one.set(cx, Some(node)),
        1 => at.many.borrow_mut(cx).push(node),
        2 => *at.nested.borrow_mut(cx) = GcRefCell::new(Some(node)),
        3 => *at.nested.borrow().borrow_mut(cx) = Some(node),
        4 => {
            let now = at.one.get();
            assert!(at.one.compare_exchange(cx, now, Some(node)).is_ok(), "nobody else is here");
        }
        5 => at.one.swap(cx, &GcCell::new(Some(node))),
        6 => drop(at.many.replace(cx, vec![node])),
        7 => *RefMut::map(at.nested.borrow_mut(cx), GcRefCell::get_mut) = Some(node),
        _ => at.nested.borrow().swap(cx, &GcRefCell::new(Some(node))),
    }
}

/// Takes the node out again.
fn take<'gc>(cx: &Scope<'gc>, at: Gc<'gc, Node<'gc>>, place: usize) -> Option<Gc<'gc, Node<'gc>>> {
    match place {
        0 => {
            let node = at.one.get();
            at.one.set(cx, None);
            node
        }
        1 => at.many.borrow_mut(cx).pop(),
        2 => {
            let cell = std::mem::replace(&mut *at.nested.borrow_mut(cx), GcRefCell::new(None));
            cell.borrow_mut(cx).take()
        }
        3 => at.nested.borrow().borrow_mut(cx).take(),
        4 => {
            let now = at.one.get();
            at.one.compare_exchange(cx, now, None).ok().flatten()
        }
        5 => at.one.take(cx),
        6 => at.many.take(cx).pop(),
        7 => {
            let inner = Ref::map(at.nested.borrow(), |inner| inner);
            RefMut::filter_map(inner.borrow_mut(cx), Option::as_mut).ok().map(|node| *node)
        }
        _ => at.nested.borrow().replace(cx, None),
    }
}

/// Garbage, so that a cycle begins and goes on: each scope's end does a piece of it.
fn churn(mutator: &mut Mutator, scopes: usize) {
    for _ in 0..scopes {
        mutator.enter(|cx| (0..200_u64).for_each(|number| _ = cx.alloc([number; 8])));
    }
}

/// Goal: an object that is moved from cell to cell survives any number of cycles, whenever the move falls. Method: one node
/// that hops between places of a ring of holders (old ones and new ones) in each scope, while a ballast keeps marking
/// going over many scopes.
#[test]
fn a_moving_object_survives() {
    for (seed, workers) in [(1_usize, 0), (2, 0), (3, 1), (4, 2)] {
        let heap =
            Heap::builder().workers(workers).gc_percent(GcPercent::Percent(10)).build().expect("a heap");
        let mut mutator = heap.attach();
        let ballast: Root<[Gc<'static, Node<'static>>]> =
            mutator.enter(|cx| cx.root(cx.alloc_slice_with(8000, |index| node(cx, index as u64))));
        let mut place = 0;
        let holder = mutator.enter(|cx| {
            let holder = node(cx, u64::MAX);
            put(cx, holder, place, node(cx, 42));
            cx.root(holder)
        });
        for step in 0..3000_usize {
            mutator.enter(|cx| {
                let from = holder.get(cx);
                let hopper =
                    take(cx, from, place).unwrap_or_else(|| panic!("step {step}: place {place} is empty"));
                assert_eq!(hopper.number, 42, "step {step}");
                place = (step * seed + step / 7) % PLACES;
                // Every other time behind a new holder, which is black while a cycle marks.
                let to =
                    if step % 2 == 0 { node(cx, step as u64) } else { ballast.get(cx)[step * seed % 8000] };
                put(cx, to, place, hopper);
                holder.set(cx, to);
            });
            churn(&mut mutator, 1);
        }
        mutator.enter(|cx| {
            assert!(take(cx, holder.get(cx), place).is_some_and(|hopper| hopper.number == 42));
            let ballast = ballast.get(cx);
            assert!(ballast.iter().enumerate().all(|(index, node)| node.number == index as u64));
        });
        assert!(heap.stats().cycles > 3, "{:?}", heap.stats());
        drop((ballast, holder, mutator));
        heap.collect();
        heap.recount().expect("the counters are exact");
    }
}

/// Goal: a cycle without background threads is spread over scopes, and what is taken out of an unmarked object in the middle
/// of it survives. Method: a long list whose tail is cut off and kept by a black object, at each of many moments.
#[test]
fn a_tail_cut_off_in_the_middle_of_marking_survives() {
    let heap = Heap::builder().workers(0).gc_percent(GcPercent::Percent(50)).build().expect("a heap");
    let mut mutator = heap.attach();
    let list = mutator.enter(|cx| {
        let head = node(cx, 0);
        let mut last = head;
        for number in 1..20_000 {
            let next = node(cx, number);
            last.one.set(cx, Some(next));
            last = next;
        }
        cx.root(head)
    });
    for round in 0..60 {
        churn(&mut mutator, 3 + round % 17);
        mutator.enter(|cx| {
            // Cut somewhere; the tail goes behind a new head, and the old head to the tail's end.
            let head = list.get(cx);
            let mut at = head;
            for _ in 0..(round * 331) % 15_000 + 1 {
                at = at.one.get().expect("the list is long enough");
            }
            let tail = at.one.get().expect("the list is long enough");
            at.one.set(cx, None);
            let black = node(cx, u64::MAX);
            black.one.set(cx, Some(tail));
            let mut end = black;
            while let Some(next) = end.one.get() {
                end = next;
            }
            end.one.set(cx, Some(head));
            list.set(cx, tail);
        });
        churn(&mut mutator, 2);
        let (mut count, mut sum) = (0, 0);
        mutator.enter(|cx| {
            let mut at = Some(list.get(cx));
            while let Some(node) = at {
                (count, sum) = (count + 1, sum + node.number);
                at = node.one.get();
            }
        });
        assert_eq!((count, sum), (20_000, 19_999 * 10_000), "round {round}");
    }
    assert!(heap.stats().cycles > 3, "{:?}", heap.stats());
}

/// Goal: borrows are checked like `RefCell`'s, and a leaked guard is safe. Method: each conflict; a guard that is forgotten
/// while a cycle runs.
#[test]
fn borrows_are_checked() {
    let heap = Heap::builder().workers(1).build().expect("a heap");
    let mut mutator = heap.attach();
    let root = mutator.enter(|cx| {
        let cell = cx.alloc(GcRefCell::new(vec![cx.alloc(1_u64)]));
        {
            let _one = cell.borrow();
            assert!(cell.try_borrow().is_ok() && cell.try_borrow_mut(cx).is_err());
        }
        {
            let _one = cell.borrow_mut(cx);
            assert!(cell.try_borrow().is_err() && cell.try_borrow_mut(cx).is_err());
        }
        std::mem::forget(cell.borrow_mut(cx));
        cx.root(cell)
    });
    for _ in 0..3 {
        mutator.collect();
    }
    mutator.enter(|cx| assert!(root.get(cx).try_borrow().is_err()));
    drop(root);
    mutator.collect();
    assert_eq!(heap.stats().live_bytes, 0);
}

/// Goal: a borrow that was narrowed is still a borrow of the whole. Method: each kind, kept, copied, failed, and dropped.
#[test]
fn narrowed_borrows_are_counted() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    heap.attach().enter(|cx| {
        let cell = GcRefCell::new((vec![1, 2], 3));
        let list = Ref::map(cell.borrow(), |pair| pair.0.as_slice());
        let again = Ref::clone(&list);
        drop(list);
        assert_eq!(cell.try_borrow_mut(cx).err(), Some(BorrowMutError));
        let again = Ref::filter_map(again, |list| list.get(7)).expect_err("there is no such entry");
        assert_eq!((again.len(), cell.try_replace(cx, (vec![], 0))), (2, Err((vec![], 0))));
        drop(again);
        let last = RefMut::map(cell.borrow_mut(cx), |pair| &mut pair.1);
        assert!(cell.try_borrow().is_err());
        let mut last = RefMut::filter_map(last, |_| None::<&mut u8>).expect_err("there is no such entry");
        *last += 1;
        assert!(cell.try_borrow().is_err());
        drop(last);
        std::mem::forget(Ref::map(cell.borrow(), |pair| &pair.1));
        assert!(cell.try_borrow_mut(cx).is_err() && cell.borrow().1 == 4);
    });
}

/// Goal: a comparison is by identity, and a failed one changes nothing. Method: equal objects that are not the same.
#[test]
fn exchanges_compare_objects_and_not_values() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    heap.attach().enter(|cx| {
        let (one, equal) = (cx.alloc(7_u64), cx.alloc(7_u64));
        let cell = GcCell::new(one);
        assert!(cell.compare_exchange(cx, equal, equal).is_err_and(|there| Gc::ptr_eq(there, one)));
        assert!(cell.compare_exchange(cx, one, equal).is_ok_and(|old| Gc::ptr_eq(old, one)));
        assert!(Gc::ptr_eq(cell.get(), equal));
        let twin = GcCell::new(one);
        cell.swap(cx, &twin);
        assert!(Gc::ptr_eq(cell.get(), one) && Gc::ptr_eq(twin.get(), equal));
        cell.swap(cx, &cell);
        assert!(Gc::ptr_eq(cell.get(), one));
    });
}

#[derive(Trace)]
struct Link<'gc> {
    number: u64,
    copy: Gc<'gc, u64>,
    next: GcCell<Option<Gc<'gc, Link<'gc>>>>,
}

type Stack<'gc> = GcCell<Option<Gc<'gc, Link<'gc>>>>;

fn push<'gc>(cx: &Scope<'gc>, stack: &Stack<'gc>, link: Gc<'gc, Link<'gc>>) {
    let mut top = stack.get();
    loop {
        link.next.set(cx, top);
        match stack.compare_exchange(cx, top, Some(link)) {
            Ok(_) => return,
            Err(now) => top = now,
        }
    }
}

fn pop<'gc>(cx: &Scope<'gc>, stack: &Stack<'gc>) -> Option<Gc<'gc, Link<'gc>>> {
    let mut top = stack.get();
    while let Some(link) = top {
        match stack.compare_exchange(cx, top, link.next.get()) {
            Ok(_) => return Some(link),
            Err(now) => top = now,
        }
    }
    None
}

/// Goal: what is taken out by comparison is shaded first: nothing is lost or freed on the way through a stack without locks, though it
/// is the only way to an object. Method: threads that pop and push links of their own making and each other's, while every cycle is verified.
#[test]
fn a_stack_without_locks_keeps_its_links() {
    const THREADS: u64 = 3;
    const LINKS: u64 = 40;
    for (workers, allocations) in [(0, 20), (1, 20), (1, 1), (2, 5)] {
        let zeal = Zeal {
            seed: workers as u64,
            allocations_per_cycle: Some(allocations),
            yields: true,
            extra_rounds: true,
            fill_freed: true,
        };
        let heap = Heap::builder().workers(workers).verify(true).zeal(zeal).build().expect("a heap");
        let stack: Root<Stack<'static>> = heap.attach().enter(|cx| cx.root(cx.alloc(Stack::new(None))));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (heap, stack) = (&heap, &stack);
                scope.spawn(move || {
                    let mut mutator = heap.attach();
                    for number in thread * LINKS..(thread + 1) * LINKS {
                        mutator.enter(|cx| {
                            let stack = stack.get(cx);
                            let copy = cx.alloc(number);
                            push(cx, &stack, cx.alloc(Link { number, copy, next: GcCell::new(None) }));
                            // Two at a time, so that they come back in another order.
                            let two = [pop(cx, &stack), pop(cx, &stack)];
                            for link in two.into_iter().flatten() {
                                assert_eq!(link.number, *link.copy, "a dead link");
                                push(cx, &stack, link);
                            }
                        });
                    }
                });
            }
        });
        heap.collect();
        let mut mutator = heap.attach();
        let mut numbers = mutator.enter(|cx| {
            let stack = stack.get(cx);
            std::iter::from_fn(|| pop(cx, &stack)).map(|link| link.number).collect::<Vec<_>>()
        });
        numbers.sort_unstable();
        assert_eq!(numbers, (0..THREADS * LINKS).collect::<Vec<_>>(), "{workers} workers");
        let report = heap.verify_report();
        assert!(report.violations.is_empty() && report.cycles > 0, "{workers} workers: {report:?}");
    }
}
