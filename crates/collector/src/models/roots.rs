//! Models of roots: made, dropped and cloned on different threads, while a cycle runs, and while mutators and heaps come and go.

use super::{
    Barrier, Thing, add_root, alloc, config, core,
    cycle::{attach, detach, explore},
    drive, drive_or_mark, enter, finish, give_up, plant,
};
use crate::{background::Collector, cycle::Phase, heap::Core, plant::Bug, roots::RootSlot};
use loom::{sync::Arc, thread};
use std::ptr::null_mut;

/// The objects that the scan of the roots meets, by address.
fn met(core: &Core) -> Vec<usize> {
    let mut met = Vec::new();
    for chunk in 0..core.roots.chunk_count() {
        core.roots.each_in_chunk(chunk, |cell| met.push(cell.addr().get()));
    }
    met.sort_unstable();
    met
}

/// Goal: slots are given out once, and whoever scans meets objects and never links. Method: a mutator makes and drops roots of its own while
/// another thread drops two that it made before, and a third scans; afterwards the roots in use are found, each once.
#[test]
fn roots_come_and_go_while_they_are_scanned() {
    explore(2, || {
        let core = core();
        let mutator = attach(&core);
        let things = [Thing::new(), Thing::new()];
        let (cells, old) = enter(&mutator, || {
            let cells = things.each_ref().map(|thing| alloc(&mutator, thing));
            (cells.map(|cell| cell.addr().get()), [0, 0, 1].map(|index| add_root(&mutator, cells[index])))
        });
        let maker = {
            let (core, mutator) = (Arc::clone(&core), Arc::clone(&mutator));
            thread::spawn(move || {
                let kept = enter(&mutator, || {
                    // SAFETY: the root is in use, and so is its heap.
                    let cell = unsafe { old[2].get() }.expect("the root is in use");
                    let own = add_root(&mutator, cell);
                    give_up(old[2]);
                    let kept = [add_root(&mutator, cell), add_root(&mutator, cell)];
                    give_up(own);
                    kept
                });
                assert!(core.roots.len() >= 2);
                kept
            })
        };
        let dropper = thread::spawn(move || {
            give_up(old[0]);
            give_up(old[1]);
        });
        assert!(met(&core).iter().all(|cell| cells.contains(cell)));
        let kept = maker.join().expect("the mutator is done");
        dropper.join().expect("the roots are dropped");
        assert_ne!(kept[0], kept[1]);
        assert_eq!(met(&core), [cells[1]; 2]);
        assert_eq!(core.roots.len(), 2, "{:?}", core.roots);
        kept.into_iter().for_each(give_up);
        assert_eq!((met(&core).len(), core.roots.len()), (0, 0));
        detach(&core, &mutator);
    });
}

/// A mutator takes `b` from the only root of it and hides it behind `a`, whose field it cuts off first, while another thread, to which it gives
/// the root, drops it, and a third runs a cycle, or marks in one that has begun.
fn drop_elsewhere(has_begun: bool, bug: Option<Bug>) {
    explore(2, move || {
        let core = core();
        plant(&core, bug);
        let mutator = attach(&core);
        let (a, b, other) = (Thing::new(), Thing::new(), Thing::new());
        let (root, only) = enter(&mutator, || {
            let root = add_root(&mutator, alloc(&mutator, &a));
            // The only root of `b` is the first of another chunk: `a` can be scanned before the marker comes to it.
            let filler = add_root(&mutator, alloc(&mutator, &other));
            let only = add_root(&mutator, alloc(&mutator, &b));
            give_up(filler);
            (root, only)
        });
        if has_begun {
            core.driver.request();
            core.advance();
            assert!(core.driver.is(Phase::Mark));
        }
        let mover = {
            let (core, a) = (Arc::clone(&core), Arc::clone(&a));
            thread::spawn(move || {
                let dropper = enter(&mutator, || {
                    // SAFETY: the heap exists.
                    let b = unsafe { only.get() }.expect("the root is in use");
                    let dropper = thread::spawn(move || give_up(only));
                    a.store(&mutator, b.as_ptr(), Barrier::On);
                    dropper
                });
                detach(&core, &mutator);
                dropper
            })
        };
        let driver = {
            let core = Arc::clone(&core);
            thread::spawn(move || drive_or_mark(&core, has_begun))
        };
        mover.join().expect("the mutator is done").join().expect("the root is dropped");
        driver.join().expect("the driver is done");
        finish(&core, 1);
        assert_eq!((a.drops(), b.drops()), (0, 0), "what can be reached died");
        give_up(root);
        finish(&core, drive(&core));
        assert_eq!((a.drops(), b.drops()), (1, 1));
    });
}

/// Goal: who drops a root needs no lock unless it could know of a cycle. Method: a drop that is ordered behind the use of the root by a mutator,
/// armed or not, and behind nothing else.
#[test]
fn a_drop_without_a_lock_loses_nothing() {
    drop_elsewhere(false, None);
}

/// Goal: who drops a root while a cycle marks, shades. Method: as above, in a cycle that has begun.
#[test]
fn a_drop_while_a_cycle_marks_loses_nothing() {
    drop_elsewhere(true, None);
}

/// Goal: the model above can fail. Method: the drop does not look at the gate.
#[test]
#[should_panic(expected = "what can be reached died")]
fn a_drop_must_look_at_the_gate() {
    drop_elsewhere(true, Some(Bug::GatePassedBy));
}

/// A thread that is no mutator clones the only root of an object and drops the original, while another runs a cycle.
fn clone_elsewhere(bug: Option<Bug>) {
    explore(2, move || {
        let core = core();
        plant(&core, bug);
        let mutator = attach(&core);
        let (a, b) = (Thing::new(), Thing::new());
        // The clone takes a slot of a chunk that exists, and is scanned before the one of the original.
        let roots = enter(&mutator, || {
            let cell = alloc(&mutator, &a);
            [(); 2].map(|()| add_root(&mutator, cell))
        });
        // SAFETY: the root is in use.
        let free = unsafe { roots[0].duplicate() };
        let first = enter(&mutator, || add_root(&mutator, alloc(&mutator, &b)));
        give_up(free);
        let cloner = thread::spawn(move || {
            // SAFETY: the root is in use until the next line.
            let twin = unsafe { first.duplicate() };
            give_up(first);
            twin
        });
        let driver = {
            let core = Arc::clone(&core);
            thread::spawn(move || drive(&core))
        };
        let twin = cloner.join().expect("the root is cloned");
        finish(&core, driver.join().expect("the driver is done"));
        assert_eq!((a.drops(), b.drops()), (0, 0), "what can be reached died");
        [twin, roots[0], roots[1]].into_iter().for_each(give_up);
        finish(&core, drive(&core));
        assert_eq!((a.drops(), b.drops()), (1, 1));
        detach(&core, &mutator);
    });
}

/// Goal: a root may be cloned and dropped by a thread that has not heard of the cycle. Method: exactly that, in any order with the scan.
#[test]
fn a_clone_elsewhere_loses_nothing() {
    clone_elsewhere(None);
}

/// Goal: the model above can fail. Method: the clone does not go through the gate.
#[test]
#[should_panic(expected = "what can be reached died")]
fn a_clone_must_go_through_the_gate() {
    clone_elsewhere(Some(Bug::CloneOutsideGate));
}

/// Goal: the heap ends once, with the last of its handles, mutators and roots, whoever has that. Method: a mutator with two roots leaves; one root
/// is dropped on another thread, the other by a mutator that comes for that, in any order.
#[test]
fn a_heap_ends_with_its_last_root() {
    explore(2, || {
        let collector = Collector::new(config(0)).expect("models have memory");
        let thing = Thing::new();
        let mutator = attach(&collector);
        let roots: [RootSlot; 2] = enter(&mutator, || {
            let cell = alloc(&mutator, &thing);
            [(); 2].map(|()| add_root(&mutator, cell))
        });
        let leaver = {
            let collector = std::sync::Arc::clone(&collector);
            thread::spawn(move || detach(&collector, &mutator))
        };
        let dropper = thread::spawn(move || give_up(roots[0]));
        let visitor = attach(&collector);
        enter(&visitor, || give_up(roots[1]));
        detach(&collector, &visitor);
        drop((visitor, collector));
        leaver.join().expect("the mutator is gone");
        dropper.join().expect("the root is dropped");
        assert_eq!(thing.drops(), 1, "the heap has not ended");
    });
}

/// Goal: roots in the slots of a mutator that left outlive it in the next one's pool. Method: a mutator leaves a root behind, another comes, makes
/// one, and leaves, while the first root is dropped; then a third root, and all go.
#[test]
fn pools_change_hands() {
    explore(2, || {
        let collector = Collector::new(config(0)).expect("models have memory");
        let thing = Thing::new();
        let come_and_go = |collector: &Collector, old: RootSlot| {
            let mutator = attach(collector);
            let new = enter(&mutator, || {
                // SAFETY: the caller's root is in use.
                add_root(&mutator, unsafe { old.get() }.expect("the root is in use"))
            });
            detach(collector, &mutator);
            new
        };
        let mutator = attach(&collector);
        let [first, second] = enter(&mutator, || {
            let cell = alloc(&mutator, &thing);
            [(); 2].map(|()| add_root(&mutator, cell))
        });
        detach(&collector, &mutator);
        let dropper = thread::spawn(move || give_up(first));
        let comer = {
            let collector = std::sync::Arc::clone(&collector);
            thread::spawn(move || come_and_go(&collector, second))
        };
        drop((mutator, collector));
        dropper.join().expect("the root is dropped");
        let third = comer.join().expect("the mutator is gone");
        assert_ne!(second, third);
        give_up(second);
        assert_eq!(thing.drops(), 0, "a root keeps its heap alive");
        // SAFETY: the root is in use until the next line.
        assert!(unsafe { third.get() } != std::ptr::NonNull::new(null_mut()));
        give_up(third);
        assert_eq!(thing.drops(), 1, "the heap has not ended");
    });
}
