//! Models of scopes against handshakes.

use super::{
    core,
    cycle::{attach, detach, explore},
    drive, enter, finish, plant,
};
use crate::plant::Bug;
use loom::{sync::Arc, thread};

/// A mutator opens and ends `scopes` while another thread runs a cycle.
fn scopes_against_a_cycle(scopes: usize, bug: Option<Bug>) {
    explore(2, move || {
        let core = core();
        plant(&core, bug);
        let mutator = attach(&core);
        let goer = {
            let mutator = Arc::clone(&mutator);
            thread::spawn(move || {
                for _ in 0..scopes {
                    // SAFETY: within the scope. Loom checks that nobody else is at the local state.
                    enter(&mutator, || assert!(unsafe { mutator.local() }.debt().get() == 0));
                }
            })
        };
        let driver = {
            let core = Arc::clone(&core);
            thread::spawn(move || drive(&core))
        };
        goer.join().expect("the mutator is done");
        finish(&core, driver.join().expect("the driver is done"));
        let requested: u64 = core.stats().handshakes.iter().map(|kind| kind.rounds).sum();
        // SAFETY: a read; loom checks that nobody writes.
        let taken = mutator.taken.with(|taken| unsafe { *taken });
        assert_eq!(taken, requested, "handshakes of one mutator");
        assert!(!enter(&mutator, || {
            // SAFETY: within the scope.
            unsafe { mutator.local() }.is_armed()
        }));
        detach(&core, &mutator);
    });
}

/// Goal: each handshake is taken once, by the mutator or on its behalf, and never by both, nor while the mutator is in a scope.
/// Method: two scopes against a cycle; loom watches the local state, and two counters tell what was requested and what was taken.
#[test]
fn a_handshake_is_taken_once() {
    scopes_against_a_cycle(2, None);
}

/// Goal: the model above can fail. Method: mutators are served in their scopes.
#[test]
#[should_panic(expected = "Causality violation")]
fn nobody_is_served_in_a_scope() {
    scopes_against_a_cycle(1, Some(Bug::ServedInScope));
}
