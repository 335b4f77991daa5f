//! Models of shadow stacks: frames that end and slots that are used again, against handshakes and the scan.

use super::{
    Barrier, Thing, add_root, alloc, core,
    cycle::{attach, detach, explore},
    drive, drive_or_mark, enter, finish, give_up, plant,
};
use crate::{cycle::Phase, mutator::Mutator, plant::Bug, shadow_stack::LocalSlot};
use loom::{sync::Arc, thread};
use std::ptr::NonNull;

fn keep(mutator: &Mutator, cell: NonNull<u8>) -> LocalSlot {
    // SAFETY: the model's thread has entered the mutator.
    let local = unsafe { mutator.local() };
    // SAFETY: the object was made or loaded in this scope.
    unsafe { local.keep(cell) }
}

/// A mutator takes `b` from the only local that leads to it and hides it behind `a`; ends the frame, and uses its slot again for `c`; while another
/// thread runs a cycle, or marks in one that has begun.
fn use_a_slot_again(has_begun: bool, bug: Option<Bug>) {
    explore(2, move || {
        let core = core();
        plant(&core, bug);
        let mutator = attach(&core);
        let things = [Thing::new(), Thing::new(), Thing::new()];
        let [a, b, c] = things.clone();
        let frame = mutator.begin_frame();
        let (root, other, local) = enter(&mutator, || {
            let [a, b, c] = [&a, &b, &c].map(|thing| alloc(&mutator, thing));
            // Two chunks of slots; `b` is in the second, so that `c` can be met, and scanned, long before.
            keep(&mutator, c);
            keep(&mutator, c);
            (add_root(&mutator, a), add_root(&mutator, c), keep(&mutator, b))
        });
        if has_begun {
            core.driver.request();
            core.advance();
            assert!(core.driver.is(Phase::Mark));
        }
        let mover = {
            let (mutator, a, c) = (Arc::clone(&mutator), Arc::clone(&a), Arc::clone(&c));
            thread::spawn(move || {
                enter(&mutator, || {
                    // SAFETY: the frame has not ended.
                    let b = unsafe { local.get() }.expect("it is kept");
                    c.store(&mutator, b.as_ptr(), Barrier::On);
                });
                // SAFETY: the frame began above; its locals are not used any more.
                unsafe { mutator.end_frame(frame) };
                enter(&mutator, || {
                    // SAFETY: the heap exists, and the root is in use.
                    let a_cell = unsafe { root.get() }.expect("the root is in use");
                    (0..3).for_each(|_| _ = keep(&mutator, a_cell));
                    assert!(a.load().is_none());
                });
            })
        };
        let driver = {
            let core = Arc::clone(&core);
            thread::spawn(move || drive_or_mark(&core, has_begun))
        };
        mover.join().expect("the mutator is done");
        driver.join().expect("the driver is done");
        finish(&core, 1);
        assert_eq!(things.each_ref().map(|thing| thing.drops()), [0; 3], "what can be reached died");
        // SAFETY: as above.
        unsafe { mutator.end_frame(frame) };
        [root, other].into_iter().for_each(give_up);
        finish(&core, drive(&core));
        assert_eq!(things.each_ref().map(|thing| thing.drops()), [1; 3], "what is dead lives on");
        detach(&core, &mutator);
    });
}

/// Goal: what a local led to survives, if a scope moved it elsewhere, whenever the frame ends. Method: a frame ends, and its slots are used again,
/// outside of scopes and in them, while another thread runs a cycle.
#[test]
fn a_frame_ends_while_a_cycle_runs() {
    use_a_slot_again(false, None);
}

/// Goal: the same while stacks are scanned. Method: as above, in a cycle that has begun.
#[test]
fn a_slot_is_used_again_while_it_is_scanned() {
    use_a_slot_again(true, None);
}

/// Goal: the model above can fail. Method: slots are used again without shading.
#[test]
#[should_panic(expected = "what can be reached died")]
fn a_slot_that_is_used_again_must_be_shaded() {
    use_a_slot_again(true, Some(Bug::LocalsUnshaded));
}

/// Goal: a mutator that leaves in the middle of a cycle takes nothing away from its scan, and its chunks nobody else has too early. Method: a mutator
/// whose frame ended leaves while another takes chunks and keeps something, against a marker.
#[test]
fn stacks_change_hands() {
    explore(2, || {
        let core = core();
        let (leaver, comer) = (attach(&core), attach(&core));
        let things = [Thing::new(), Thing::new()];
        let [a, b] = things.clone();
        let frame = leaver.begin_frame();
        let (root, local) = enter(&leaver, || {
            let root = add_root(&leaver, alloc(&leaver, &a));
            (root, keep(&leaver, alloc(&leaver, &b)))
        });
        core.driver.request();
        core.advance();
        assert!(core.driver.is(Phase::Mark));
        let leaving = {
            let core = Arc::clone(&core);
            thread::spawn(move || {
                enter(&leaver, || {
                    // SAFETY: the frame has not ended.
                    let b = unsafe { local.get() }.expect("it is kept");
                    a.store(&leaver, b.as_ptr(), Barrier::On);
                });
                // SAFETY: the frame began above; its local is not used any more.
                unsafe { leaver.end_frame(frame) };
                detach(&core, &leaver);
            })
        };
        let coming = {
            let comer = Arc::clone(&comer);
            thread::spawn(move || {
                enter(&comer, || {
                    // SAFETY: the heap exists, and the root is in use.
                    let a = unsafe { root.get() }.expect("the root is in use");
                    (0..2).for_each(|_| _ = keep(&comer, a));
                });
            })
        };
        let _ = core.mark_some(1 << 20, &core.assists);
        leaving.join().expect("the mutator left");
        coming.join().expect("the mutator came");
        finish(&core, 1);
        assert_eq!(things.each_ref().map(|thing| thing.drops()), [0; 2], "what can be reached died");
        detach(&core, &comer);
        give_up(root);
    });
}
