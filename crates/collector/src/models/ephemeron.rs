//! Models of ephemerons and guardians: who reads or changes a pair, or polls, against the end of marking; the table against markers.

use super::{
    Barrier, Thing, add_root, alloc,
    cycle::{attach, detach, explore},
    drive, enter, finish, plant,
};
use crate::{
    descriptor::{Descriptor, trace_no_part},
    ephemeron::EphemeronSlot,
    heap::Core,
    local::{Kind, Local},
    mark::{Entry, Ephemerons, MarkQueue, Marker},
    mutator::Mutator,
    plant::Bug,
    roots::RootSlot,
    trace::{EdgeVisitor, Visitor},
};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};
use std::{
    alloc::Layout,
    any::TypeId,
    ptr::{NonNull, null_mut},
};

const HOLDER_BYTES: usize = 512;

/// The slot of a holder, which begins with its address: loom's atomics are no memory.
///
/// # Safety
///
/// The cell holds a holder.
unsafe fn slot<'a>(cell: NonNull<u8>) -> &'a EphemeronSlot {
    // SAFETY: promised by the caller.
    let address = unsafe { cell.cast::<*const EphemeronSlot>().read() };
    // SAFETY: slots of models are never freed.
    unsafe { &*address }
}

unsafe fn trace_holder(cell: NonNull<u8>, marker: &mut Marker<'_>) {
    // SAFETY: the collector passes cells of its descriptor.
    let slot = unsafe { slot(cell) };
    // SAFETY: P1: it stays where it is.
    unsafe { marker.ephemeron(slot) };
}

unsafe fn visit_holder(_: NonNull<u8>, _: &mut EdgeVisitor<'_>) {}

static HOLDER: Descriptor = Descriptor {
    trace: trace_holder,
    trace_part: trace_no_part,
    visit: visit_holder,
    drop: None,
    name: || "Holder",
    needs_trace: true,
    layout: Layout::new::<*const EphemeronSlot>(),
    identity: TypeId::of::<EphemeronSlot>,
    raw: None,
};

/// A new object with a pair.
fn alloc_holder(mutator: &Mutator, key: NonNull<u8>, value: NonNull<u8>) -> NonNull<u8> {
    alloc_slot(mutator, &HOLDER, EphemeronSlot::of(key, value))
}

fn alloc_slot(mutator: &Mutator, descriptor: &'static Descriptor, slot: EphemeronSlot) -> NonNull<u8> {
    // SAFETY: the model's thread has entered the mutator.
    let local = unsafe { mutator.local() };
    let kind = Kind::of(descriptor);
    // SAFETY: kind, descriptor and size belong together, and the cell is filled below.
    let cell = unsafe { local.bump(kind, HOLDER_BYTES) };
    // SAFETY: as above.
    let slow = || unsafe { local.alloc_slow(mutator, kind, descriptor, HOLDER_BYTES) }.ok();
    let cell = cell.or_else(slow).expect("models have memory");
    let slot: *const EphemeronSlot = Box::leak(Box::new(slot));
    // SAFETY: the cell is new and large enough.
    unsafe { cell.cast::<*const EphemeronSlot>().write(slot) };
    cell
}

/// A heap in which a root leads to a pair of `key` and `value`, and perhaps another one to the key.
struct World {
    core: Arc<Core>,
    holder: NonNull<u8>,
    key: Arc<Thing>,
    value: Arc<Thing>,
    key_root: Option<RootSlot>,
}

// SAFETY: the holder is reachable from a root as long as the model lasts.
unsafe impl Send for World {}
// SAFETY: as above.
unsafe impl Sync for World {}

impl World {
    /// The value leads back to the key.
    fn new(bug: Option<Bug>, is_key_alive: bool) -> (Arc<World>, Arc<Mutator>) {
        let (core, key, value) = (super::core(), Thing::new(), Thing::new());
        plant(&core, bug);
        let mutator = attach(&core);
        let (holder, key_root) = enter(&mutator, || {
            let (k, v) = (alloc(&mutator, &key), alloc(&mutator, &value));
            value.store(&mutator, k.as_ptr(), Barrier::On);
            let holder = alloc_holder(&mutator, k, v);
            add_root(&mutator, holder);
            (holder, is_key_alive.then(|| add_root(&mutator, k)))
        });
        (Arc::new(World { core, holder, key, value, key_root }), mutator)
    }

    /// The root leads to a guardian of `value`, which leads to `key`.
    fn guarded(bug: Option<Bug>) -> (Arc<World>, Arc<Mutator>) {
        let (core, key, value) = (super::core(), Thing::new(), Thing::new());
        plant(&core, bug);
        let mutator = attach(&core);
        let holder = enter(&mutator, || {
            let (k, v) = (alloc(&mutator, &key), alloc(&mutator, &value));
            value.store(&mutator, k.as_ptr(), Barrier::On);
            let holder = alloc_slot(&mutator, &GUARDIAN, EphemeronSlot::default());
            // SAFETY: the model's thread has entered the mutator.
            let local = unsafe { mutator.local() };
            // SAFETY: the cell holds a slot.
            let slot = unsafe { slot(holder) };
            // SAFETY: P1: the object is in hand, and nobody else knows the slot.
            unsafe { local.fill_ephemeron(slot, v, null_mut()) };
            add_root(&mutator, holder);
            holder
        });
        (Arc::new(World { core, holder, key, value, key_root: None }), mutator)
    }

    fn slot(&self) -> &EphemeronSlot {
        // SAFETY: a root leads to the holder.
        unsafe { slot(self.holder) }
    }

    fn assert_alive(&self) {
        assert_eq!((self.key.drops(), self.value.drops()), (0, 0), "what can be reached died");
    }

    fn collect(&self) {
        finish(&self.core, drive(&self.core));
    }

    /// Key and value as a mutator gets them that holds neither.
    fn read(&self, local: &Local) -> Option<(NonNull<u8>, NonNull<u8>)> {
        // SAFETY: the slot is reachable, and nobody empties it.
        let key = unsafe { local.upgrade_key(self.slot()) }?;
        Some((key, local.ephemeron_value(self.slot()).expect("a live key has its value")))
    }
}

fn spawn<R: 'static>(world: &Arc<World>, work: impl FnOnce(&World) -> R + 'static) -> thread::JoinHandle<R> {
    let world = Arc::clone(world);
    thread::spawn(move || work(&world))
}

/// A mutator reads a pair whose key nobody else holds and makes a root of the value, while another thread runs a cycle; then cycles with
/// and without the root.
fn read_against_a_cycle(bug: Option<Bug>) {
    explore(2, move || {
        let (world, mutator) = World::new(bug, false);
        let reader = {
            let mutator = Arc::clone(&mutator);
            spawn(&world, move |world| {
                enter(&mutator, || {
                    // SAFETY: the model's thread has entered the mutator.
                    let local = unsafe { mutator.local() };
                    let (_, value) = world.read(local)?;
                    world.assert_alive();
                    Some(add_root(&mutator, value))
                })
            })
        };
        let driver = spawn(&world, |world| drive(&world.core));
        let root = reader.join().expect("the mutator is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        if let Some(root) = root {
            // The value leads to the key.
            world.assert_alive();
            world.collect();
            world.assert_alive();
            // SAFETY: the root is dropped once.
            unsafe { root.give_up() };
            world.collect();
        }
        assert_eq!((world.key.drops(), world.value.drops()), (1, 1), "what is dead lives on");
        assert!(world.slot().peek_key().is_none(), "a dead key is in its slot");
        detach(&world.core, &mutator);
    });
}

/// Goal: what a mutator reads from a pair lives, and what it does not find is dead. Method: every order of a read and a cycle.
#[test]
fn what_was_read_from_a_pair_lives() {
    read_against_a_cycle(None);
}

/// Goal: the model above can fail. Method: upgrade the key without shading.
#[test]
#[should_panic(expected = "what can be reached died")]
fn reading_a_pair_shades_its_key() {
    read_against_a_cycle(Some(Bug::WeakUnshaded));
}

/// Goal: the model above can fail. Method: leave dead keys in their slots.
#[test]
#[should_panic(expected = "a dead key is in its slot")]
fn pairs_with_dead_keys_are_cleared() {
    read_against_a_cycle(Some(Bug::EphemeronNotCleared));
}

/// A mutator takes the value out of the pair, or exchanges it, and makes a root of it, while another thread runs a cycle.
fn take_against_a_cycle(bug: Option<Bug>, empties: bool) {
    explore(2, move || {
        let (world, mutator) = World::new(bug, true);
        let taker = {
            let mutator = Arc::clone(&mutator);
            spawn(&world, move |world| {
                enter(&mutator, || {
                    // SAFETY: the model's thread has entered the mutator.
                    let local = unsafe { mutator.local() };
                    world.read(local).expect("the key has a root");
                    // SAFETY: P1: the key is in hand, and nobody else changes the pair.
                    let value = unsafe {
                        if empties {
                            local.empty_ephemeron(world.slot())
                        } else {
                            local.set_ephemeron_value(world.slot(), null_mut())
                        }
                    };
                    add_root(&mutator, NonNull::new(value).expect("it was there"))
                })
            })
        };
        let driver = spawn(&world, |world| drive(&world.core));
        taker.join().expect("the mutator is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        world.assert_alive();
        // SAFETY: the root is dropped once.
        world.key_root.map(|root| unsafe { root.give_up() });
        world.collect();
        world.assert_alive();
        detach(&world.core, &mutator);
    });
}

/// Goal: a value that is taken out of its pair during a cycle lives. Method: every order of that and a cycle.
#[test]
fn what_was_taken_out_of_a_pair_lives() {
    take_against_a_cycle(None, true);
}

#[test]
fn what_was_exchanged_in_a_pair_lives() {
    take_against_a_cycle(None, false);
}

/// Goal: the model above can fail. Method: overwrite without shading.
#[test]
#[should_panic(expected = "what can be reached died")]
fn taking_out_a_value_shades_it() {
    take_against_a_cycle(Some(Bug::BarrierOff), true);
}

unsafe fn trace_guardian(cell: NonNull<u8>, marker: &mut Marker<'_>) {
    // SAFETY: the collector passes cells of its descriptor, which begin like holders.
    let slot = unsafe { slot(cell) };
    // SAFETY: P1: it stays where it is.
    unsafe { marker.guard(slot) };
}

static GUARDIAN: Descriptor = Descriptor { trace: trace_guardian, name: || "Guardian", ..HOLDER };

/// A mutator polls a guardian, and makes a root of what it gets, while another thread runs a cycle that revives the object.
fn poll_against_a_cycle(bug: Option<Bug>) {
    explore(2, move || {
        let (world, mutator) = World::guarded(bug);
        let poll = |world: &World, mutator: &Mutator| {
            enter(mutator, || {
                // SAFETY: the model's thread has entered the mutator.
                let local = unsafe { mutator.local() };
                if !world.slot().is_revived() {
                    return None;
                }
                // SAFETY: the slot is reachable, and nobody else is at it.
                let object = unsafe { local.upgrade_key(world.slot()) }.expect("what came back is alive");
                // SAFETY: P1: the object is in hand.
                unsafe { local.empty_ephemeron(world.slot()) };
                world.assert_alive();
                Some(add_root(mutator, object))
            })
        };
        let poller = {
            let mutator = Arc::clone(&mutator);
            spawn(&world, move |world| poll(world, &mutator))
        };
        let driver = spawn(&world, |world| drive(&world.core));
        let early = poller.join().expect("the mutator is done");
        finish(&world.core, driver.join().expect("the driver is done"));
        world.assert_alive();
        let late = poll(&world, &mutator);
        assert!(early.is_some() != late.is_some(), "it comes back once");
        world.collect();
        world.assert_alive();
        for root in [early, late].into_iter().flatten() {
            // SAFETY: the root is dropped once.
            unsafe { root.give_up() };
        }
        world.collect();
        assert_eq!((world.key.drops(), world.value.drops()), (1, 1), "what is dead lives on");
        detach(&world.core, &mutator);
    });
}

/// Goal: an object comes back once, and lives then with all that it leads to. Method: every order of a poll and a cycle; a poll after it.
#[test]
fn what_a_guardian_gives_back_lives() {
    poll_against_a_cycle(None);
}

/// Goal: the model above can fail. Method: do not mark what comes back.
#[test]
#[should_panic(expected = "what can be reached died")]
fn what_comes_back_is_marked() {
    poll_against_a_cycle(Some(Bug::RevivedUnmarked));
}

/// One marker finds a key white and has its slot wait; another one marks the key and looks it up.
fn wait_against_a_mark(looks_too_early: bool) {
    loom::model(move || {
        let ephemerons = Arc::new(Ephemerons::default());
        let is_marked = Arc::new(AtomicBool::new(false));
        let slot: &'static EphemeronSlot = Box::leak(Box::default());
        let key = NonNull::<u64>::dangling().cast();
        let waiter = {
            let (ephemerons, is_marked) = (Arc::clone(&ephemerons), Arc::clone(&is_marked));
            thread::spawn(move || {
                let early = looks_too_early && is_marked.load(Relaxed);
                let look = || if looks_too_early { early } else { is_marked.load(Relaxed) };
                // SAFETY: P1: slots of models are never freed.
                let entry = unsafe { Entry::of(slot) };
                !ephemerons.wait_for(key, entry, look)
            })
        };
        let finder = thread::spawn(move || {
            is_marked.store(true, Relaxed);
            let mut found = Vec::new();
            ephemerons.take(key, &mut found, &MarkQueue::default());
            !found.is_empty()
        });
        let (saw, found) = (waiter.join().expect("no panic"), finder.join().expect("no panic"));
        assert!(saw != found, "the slot was lost, or found twice");
    });
}

/// Goal: between one marker's look at a key and its note nothing is lost. Method: another one marks and looks the key up.
#[test]
fn a_slot_is_found_or_its_key_is() {
    wait_against_a_mark(false);
}

/// Goal: the model above can fail. Method: look at the mark before the critical section.
#[test]
#[should_panic(expected = "the slot was lost")]
fn the_mark_is_looked_at_under_the_lock() {
    wait_against_a_mark(true);
}
