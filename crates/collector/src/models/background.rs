//! Models of background threads: nobody sleeps forever.
//!
//! Naps are over as soon as others had their turn (see [`Condvar::wait_at_most`]), so what is shown does not depend on how long they
//! are. A wait without limit has no such end, and loom reports who is left in one.
//!
//! [`Condvar::wait_at_most`]: mudlark_arena::sync::Condvar::wait_at_most

use super::{
    Thing, add_root, alloc, alloc_weak, config,
    cycle::{attach, detach, explore},
    enter, give_up, must_deadlock, plant,
};
use crate::{background::Collector, plant::Bug};
use loom::{sync::Arc, thread};

/// Waits, without a limit, until a cycle with this number is over.
fn wait_for_end(collector: &Collector, number: u64) {
    let mut waiting = collector.driver.waiting.lock();
    while collector.stats().cycles < number {
        waiting = collector.driver.changed.wait(waiting);
    }
}

/// A mutator finds a cycle due and begins it at the end of its scope, lightly: the background thread must do the rest, among it what
/// safepoints leave alone, such as clearing a weak box.
fn begin_lightly(bug: Option<Bug>) {
    explore(1, move || {
        let collector = Collector::new(config(1)).expect("models have memory");
        plant(&collector, bug);
        let thing = Thing::new();
        let of_mutator = (std::sync::Arc::clone(&collector), Arc::clone(&thing));
        let mutator = thread::spawn(move || {
            let (collector, thing) = of_mutator;
            let mutator = attach(&collector);
            let root = enter(&mutator, || {
                let weak = alloc_weak(&mutator, alloc(&mutator, &thing));
                let root = add_root(&mutator, weak.cell());
                collector.driver.request();
                mutator.poll_at_exit();
                root
            });
            detach(&collector, &mutator);
            root
        });
        let root = mutator.join().expect("the mutator is done");
        wait_for_end(&collector, 1);
        assert_eq!(thing.drops(), 1, "what is dead lives on");
        give_up(root);
    });
}

/// Goal: a cycle that a safepoint begins comes to its end, although the safepoint wakes nobody but by the gate. Method: a mutator begins
/// one at a scope's end, against the background thread that starts, looks and is about to sleep.
#[test]
fn the_gate_wakes_who_drives() {
    begin_lightly(None);
}

/// Goal: the model above can fail. Method: the gate opens silently.
#[test]
fn a_silent_gate_wakes_nobody() {
    let test = concat!(module_path!(), "::a_silent_gate_wakes_nobody");
    must_deadlock(test, || begin_lightly(Some(Bug::SilentGate)));
}

/// A heap with two background threads ends as soon as it is built.
fn end_at_once(bug: Option<Bug>) {
    explore(2, move || {
        let collector = Collector::new(config(2)).expect("models have memory");
        plant(&collector, bug);
        drop(collector);
    });
}

/// Goal: a heap's end ends its threads. Method: one that marks and one that drives, each starting, asleep or about to be.
#[test]
fn threads_end_with_their_heap() {
    end_at_once(None);
}

/// Goal: the model above can fail. Method: the end wakes nobody.
#[test]
fn a_silent_end_leaves_threads_asleep() {
    let test = concat!(module_path!(), "::a_silent_end_leaves_threads_asleep");
    must_deadlock(test, || end_at_once(Some(Bug::SilentEnd)));
}

/// Goal: a heap may end in the middle of a cycle. Method: a mutator begins one at the end of its last scope, and the heap ends.
#[test]
fn a_heap_ends_in_a_cycle() {
    explore(2, || {
        let collector = Collector::new(config(1)).expect("models have memory");
        let (rooted, dead) = (Thing::new(), Thing::new());
        let mutator = attach(&collector);
        let root = enter(&mutator, || {
            alloc(&mutator, &dead);
            let root = add_root(&mutator, alloc(&mutator, &rooted));
            collector.driver.request();
            mutator.poll_at_exit();
            root
        });
        detach(&collector, &mutator);
        drop(mutator);
        drop(collector);
        assert_eq!(rooted.drops(), 0, "a root keeps its heap alive");
        give_up(root);
        assert_eq!((rooted.drops(), dead.drops()), (1, 1));
    });
}
