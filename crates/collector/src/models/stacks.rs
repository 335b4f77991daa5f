//! Models of stacks that survive safepoints: who looks at one against who writes it, and what is on one against a cycle.
//!
//! That a look at *close* is too late takes three mutators and more turns than these models have: `plant/tests.rs` has that story.

use super::{
    Barrier, Thing, add_root, alloc,
    cycle::{attach, detach, explore},
    drive, enter, finish, plant,
};
use crate::{
    heap::Core,
    mutator::Mutator,
    plant::Bug,
    raw::{RawStack, RawVisitor},
};
use loom::{cell::UnsafeCell, sync::Arc, thread};
use std::{
    ffi::c_void,
    ptr::{NonNull, null_mut},
};

/// The stack of a mutator: a word of plain memory, which loom watches.
struct Stack(UnsafeCell<*mut u8>);

// SAFETY: that it is used by one thread at a time is what the models show.
unsafe impl Send for Stack {}
// SAFETY: as above.
unsafe impl Sync for Stack {}

impl Stack {
    fn get(&self) -> Option<NonNull<u8>> {
        // SAFETY: a read; loom checks that nobody writes.
        NonNull::new(self.0.with(|word| unsafe { word.read() }))
    }

    fn set(&self, to: *mut u8) {
        // SAFETY: a write; loom checks that nobody looks.
        self.0.with_mut(|word| unsafe { word.write(to) });
    }
}

unsafe extern "C-unwind" fn visit(visitor: &mut RawVisitor<'_>, stack: *mut c_void) {
    // SAFETY: stacks live as long as their models.
    if let Some(cell) = unsafe { &*stack.cast::<Stack>() }.get() {
        // SAFETY: stacks of models lead to objects.
        unsafe { visitor.edge(cell) };
    }
}

/// A heap with a mutator that has a stack; a root leads to `a`, and `a` to `b`.
struct World {
    core: Arc<Core>,
    stack: Arc<Stack>,
    a: Arc<Thing>,
    b: Arc<Thing>,
}

impl World {
    fn new(bug: Option<Bug>) -> (Arc<World>, Arc<Mutator>) {
        let (core, a, b) = (super::core(), Thing::new(), Thing::new());
        plant(&core, bug);
        let mutator = attach(&core);
        let stack = Arc::new(Stack(UnsafeCell::new(null_mut())));
        enter(&mutator, || {
            // SAFETY: the model's thread has entered the mutator.
            let local = unsafe { mutator.local() };
            let data = (&raw const *stack).cast_mut().cast();
            local.stacks.borrow_mut().add(RawStack { visit, data });
            let target = alloc(&mutator, &b);
            let source = alloc(&mutator, &a);
            a.store(&mutator, target.as_ptr(), Barrier::On);
            add_root(&mutator, source);
        });
        (Arc::new(World { core, stack, a, b }), mutator)
    }
}

fn spawn<R: 'static>(world: &Arc<World>, work: impl FnOnce(&World) -> R + 'static) -> thread::JoinHandle<R> {
    let world = Arc::clone(world);
    thread::spawn(move || work(&world))
}

/// Goal: what a mutator keeps on its stack from one scope to the next lives, and nobody looks at the stack while it is
/// written. Method: a mutator moves `b` from `a` to its stack in one scope, and back in another, while a second thread runs a cycle.
#[test]
fn what_is_on_a_stack_survives() {
    keep_on_the_stack(None);
}

/// Goal: the model above can fail. Method: forget to look at stacks.
#[test]
#[should_panic(expected = "what is on a stack died")]
fn stacks_are_looked_at() {
    keep_on_the_stack(Some(Bug::StacksMissed));
}

fn keep_on_the_stack(bug: Option<Bug>) {
    explore(2, move || {
        let (world, mutator) = World::new(bug);
        let mover = {
            let mutator = Arc::clone(&mutator);
            spawn(&world, move |world| {
                enter(&mutator, || {
                    let b = world.a.load().expect("a leads to b");
                    world.stack.set(b.as_ptr());
                    world.a.store(&mutator, null_mut(), Barrier::On);
                });
                enter(&mutator, || {
                    let b = world.stack.get().expect("b is on the stack");
                    assert_eq!(world.b.drops(), 0, "what is on a stack died");
                    world.a.store(&mutator, b.as_ptr(), Barrier::On);
                    world.stack.set(null_mut());
                });
            })
        };
        let driver = spawn(&world, |world| drive(&world.core));
        mover.join().expect("the mutator is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        assert_eq!((world.a.drops(), world.b.drops()), (0, 0), "what can be reached died");
        finish(&world.core, drive(&world.core));
        assert_eq!((world.a.drops(), world.b.drops()), (0, 0), "what can be reached died");
        detach(&world.core, &mutator);
    });
}

/// Two mutators, one with a stack: it takes `b` off `a` onto its stack while the other cuts `b` off, perhaps unarmed; in its next scope it
/// puts `b` behind whatever the other has made.
fn move_by_the_stack(bug: Option<Bug>) {
    explore(2, move || {
        let (world, mutator) = World::new(bug);
        let (cutter, new) = (attach(&world.core), Thing::new());
        // SAFETY: exited below, by the thread that goes on with the mutator.
        unsafe { cutter.enter() };
        let number = world.core.driver.request();
        world.core.advance();
        let cutting = {
            let new = Arc::clone(&new);
            spawn(&world, move |world| {
                world.a.store(&cutter, null_mut(), Barrier::On);
                // SAFETY: entered above; no pointer is held.
                unsafe { cutter.exit() };
                enter(&cutter, || world.a.store(&cutter, alloc(&cutter, &new).as_ptr(), Barrier::On));
                detach(&world.core, &cutter);
            })
        };
        let moving = spawn(&world, move |world| {
            enter(&mutator, || world.stack.set(world.a.load().map_or(null_mut(), NonNull::as_ptr)));
            let moved = enter(&mutator, || {
                let (b, c) = (world.stack.get()?, world.a.load()?);
                world.stack.set(null_mut());
                // SAFETY: objects of models begin with the address of a thing.
                let made = unsafe { super::thing(c) };
                if b != c {
                    made.store(&mutator, b.as_ptr(), Barrier::On);
                }
                (b != c).then_some(())
            });
            (moved, mutator)
        });
        cutting.join().expect("the cutter is done");
        let (moved, mutator) = moving.join().expect("the mover is done");
        finish(&world.core, number);
        if moved.is_some() {
            // Whatever the order was, `b` is behind the new object, or behind itself.
            assert_eq!(world.b.drops(), 0, "what can be reached died");
        }
        detach(&world.core, &mutator);
    });
}

/// Goal: what is moved by way of a stack survives, whatever the stages of the two mutators. Method: above.
#[test]
fn what_went_over_a_stack_survives() {
    move_by_the_stack(None);
}

/// Goal: the model above can fail. Method: forget to look at stacks.
#[test]
#[should_panic(expected = "what can be reached died")]
fn moving_over_a_stack_needs_a_look_at_it() {
    move_by_the_stack(Some(Bug::StacksMissed));
}
