//! Models of threads that share a scope: pointers that pass by the heap while a cycle runs.

use super::{
    Barrier, Thing, add_root, alloc, core,
    cycle::{World, detach, explore, spawn},
    drive, enter, finish, plant,
};
use crate::{heap::Core, mutator::Mutator, plant::Bug};
use loom::{
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
};
use std::{panic::Location, ptr::null_mut};

/// Runs `work` as a child of a mutator that is in a scope until after the child's end.
fn as_child<R>(core: &Core, parent: &Mutator, work: impl FnOnce(&Mutator) -> R) -> R {
    let interrupt = std::sync::Arc::clone(parent.interrupt_flag());
    // SAFETY: M5: parents of models join their children's threads in their scopes.
    let child = unsafe { core.attach_child(interrupt, Location::caller()) };
    let result = work(&child);
    // SAFETY: M5: attached above, on this thread.
    unsafe { core.detach_child(&child) };
    result
}

/// A parent loads `b` and hands it to a child, which takes it out of `a`, puts it into a new object and hands that back, while a
/// cycle runs. The parent roots it.
fn hand_there_and_back(barrier: Barrier) {
    // More takes minutes; the explicit-state model has all orders.
    explore(1, move || {
        let (world, mutator) = World::new();
        let new = Thing::new();
        let parent = {
            let new = Arc::clone(&new);
            let for_child = Arc::clone(&world);
            spawn(&world, move |world| {
                let root = enter(&mutator, || {
                    let b = world.a.load().expect("a leads to b");
                    let child = {
                        let parent = Arc::clone(&mutator);
                        spawn(&for_child, move |world| {
                            as_child(&world.core, &parent, |child| {
                                world.a.store(child, null_mut(), barrier);
                                let cell = alloc(child, &new);
                                new.store(child, b.as_ptr(), barrier);
                                cell
                            })
                        })
                    };
                    add_root(&mutator, child.join().expect("the child is done"))
                });
                detach(&world.core, &mutator);
                root
            })
        };
        let driver = spawn(&world, |world| drive(&world.core));
        let _root = parent.join().expect("the parent is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        assert_eq!((world.b.drops(), new.drops()), (0, 0), "what can be reached died");
        world.collect();
        assert_eq!((world.b.drops(), new.drops()), (0, 0), "what can be reached died");
    });
}

/// Goal: pointers that go from a parent to its child and back survive, wherever the cycle is at either moment. Method: the child hides
/// an object behind a new one.
#[test]
fn what_a_child_is_handed_and_hands_back_survives() {
    hand_there_and_back(Barrier::On);
}

/// Goal: the model above can fail. Method: no barrier.
#[test]
#[should_panic(expected = "what can be reached died")]
fn a_child_needs_the_barrier() {
    hand_there_and_back(Barrier::Forgotten);
}

/// A child takes `b` out of `a`, and its parent puts it back when the child is gone; nobody else shades it. `b` leads to a
/// third object, so it must be scanned too.
fn shade_and_end(bug: Option<Bug>) {
    explore(2, move || {
        let (world, mutator) = World::new();
        plant(&world.core, bug);
        let end = Thing::new();
        enter(&mutator, || world.b.store(&mutator, alloc(&mutator, &end).as_ptr(), Barrier::On));
        let parent = {
            let for_child = Arc::clone(&world);
            spawn(&world, move |world| {
                enter(&mutator, || {
                    let b = world.a.load().expect("a leads to b");
                    let parent = Arc::clone(&mutator);
                    let child = spawn(&for_child, move |world| {
                        as_child(&world.core, &parent, |child| {
                            world.a.store(child, null_mut(), Barrier::On);
                        });
                    });
                    child.join().expect("the child is done");
                    // Without a barrier: the word is empty.
                    world.a.store(&mutator, b.as_ptr(), Barrier::On);
                });
                detach(&world.core, &mutator);
            })
        };
        let driver = spawn(&world, |world| drive(&world.core));
        parent.join().expect("the parent is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        assert_eq!(end.drops(), 0, "what can be reached died");
        world.collect();
        world.assert_alive();
        assert_eq!(end.drops(), 0, "what can be reached died");
    });
}

/// Goal: a child hands over what it shaded, before its parent's safepoint. Method: as above.
#[test]
fn what_a_child_shaded_is_handed_over() {
    shade_and_end(None);
}

/// Goal: the model above can fail. Method: buffers are emptied instead.
#[test]
#[should_panic(expected = "what can be reached died")]
fn a_child_must_hand_over() {
    shade_and_end(Some(Bug::BufferDropped));
}

/// Goal: a child waits for no cycle, for its parent would wait too. Method: the heap is starved when the child ends; that is still to
/// be seen afterwards, for who waits takes it back first.
#[test]
fn a_child_is_not_throttled() {
    explore(2, || {
        let core = core();
        // SAFETY: detached below.
        let mutator = unsafe { core.attach() };
        let parent = {
            let core = Arc::clone(&core);
            thread::spawn(move || {
                enter(&mutator, || {
                    let (of_child, parent) = (Arc::clone(&core), Arc::clone(&mutator));
                    let child = thread::spawn(move || {
                        as_child(&of_child, &parent, |child| {
                            of_child.starved.store(true, Relaxed);
                            child.poll_at_exit();
                        });
                    });
                    child.join().expect("the child is done");
                    assert!(core.starved.swap(false, Relaxed), "the child waited for a cycle");
                });
                detach(&core, &mutator);
            })
        };
        let driver = {
            let core = Arc::clone(&core);
            thread::spawn(move || drive(&core))
        };
        parent.join().expect("the parent is done");
        finish(&core, driver.join().expect("the driver is done"));
    });
}
