//! Mutators on other threads, which hold the handshakes of a cycle up.
#![allow(dead_code, reason = "no test needs all of it")]

use mudlark::{Heap, Mutator};
use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, Scope},
};

/// A mutator on a thread of its own, which enters and leaves a scope on demand.
pub(crate) struct Other {
    go: Sender<()>,
    done: Receiver<()>,
}

/// Where the scopes of the others are entered.
pub(crate) const LINE: u32 = line!() + 8;

impl Other {
    pub(crate) fn new<'scope>(scope: &'scope Scope<'scope, '_>, heap: &'scope Heap) -> Other {
        let ((go, wanted), (made, done)) = (channel::<()>(), channel());
        scope.spawn(move || {
            let mut mutator = heap.attach();
            while made.send(()).is_ok() && wanted.recv().is_ok() {
                mutator.enter(|_| {
                    let _ = made.send(());
                    let _ = wanted.recv();
                });
            }
        });
        done.recv().expect("the other thread attaches");
        Other { go, done }
    }

    /// Enters a scope, or leaves it; done when this returns.
    pub(crate) fn toggle(&self) {
        self.go.send(()).expect("the other thread waits");
        self.done.recv().expect("the other thread answers");
    }
}

/// Two others that hold the handshakes up in turn.
pub(crate) struct Relay {
    inside: Other,
    outside: Other,
}

impl Relay {
    pub(crate) fn new<'scope>(scope: &'scope Scope<'scope, '_>, heap: &'scope Heap) -> Relay {
        Relay { inside: Other::new(scope, heap), outside: Other::new(scope, heap) }
    }

    /// Enters the first scope.
    pub(crate) fn begin(&self) {
        self.inside.toggle();
    }

    /// Lets the handshake that waits pass, and holds the next one up.
    pub(crate) fn advance(&mut self) {
        self.outside.toggle();
        self.inside.toggle();
        std::mem::swap(&mut self.inside, &mut self.outside);
    }

    /// Leaves the last scope.
    pub(crate) fn end(&self) {
        self.inside.toggle();
    }

    /// Where its scopes are entered.
    pub(crate) fn line(&self) -> u32 {
        LINE
    }
}

/// Allocates garbage in scopes of `mutator` until a cycle begins by itself, at the end of the last of them.
pub(crate) fn begin_cycle_anywhere(heap: &Heap, mutator: &mut Mutator) {
    let arms = || heap.stats().handshakes[0].rounds;
    let before = arms();
    while arms() == before {
        mutator.enter(|cx| _ = cx.alloc_slice_fill(8 << 10, 0_u64));
    }
}

/// The same for heaps without background threads, where somebody holds the cycle up.
pub(crate) fn begin_cycle(heap: &Heap, mutator: &mut Mutator) {
    let cycles = heap.stats().cycles;
    begin_cycle_anywhere(heap, mutator);
    assert_eq!(heap.stats().cycles, cycles, "the cycle waits for somebody");
}

/// Does `work` in the middle of a cycle of a heap without background threads: so many handshakes after its begin.
pub(crate) fn in_cycle<R>(
    heap: &Heap,
    mutator: &mut Mutator,
    advances: usize,
    work: impl FnOnce(&mut Mutator) -> R,
) -> R {
    thread::scope(|scope| {
        let mut relay = Relay::new(scope, heap);
        relay.begin();
        begin_cycle(heap, mutator);
        (0..advances).for_each(|_| relay.advance());
        let result = work(mutator);
        relay.end();
        result
    })
}

/// Allocates garbage in a few scopes.
pub(crate) fn churn(mutator: &mut Mutator, scopes: usize) {
    (0..scopes).for_each(|_| mutator.enter(|cx| _ = cx.alloc_slice_fill(2 << 10, 0_u64)));
}
