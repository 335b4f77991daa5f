//! Models of weak references: who looks at one against the end of marking.

use super::{
    Barrier, Thing, add_root, alloc, alloc_weak,
    cycle::{attach, detach, explore},
    drive, enter, finish, give_up, plant,
};
use crate::{heap::Core, local::Local, mutator::Mutator, plant::Bug, roots::RootSlot, weak::WeakBox};
use loom::{sync::Arc, thread};
use std::ptr::{NonNull, null_mut};

/// A heap in which a root leads to a weak box and another to `holder`, which leads to `target`, or led there.
struct World {
    core: Arc<Core>,
    weak: WeakBox,
    holder: Arc<Thing>,
    target: Arc<Thing>,
}

/// Whether `target` is reachable when the cycle begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Reachable,
    Dead,
}

fn upgrade(mutator: &Mutator, weak: WeakBox) -> Option<NonNull<u8>> {
    // SAFETY: the model's thread has entered the mutator.
    let local: &Local = unsafe { mutator.local() };
    // SAFETY: the box is of this heap, and a root leads to it.
    unsafe { local.upgrade(weak) }
}

impl World {
    fn new(bug: Option<Bug>, is: Target) -> (Arc<World>, Arc<Mutator>) {
        let (core, holder, target) = (super::core(), Thing::new(), Thing::new());
        plant(&core, bug);
        let mutator = attach(&core);
        let weak = enter(&mutator, || {
            let cell = alloc(&mutator, &target);
            let weak = alloc_weak(&mutator, cell);
            add_root(&mutator, weak.cell());
            if is == Target::Reachable {
                let source = alloc(&mutator, &holder);
                holder.store(&mutator, cell.as_ptr(), Barrier::On);
                add_root(&mutator, source);
            }
            weak
        });
        (Arc::new(World { core, weak, holder, target }), mutator)
    }

    fn assert_target_lives(&self) {
        assert_eq!(self.target.drops(), 0, "what was upgraded died");
    }

    fn collect(&self) {
        finish(&self.core, drive(&self.core));
    }

    /// A scope that upgrades, makes a root of what it finds, and upgrades again.
    fn upgrade_and_root(&self, mutator: &Mutator) -> Option<RootSlot> {
        enter(mutator, || {
            let first = upgrade(mutator, self.weak);
            let root = first.map(|cell| add_root(mutator, cell));
            let second = upgrade(mutator, self.weak);
            assert_eq!(first, second, "an answer changed within a scope");
            if first.is_some() {
                self.assert_target_lives();
            }
            root
        })
    }
}

fn spawn<R: 'static>(world: &Arc<World>, work: impl FnOnce(&World) -> R + 'static) -> thread::JoinHandle<R> {
    let world = Arc::clone(world);
    thread::spawn(move || work(&world))
}

/// A mutator upgrades while another thread runs a cycle; then more cycles, with and without the root that it made.
fn upgrade_against_a_cycle(bug: Option<Bug>) {
    explore(2, move || {
        let (world, mutator) = World::new(bug, Target::Dead);
        let upgrader = {
            let mutator = Arc::clone(&mutator);
            spawn(&world, move |world| world.upgrade_and_root(&mutator))
        };
        let driver = spawn(&world, |world| drive(&world.core));
        let root = upgrader.join().expect("the mutator is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        let found = |world: &World| enter(&mutator, || upgrade(&mutator, world.weak)).is_some();
        if let Some(root) = root {
            world.assert_target_lives();
            world.collect();
            world.assert_target_lives();
            assert!(found(&world), "a reference to what lives was cleared");
            give_up(root);
            world.collect();
        }
        assert_eq!(world.target.drops(), 1, "what is dead lives on");
        assert!(!found(&world), "a dead object was upgraded");
        detach(&world.core, &mutator);
    });
}

/// Goal: what an upgrade gives lives on, and what it does not give is dead for good. Method: a mutator upgrades and makes a root,
/// while another thread runs a cycle to its end.
#[test]
fn what_was_upgraded_lives() {
    upgrade_against_a_cycle(None);
}

/// Goal: the model above can fail. Method: upgrade without shading.
#[test]
#[should_panic(expected = "what was upgraded died")]
fn an_upgrade_shades() {
    upgrade_against_a_cycle(Some(Bug::WeakUnshaded));
}

/// Goal: the model above can fail. Method: leave what is dead in its box.
#[test]
#[should_panic(expected = "a dead object was upgraded")]
fn boxes_of_the_dead_are_cleared() {
    upgrade_against_a_cycle(Some(Bug::WeakNotCleared));
}

/// Goal: two mutators get the same answer. Method: one in a scope that a cycle in its last round waits for, the other one as it comes;
/// a third thread drives.
#[test]
fn all_mutators_get_the_same_answer() {
    explore(2, || {
        let (world, mutator) = World::new(None, Target::Dead);
        let other = attach(&world.core);
        let upgraders = [mutator, other].map(|mutator| {
            spawn(&world, move |world| {
                let root = world.upgrade_and_root(&mutator);
                detach(&world.core, &mutator);
                root
            })
        });
        let driver = spawn(&world, |world| drive(&world.core));
        let roots = upgraders.map(|upgrader| upgrader.join().expect("the mutator is done"));
        finish(&world.core, driver.join().expect("the driver is done"));
        let is_rooted = roots.iter().any(Option::is_some);
        assert_eq!(world.target.drops(), usize::from(!is_rooted), "what was upgraded died, or the dead live");
    });
}

/// Goal: an object whose last strong pointer is cut during the cycle can be upgraded in it. Method: a mutator cuts and upgrades, in
/// one scope and the next, while another thread runs a cycle.
#[test]
fn what_was_alive_when_the_cycle_began_is_upgraded() {
    explore(2, || {
        let (world, mutator) = World::new(None, Target::Reachable);
        let cutter = {
            let mutator = Arc::clone(&mutator);
            spawn(&world, move |world| {
                enter(&mutator, || {
                    world.holder.store(&mutator, null_mut(), Barrier::On);
                    assert!(upgrade(&mutator, world.weak).is_some(), "a reference to what lives was cleared");
                    world.assert_target_lives();
                });
                world.upgrade_and_root(&mutator)
            })
        };
        let driver = spawn(&world, |world| drive(&world.core));
        let root = cutter.join().expect("the mutator is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        if root.is_some() {
            world.assert_target_lives();
        }
        detach(&world.core, &mutator);
    });
}
