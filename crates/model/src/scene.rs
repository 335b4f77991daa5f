//! Scenes: which parts of the protocol are on stage together.
//!
//! A scene bounds what exists, never how often something happens: mutators store, allocate and leave their scopes
//! as often as they like, and cycles follow each other without end.

use crate::state::{NONE, OBJECTS, Object, Phase, SLOTS, Set, State};

/// What a search is about.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// For reports.
    pub name: &'static str,
    /// Pointers that each mutator can hold at once.
    pub holds: [usize; 2],
    /// Root slots in use.
    pub slots: usize,
    /// Whether the second mutator is a child of the first: a thread in its scopes, one after another, and they hand each other
    /// what they hold.
    pub family: bool,
    /// Pointers that a third mutator can hold, which is nobody's child; without any there is none.
    pub stranger: usize,
    /// Markers.
    pub markers: usize,
    /// Whether mutators allocate.
    pub allocates: bool,
    /// Whether mutators point roots at other objects.
    pub sets_roots: bool,
    /// Whether a thread that is no mutator drops roots.
    pub drops_roots: bool,
    /// Whether there is a weak box.
    pub weak: bool,
    /// Whether the weak box has a value: it is the slot of an ephemeron.
    pub pairs: bool,
    /// Whether the weak box is a registration of a guardian.
    pub guards: bool,
    /// Objects whose word lies in a guarded cell: a private cell or one with a mutex.
    pub guarded: Set,
    /// Whether guarded cells can be read without exclusive access.
    pub shared_reads: bool,
    /// Whether each of the first two mutators has a stack: a private word that survives safepoints.
    pub stacks: [bool; 2],
    /// Whether barrier buffers are handed over before they must be.
    pub spills: bool,
    /// What mutators may begin, all together; without a bound if `None`. For counterexamples: proofs need no bound.
    pub acts: Option<u8>,
    /// The first phase of a cycle in which mutators begin anything; also for counterexamples.
    pub acts_from: Phase,
    /// Objects in the heaps at the beginning: all heaps of so many objects.
    pub born: usize,
}

/// Two mutators and one marker change words under one root, and allocate.
pub const WORDS: Scene = Scene {
    name: "words",
    holds: [3, 3],
    slots: 1,
    family: false,
    stranger: 0,
    markers: 1,
    allocates: true,
    sets_roots: false,
    drops_roots: false,
    weak: false,
    pairs: false,
    guards: false,
    guarded: Set::EMPTY,
    shared_reads: false,
    stacks: [false; 2],
    spills: false,
    acts: None,
    acts_from: Phase::Idle,
    born: 3,
};

impl Scene {
    /// Whether the two mutators can be exchanged for each other.
    pub fn has_equal_mutators(&self) -> bool {
        self.holds[0] == self.holds[1] && self.stacks[0] == self.stacks[1] && !self.family
    }

    /// Pointers that a mutator can hold at once.
    pub fn room(&self, mutator: usize) -> usize {
        self.holds.get(mutator).copied().unwrap_or(self.stranger)
    }

    /// Whether all objects are of one kind, so that names mean nothing.
    pub fn has_equal_objects(&self) -> bool {
        self.guarded == Set::EMPTY || self.guarded == Set::ALL
    }

    /// Every heap of the scene between two cycles, with all mutators outside of their scopes and nothing
    /// unreachable.
    pub fn initial_states(&self) -> Vec<State> {
        let mut states = Vec::new();
        let values = OBJECTS + 1;
        let words = OBJECTS + SLOTS;
        for mut code in 0..values.pow(words as u32) {
            let mut all = [NONE; OBJECTS + SLOTS];
            for word in &mut all {
                *word = (code % values) as Object;
                code /= values;
            }
            let (field, roots) = all.split_at(OBJECTS);
            let mut state = State::default();
            state.field.copy_from_slice(field);
            state.roots.copy_from_slice(roots);
            if roots[self.slots..].iter().all(|&root| root == NONE) {
                states.extend(self.with_weak(state));
            }
        }
        states
    }

    /// The heap with each weak box or pair that the scene may have, if all of it is reached.
    fn with_weak(&self, state: State) -> Vec<State> {
        let keys = if self.weak { OBJECTS as Object } else { NONE };
        let mut states = Vec::new();
        for weak in NONE..=keys {
            let values = if self.pairs && weak != NONE { OBJECTS as Object } else { NONE };
            for value in NONE..=values {
                let mut state = State { weak, value, ..state };
                let reached = state.strongly_reachable();
                let is_named_in_order = !self.has_equal_objects() || reached.0 == (1 << reached.len()) - 1;
                let has_only_reached =
                    Set::ALL.minus(reached).iter().all(|object| state.word(object) == NONE);
                let is_key_reached = weak == NONE || reached.has(weak);
                if reached.len() == self.born && is_named_in_order && has_only_reached && is_key_reached {
                    state.alive = reached;
                    state.acts_left = self.acts.unwrap_or(0);
                    states.push(state);
                }
            }
        }
        states
    }
}
