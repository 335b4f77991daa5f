//! What a thread does next: operations, and how often each thread does them.

use crate::rng::Rng;

/// An operation. Those up to [`Op::Nest`] are done in a scope, the others between scopes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    /// A new object, linked or only in hand.
    Make,
    /// An edge from one object to another.
    Link,
    /// An edge less.
    Cut,
    /// A list changes.
    Edit,
    /// A subgraph leaves its owner for a new one.
    Move,
    /// A root more, or one that holds something else.
    Root,
    /// A root less; sometimes it is dropped on a thread that is no mutator.
    Unroot,
    /// A way through the graph, checked step by step.
    Walk,
    /// Garbage.
    Burst,
    /// A weak pointer.
    Watch,
    /// What a weak pointer leads to.
    Upgrade,
    /// A step in the structure that all share.
    Race,
    /// Allocations while a list is mutably borrowed.
    Fill,
    /// Forget what is in hand.
    Forget,
    /// A scope of a second mutator in this one.
    Nest,
    /// Compare everything with the shadow.
    Check,
    /// A whole cycle.
    Collect,
    /// Leave the heap and come back.
    Reattach,
    /// A part of the graph goes to another thread.
    Send,
}

/// How many operations there are.
pub(super) const OPS: usize = 19;

impl Op {
    /// All, with a name and how often they are usual.
    pub(super) const ALL: [(Self, &'static str, u32); OPS] = [
        (Self::Make, "make", 240),
        (Self::Link, "link", 160),
        (Self::Cut, "cut", 60),
        (Self::Edit, "edit", 80),
        (Self::Move, "move", 60),
        (Self::Root, "root", 40),
        (Self::Unroot, "unroot", 20),
        (Self::Walk, "walk", 60),
        (Self::Burst, "burst", 12),
        (Self::Watch, "watch", 20),
        (Self::Upgrade, "upgrade", 40),
        (Self::Race, "race", 120),
        (Self::Fill, "fill", 10),
        (Self::Forget, "forget", 10),
        (Self::Nest, "nest", 4),
        (Self::Check, "check", 4),
        (Self::Collect, "collect", 3),
        (Self::Reattach, "reattach", 8),
        (Self::Send, "send", 12),
    ];

    const fn is_inside(self) -> bool {
        self as usize <= Self::Nest as usize
    }
}

/// Chooses operations with random numbers of its own, so that the sequence follows from the seed whatever the heap answers.
#[derive(Debug)]
pub(super) struct Chooser {
    rng: Rng,
    weights: [u32; OPS],
}

impl Chooser {
    /// Each thread has its own taste: most operations are as usual, some are rare, frequent, or never done.
    pub(super) fn new(mut rng: Rng) -> Self {
        let weights = Op::ALL.map(|(op, _, usual)| match (op, rng.below(8)) {
            (Op::Make | Op::Root | Op::Unroot | Op::Check, _) => usual,
            (_, 0) => 0,
            (_, 1) => usual.div_ceil(4),
            (_, 2) => usual * 4,
            _ => usual,
        });
        Self { rng, weights }
    }

    /// How many operations the next scope has: mostly few, now and then thousands.
    pub(super) fn scope_ops(&mut self) -> u32 {
        let most = match self.rng.below(100) {
            0..50 => 8,
            50..90 => 100,
            90..99 => 1000,
            _ => 6000,
        };
        self.rng.below(most) as u32 + 1
    }

    /// The next operation inside of a scope.
    pub(super) fn inside(&mut self) -> Op {
        self.choose(Op::is_inside)
    }

    /// What to do between two scopes: mostly nothing.
    pub(super) fn between(&mut self) -> Option<Op> {
        (self.rng.below(8) == 0).then(|| self.choose(|op| !op.is_inside()))
    }

    fn choose(&mut self, is_possible: impl Fn(Op) -> bool) -> Op {
        let possible = || Op::ALL.iter().zip(self.weights).filter(|((op, ..), _)| is_possible(*op));
        let total: u32 = possible().map(|(_, weight)| weight).sum();
        let mut rest = self.rng.below(total as usize) as u32;
        for ((op, ..), weight) in Op::ALL.iter().zip(self.weights).filter(|((op, ..), _)| is_possible(*op)) {
            match rest.checked_sub(weight) {
                Some(less) => rest = less,
                None => return *op,
            }
        }
        unreachable!("the rest is below the total")
    }
}

#[cfg(test)]
mod tests {
    use super::{Chooser, Op};
    use crate::rng::Rng;

    #[test]
    fn operations_are_listed_in_their_order() {
        assert!(Op::ALL.iter().enumerate().all(|(at, (op, ..))| *op as usize == at));
    }

    /// Goal: a seed repeats the operations, and the sides of the scope are kept apart. Method: two choosers of one seed.
    #[test]
    fn the_choice_follows_from_the_seed() {
        let [mut one, mut two] = [7, 7].map(|seed| Chooser::new(Rng::seeded(seed)));
        for _ in 0..10_000 {
            let inside = one.inside();
            assert!(inside == two.inside() && inside.is_inside());
            let between = one.between();
            assert!(between == two.between() && between.is_none_or(|op| !op.is_inside()));
            assert_eq!(one.scope_ops(), two.scope_ops());
        }
    }
}
