//! Cells while cycles run: mutation between and within the phases of marking, without background threads, so that every
//! run is the same.

use mudlark::{Gc, GcCell, GcPercent, GcRefCell, Heap, Mutator, Root, Scope, Trace};

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

const PLACES: usize = 4;

/// Puts a node into one of the places of another.
fn put<'gc>(cx: &Scope<'gc>, at: Gc<'gc, Node<'gc>>, place: usize, node: Gc<'gc, Node<'gc>>) {
    match place {
        0 => at.one.set(cx, Some(node)),
        1 => at.many.borrow_mut(cx).push(node),
        2 => *at.nested.borrow_mut(cx) = GcRefCell::new(Some(node)),
        _ => *at.nested.borrow().borrow_mut(cx) = Some(node),
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
        _ => at.nested.borrow().borrow_mut(cx).take(),
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
