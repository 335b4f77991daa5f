//! Models of whole cycles: mutators, drivers and markers of one heap.

use super::{Barrier, CELL_BYTES, Thing, add_root, alloc, core, drive, enter, finish, give_up};
use crate::{cycle::Phase, heap::Core, mutator::Mutator, roots::RootSlot};
use loom::{model::Builder, sync::Arc, thread};
use std::ptr::{NonNull, null_mut};

/// Explores with at most `preemptions`, however many others are allowed: whole cycles are long.
pub(super) fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(preemptions).min(preemptions));
    builder.check(model);
}

pub(super) fn attach(core: &Core) -> Arc<Mutator> {
    // SAFETY: each model detaches what it attaches before its heap ends.
    unsafe { core.attach() }
}

pub(super) fn detach(core: &Core, mutator: &Arc<Mutator>) {
    // SAFETY: it came from this heap, and the model's scopes are closed.
    unsafe { core.detach(mutator) };
}

/// A heap in which a root leads to `a`, and `a` to `b`.
pub(super) struct World {
    pub(super) core: Arc<Core>,
    root: RootSlot,
    pub(super) a: Arc<Thing>,
    pub(super) b: Arc<Thing>,
}

impl World {
    /// The heap, and the mutator that built it.
    pub(super) fn new() -> (Arc<World>, Arc<Mutator>) {
        let (core, a, b) = (core(), Thing::new(), Thing::new());
        let mutator = attach(&core);
        let root = enter(&mutator, || {
            let target = alloc(&mutator, &b);
            let source = alloc(&mutator, &a);
            a.store(&mutator, target.as_ptr(), Barrier::On);
            add_root(&mutator, source)
        });
        (Arc::new(World { core, root, a, b }), mutator)
    }

    pub(super) fn assert_alive(&self) {
        assert_eq!((self.a.drops(), self.b.drops()), (0, 0), "what can be reached died");
    }

    /// A cycle, when nobody else is at work.
    pub(super) fn collect(&self) {
        finish(&self.core, drive(&self.core));
    }

    #[allow(clippy::unused_self, reason = "it reads as what happens in this heap")]
    fn drop_root(&self, root: RootSlot) {
        give_up(root);
    }
}

pub(super) fn spawn<R: 'static>(
    world: &Arc<World>,
    work: impl FnOnce(&World) -> R + 'static,
) -> thread::JoinHandle<R> {
    let world = Arc::clone(world);
    thread::spawn(move || work(&world))
}

/// A mutator moves `b` from behind `a` into a new object behind a new root while a cycle runs.
fn hide_behind_a_new_object(preemptions: usize, barrier: Barrier) {
    explore(preemptions, move || {
        let (world, mutator) = World::new();
        let new = Thing::new();
        let mover = {
            let (mutator, new) = (Arc::clone(&mutator), Arc::clone(&new));
            spawn(&world, move |world| {
                let root = enter(&mutator, || {
                    let b = world.a.load().expect("a leads to b");
                    world.a.store(&mutator, null_mut(), barrier);
                    let cell = alloc(&mutator, &new);
                    new.store(&mutator, b.as_ptr(), Barrier::On);
                    add_root(&mutator, cell)
                });
                detach(&world.core, &mutator);
                root
            })
        };
        drop(mutator);
        let driver = spawn(&world, |world| drive(&world.core));
        let root = mover.join().expect("the mutator is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        world.assert_alive();
        assert_eq!(new.drops(), 0, "a new object died");
        world.drop_root(root);
        world.collect();
        assert_eq!((world.a.drops(), world.b.drops(), new.drops()), (0, 1, 1));
        world.core.recount().expect("the counters are exact");
    });
}

/// Goal: no object is lost when it is moved behind a black one, whenever the scope falls into the cycle. Method: a
/// mutator moves an object into a new one while another thread runs a cycle; then another cycle.
#[test]
fn an_object_hidden_behind_a_new_one_survives() {
    hide_behind_a_new_object(1, Barrier::On);
}

/// Goal: the model above can fail. Method: forget the deletion barrier.
#[test]
#[should_panic(expected = "what can be reached died")]
fn moving_needs_the_barrier() {
    hide_behind_a_new_object(1, Barrier::Forgotten);
}

/// A cycle has begun: one mutator is armed, another is in its scope still and is not. This one cuts `b` off, without shading
/// it, while the armed one puts it into `new` through `put`. With `made_before`, `new` is an old object; otherwise it is made
/// in the scope. Whoever acknowledges last drives the cycle on.
fn move_while_another_cuts(made_before: bool, put: fn(&Thing, &Mutator, NonNull<u8>)) {
    explore(2, move || {
        let (world, cutter) = World::new();
        let (mutator, new) = (attach(&world.core), Thing::new());
        let old = made_before.then(|| enter(&mutator, || add_root(&mutator, alloc(&mutator, &new))));
        // SAFETY: exited below, by the thread that goes on with the mutator.
        unsafe { cutter.enter() };
        let number = world.core.driver.request();
        world.core.advance();
        let cutting = spawn(&world, move |world| {
            world.a.store(&cutter, null_mut(), Barrier::On);
            // SAFETY: entered above; no pointer is held.
            unsafe { cutter.exit() };
            detach(&world.core, &cutter);
        });
        let moving = {
            let new = Arc::clone(&new);
            spawn(&world, move |world| {
                let moved = enter(&mutator, || {
                    let b = world.a.load()?;
                    let root = old.unwrap_or_else(|| add_root(&mutator, alloc(&mutator, &new)));
                    put(&new, &mutator, b);
                    Some(root)
                });
                detach(&world.core, &mutator);
                moved
            })
        };
        cutting.join().expect("the cutter is done");
        let moved = moving.join().expect("the mover is done");
        finish(&world.core, number);
        if moved.is_some() {
            assert_eq!((world.b.drops(), new.drops()), (0, 0), "what can be reached died");
        }
    });
}

/// Goal: what a mutator puts into an object that it made in the window survives. Method: another mutator, perhaps not armed
/// yet, cuts it off at the same time.
#[test]
fn an_object_in_the_window_is_scanned() {
    move_while_another_cuts(false, |new, mutator, b| new.store(mutator, b.as_ptr(), Barrier::On));
}

/// Goal: what is put under a mark lock in an early stage of a cycle survives. Method: as above, with an old object.
#[test]
fn an_early_stamp_keeps_no_marker_off() {
    move_while_another_cuts(true, |new, mutator, b| new.enlist(mutator, b));
}

/// Goal: what a dropped root led to survives, if a scope moved it elsewhere. Method: a mutator roots `b`, and drops the
/// root of `a`, while another thread runs a cycle.
#[test]
fn an_object_taken_from_a_dropped_root_survives() {
    explore(2, || {
        let (world, mutator) = World::new();
        let mover = {
            let mutator = Arc::clone(&mutator);
            spawn(&world, move |world| {
                enter(&mutator, || {
                    let b = world.a.load().expect("a leads to b");
                    world.drop_root(world.root);
                    add_root(&mutator, b)
                });
                detach(&world.core, &mutator);
            })
        };
        drop(mutator);
        let driver = spawn(&world, |world| drive(&world.core));
        mover.join().expect("the mutator is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        assert_eq!(world.b.drops(), 0, "a rooted object died");
        world.collect();
        assert_eq!((world.a.drops(), world.b.drops()), (1, 0));
    });
}

/// Goal: what a root led to survives the drop of the root by a thread that no handshake waits for. Method: a mutator reads the
/// only root of `b` and moves it behind `a`, while another thread drops the root and a third runs a cycle.
#[test]
fn an_object_survives_the_drop_of_its_root_elsewhere() {
    explore(2, || {
        let (world, mutator) = World::new();
        let only = enter(&mutator, || {
            let only = add_root(&mutator, world.a.load().expect("a leads to b"));
            world.a.store(&mutator, null_mut(), Barrier::On);
            only
        });
        let mover = {
            let of_dropper = Arc::clone(&world);
            spawn(&world, move |world| {
                let dropper = enter(&mutator, || {
                    // SAFETY: the heap exists.
                    let b = unsafe { only.get() }.expect("the root is in use");
                    let dropper = spawn(&of_dropper, move |world| world.drop_root(only));
                    world.a.store(&mutator, b.as_ptr(), Barrier::On);
                    dropper
                });
                detach(&world.core, &mutator);
                dropper
            })
        };
        let driver = spawn(&world, |world| drive(&world.core));
        mover.join().expect("the mutator is done").join().expect("the root is dropped");
        finish(&world.core, driver.join().expect("the driver is done"));
        world.assert_alive();
    });
}

/// Goal: a mutator that attaches in the middle of a cycle joins it rightly. Method: attach, hide an object, detach,
/// while another thread runs a cycle.
#[test]
fn who_attaches_in_a_cycle_joins_it() {
    explore(2, || {
        let (world, mutator) = World::new();
        detach(&world.core, &mutator);
        drop(mutator);
        let mover = spawn(&world, |world| {
            let mutator = attach(&world.core);
            enter(&mutator, || {
                let b = world.a.load().expect("a leads to b");
                world.a.store(&mutator, null_mut(), Barrier::On);
                add_root(&mutator, b)
            });
            detach(&world.core, &mutator);
        });
        let driver = spawn(&world, |world| drive(&world.core));
        mover.join().expect("the mutator is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        world.assert_alive();
        world.collect();
        world.assert_alive();
    });
}

/// Goal: a marker that comes late marks for the cycle whose work it takes. Method: a helper that can be held up anywhere
/// before it takes work, against the rest of one cycle and the beginning of the next.
#[test]
fn a_late_marker_marks_for_the_cycle_it_works_in() {
    explore(1, || {
        let (world, mutator) = World::new();
        detach(&world.core, &mutator);
        drop(mutator);
        world.core.driver.request();
        world.core.advance();
        let helper = spawn(&world, |world| world.core.poll());
        let driver = spawn(&world, |world| {
            while world.core.work_as_assist(1 << 20, 8) {
                world.core.advance();
            }
            let number = world.core.driver.request();
            world.core.advance();
            number
        });
        helper.join().expect("the helper is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        world.assert_alive();
        world.collect();
        world.assert_alive();
        world.core.recount().expect("the counters are exact");
    });
}

/// Goal: what a cycle found live is counted exactly, whoever found it. Method: two that mark; then the numbers.
#[test]
fn what_two_markers_marked_is_counted() {
    explore(2, || {
        let (world, mutator) = World::new();
        detach(&world.core, &mutator);
        drop(mutator);
        let helper = spawn(&world, |world| world.core.poll());
        let driver = spawn(&world, |world| drive(&world.core));
        helper.join().expect("the helper is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        assert_eq!(world.core.stats().marked_bytes, 2 * CELL_BYTES as u64);
    });
}

/// Goal: a tracer that panics costs the cycle and no object. Method: two that mark, and `a` whose tracer panics.
#[test]
fn a_panic_in_a_tracer_frees_nothing() {
    explore(2, || {
        let (world, mutator) = World::new();
        detach(&world.core, &mutator);
        drop(mutator);
        world.a.panics.store(true, std::sync::atomic::Ordering::SeqCst);
        let helper = spawn(&world, |world| world.core.poll());
        let driver = spawn(&world, |world| drive(&world.core));
        helper.join().expect("the helper is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        world.assert_alive();
        world.a.panics.store(false, std::sync::atomic::Ordering::SeqCst);
        world.collect();
        world.assert_alive();
        world.drop_root(world.root);
        world.collect();
        assert_eq!((world.a.drops(), world.b.drops()), (1, 1));
    });
}

/// Goal: `collect` frees what was unreachable when it was called. Method: a root is dropped and `collect` called, while
/// another thread runs a cycle.
#[test]
fn collect_frees_what_was_dropped_before() {
    explore(1, || {
        let (world, mutator) = World::new();
        detach(&world.core, &mutator);
        drop(mutator);
        let owner = spawn(&world, |world| {
            world.drop_root(world.root);
            drive(&world.core)
        });
        let driver = spawn(&world, |world| drive(&world.core));
        driver.join().expect("the driver is done");
        finish(&world.core, owner.join().expect("the owner is done"));
        assert_eq!((world.a.drops(), world.b.drops()), (1, 1), "what was unreachable lived on");
    });
}

/// Goal: the machine never stops with everybody gone. Method: a mutator leaves the scope that a cycle waits for while
/// the cycle begins; nobody else drives it.
#[test]
fn whoever_acknowledges_last_drives_on() {
    explore(1, || {
        let core = core();
        let mutator = attach(&core);
        // SAFETY: exited below, on the thread that goes on with the mutator.
        unsafe { mutator.enter() };
        let leaver = {
            let mutator = Arc::clone(&mutator);
            // SAFETY: entered above; no pointer is held.
            thread::spawn(move || unsafe { mutator.exit() })
        };
        let driver = {
            let core = Arc::clone(&core);
            thread::spawn(move || {
                core.driver.request();
                core.advance();
            })
        };
        leaver.join().expect("the mutator left");
        driver.join().expect("the cycle began");
        assert_eq!(core.stats().cycles, 1, "the cycle stands still: {:?}", core.driver);
        detach(&core, &mutator);
    });
}

/// Goal: sweeping in the background and in allocations share the blocks of a whole heap: no live cell is handed out, no cell twice, and what
/// is dead is dropped once. Method: a cycle is at its sweep; one thread sweeps on, a mutator allocates into the holes.
#[test]
fn sweeping_and_allocating_share_the_heap() {
    explore(2, || {
        let (world, mutator) = World::new();
        let dead = [Thing::new(), Thing::new(), Thing::new()];
        enter(&mutator, || dead.each_ref().map(|thing| alloc(&mutator, thing)));
        let number = world.core.driver.request();
        while !world.core.driver.is(Phase::Sweep) {
            world.core.advance();
            if world.core.driver.is_marking() {
                let _ = world.core.mark_some(1 << 20, &world.core.assists);
            }
        }
        let new = [Thing::new(), Thing::new(), Thing::new()];
        let allocator = {
            let (mutator, new) = (Arc::clone(&mutator), new.clone());
            spawn(&world, move |_| {
                let cells = enter(&mutator, || {
                    let cells = new.each_ref().map(|thing| alloc(&mutator, thing));
                    add_root(&mutator, cells[0]);
                    cells.map(|cell| cell.addr())
                });
                assert!(cells[0] != cells[1] && cells[1] != cells[2] && cells[2] != cells[0]);
            })
        };
        let sweeper = spawn(&world, |world| while world.core.sweep_some(1) {});
        allocator.join().expect("the mutator is done");
        sweeper.join().expect("the sweeper is done");
        finish(&world.core, number);
        world.assert_alive();
        assert_eq!(dead.each_ref().map(|thing| thing.drops()), [1; 3], "each dead object is dropped once");
        assert_eq!(new.each_ref().map(|thing| thing.drops()), [0; 3], "a new object died");
        world.collect();
        world.assert_alive();
        assert_eq!(new.each_ref().map(|thing| thing.drops()), [0, 1, 1]);
        world.core.recount().expect("the counters are exact");
        detach(&world.core, &mutator);
    });
}

/// A cycle marks. A mutator puts `b` back where another one takes it out, and then takes it out itself, behind its last handshake.
fn two_overwrite_one_pointer(barrier: Barrier) {
    explore(2, move || {
        let (world, first) = World::new();
        let (second, c) = (attach(&world.core), Thing::new());
        enter(&first, || {
            let cell = alloc(&first, &c);
            world.b.store(&first, cell.as_ptr(), Barrier::On);
        });
        let number = world.core.driver.request();
        world.core.advance();
        assert!(world.core.driver.is(Phase::Mark));
        let of_second = Arc::clone(&second);
        let taking = spawn(&world, move |world| {
            let second = of_second;
            enter(&second, || {
                if let Some(b) = world.a.load() {
                    world.a.store(&second, b.as_ptr(), barrier);
                }
            });
            enter(&second, || {
                let b = world.a.load()?;
                world.a.store(&second, null_mut(), barrier);
                Some(add_root(&second, b))
            })
        });
        let first = spawn(&world, move |world| {
            enter(&first, || world.a.store(&first, null_mut(), barrier));
            detach(&world.core, &first);
        });
        let driver = spawn(&world, |world| {
            let _ = world.core.mark_some(1 << 20, &world.core.assists);
            world.core.advance();
        });
        first.join().expect("the first is done");
        let rooted = taking.join().expect("the second is done");
        driver.join().expect("the driver is done");
        finish(&world.core, number);
        if rooted.is_some() {
            assert_eq!((world.b.drops(), c.drops()), (0, 0), "what can be reached died");
        }
        // Not before: what it shaded in its last scope is in its buffer.
        detach(&world.core, &second);
    });
}

/// Goal: an object that several mutators take out of one place is scanned before marking ends. Method: two of them and a marker.
#[test]
fn who_overwrites_shades_before() {
    two_overwrite_one_pointer(Barrier::On);
}

/// Goal: the model above can fail. Method: take out first, and shade then.
#[test]
#[should_panic(expected = "what can be reached died")]
fn shading_after_is_too_late() {
    two_overwrite_one_pointer(Barrier::Late);
}

/// A cycle marks. Two mutators take `b` out, and whoever finds it gone looks whether it is marked.
fn find_it_gone(barrier: Barrier) {
    explore(2, move || {
        let (world, first) = World::new();
        let second = attach(&world.core);
        let b = enter(&first, || world.a.load().expect("a leads to b").as_ptr().expose_provenance());
        let number = world.core.driver.request();
        world.core.advance();
        assert!(world.core.driver.is(Phase::Mark));
        let [first, second] = [first, second].map(|mutator| {
            spawn(&world, move |world| {
                enter(&mutator, || {
                    if world.a.load().is_some() {
                        world.a.store(&mutator, null_mut(), barrier);
                    }
                    let marks = world.core.arena.marks(world.core.arena.filling_side());
                    // SAFETY: A1: the address of an object.
                    let is_marked = unsafe { marks.is_marked(std::ptr::with_exposed_provenance(b)) };
                    assert!(is_marked, "it is gone, and was not shaded");
                });
                detach(&world.core, &mutator);
            })
        });
        first.join().expect("the first is done");
        second.join().expect("the second is done");
        finish(&world.core, number);
    });
}

/// Goal: S1 itself: an object is marked when it can no longer be found where it was. Method: both ways to overwrite.
#[test]
fn what_is_gone_is_marked() {
    find_it_gone(Barrier::On);
    find_it_gone(Barrier::Compared);
}

/// Goal: the model above can fail. Method: take out first, and shade then.
#[test]
#[should_panic(expected = "it is gone, and was not shaded")]
fn what_is_gone_may_be_unmarked_if_shaded_late() {
    find_it_gone(Barrier::Late);
}
