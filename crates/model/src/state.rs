//! One state of the model: a heap of three objects, up to three mutators, the markers and the collector.
//!
//! What the code keeps redundantly is derived here. The stage of a mutator follows from the phase and from whether
//! it has acknowledged; the gate is open from `Arm` to `HandOver`; a mark lock is held by a marker in
//! [`Marker::Locked`] or by a closed mutator in [`Op::Log`].

/// Objects of a heap.
pub const OBJECTS: usize = 3;
/// Mutators of a heap.
pub const MUTATORS: usize = 3;
/// Root slots of a heap.
pub const SLOTS: usize = 2;

/// The name of an object, from one on; [`NONE`] is a null pointer.
pub type Object = u8;
/// No object.
pub const NONE: Object = 0;

/// A set of objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Set(pub u8);

impl Set {
    /// All objects.
    pub const ALL: Set = Set(0b111);
    /// No objects.
    pub const EMPTY: Set = Set(0);

    /// Whether an object, which is not null, is in the set.
    pub fn has(self, object: Object) -> bool {
        self.0 & bit(object) != 0
    }

    /// Adds an object. `true` if it is new.
    pub fn add(&mut self, object: Object) -> bool {
        let is_new = !self.has(object);
        self.0 |= bit(object);
        is_new
    }

    /// Removes an object.
    pub fn remove(&mut self, object: Object) {
        self.0 &= !bit(object);
    }

    /// The objects in either.
    pub fn or(self, other: Set) -> Set {
        Set(self.0 | other.0)
    }

    /// The objects that are here and not in `other`.
    pub fn minus(self, other: Set) -> Set {
        Set(self.0 & !other.0)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The objects in order.
    pub fn iter(self) -> impl Iterator<Item = Object> {
        (1..=OBJECTS as Object).filter(move |&object| self.has(object))
    }
}

fn bit(object: Object) -> u8 {
    debug_assert!(object != NONE && object as usize <= OBJECTS);
    1 << (object - 1)
}

/// Where a cycle is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(u8)]
pub enum Phase {
    /// No cycle.
    #[default]
    Idle,
    /// First handshake: barrier on, window open.
    Arm,
    /// Second handshake: nothing happens.
    Flush,
    /// Third handshake: the window is handed over.
    Close,
    /// Markers trace.
    Mark,
    /// Fourth handshake, once per round: barrier buffers are handed over; markers may trace meanwhile.
    HandOver,
    /// The gate is closed; the weak box is not cleared yet, and the bitmaps have not taken turns.
    Finished,
    /// Fifth handshake: barrier off. From here on dead objects may be freed.
    Disarm,
    /// The old bitmap is about to be cleared.
    Clear,
    /// What is dead is freed.
    Sweep,
}

impl Phase {
    pub(crate) const BY_NUMBER: [Phase; 10] = [
        Phase::Idle,
        Phase::Arm,
        Phase::Flush,
        Phase::Close,
        Phase::Mark,
        Phase::HandOver,
        Phase::Finished,
        Phase::Disarm,
        Phase::Clear,
        Phase::Sweep,
    ];
}

/// What a mutator is in the middle of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Op {
    /// Nothing.
    #[default]
    None,
    /// An object was swapped out of a shared word or a root; the shading is to come.
    Shade(Object),
    /// The weak box was read, and its target's mark is to be looked at.
    Upgrade(Object),
    /// The same, and the box has been cleared since.
    StaleUpgrade(Object),
    /// An exclusive access to a guarded cell began; its contents are to be shaded. Under the cell's mark lock, if the
    /// mutator is closed.
    Log(Object),
    /// The contents of a guarded cell may be changed, piece by piece.
    Exclusive(Object),
    /// Non-atomic barrier: the old value was read.
    Replace {
        /// Whose word it is.
        holder: Object,
        /// What will be stored.
        new: Object,
        /// What was read.
        old: Object,
    },
    /// Non-atomic barrier: the old value was shaded.
    Overwrite {
        /// Whose word it is.
        holder: Object,
        /// What will be stored.
        new: Object,
    },
}

/// A mutator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mutator {
    /// What it holds pointers to. Without any it may as well be outside of its scopes.
    pub held: Set,
    /// Shaded objects that the collector does not know of.
    pub buffer: Set,
    /// Objects born in the window.
    pub window: Set,
    /// What its stack leads to: a private word that survives safepoints.
    pub stack: Object,
    /// What it is doing.
    pub op: Op,
}

/// A marker. It counts as active while it is not idle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Marker {
    /// It holds nothing.
    #[default]
    Idle,
    /// It read a pointer to this object, which was unmarked.
    Value(Object),
    /// It holds the mark lock of this object's cell, to read the contents.
    Locked(Object),
    /// It found the key of the pair marked, and is to read the value.
    Pair,
}

/// What the cycle knows of the pair: the slot of an ephemeron.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pair {
    /// Nothing that is left to do: the key was marked, there was none, or there is no cycle.
    #[default]
    Done,
    /// A marker is to look at it.
    Due,
    /// The key was white: it is looked at again, once something was marked since.
    Noted,
    /// The key was white: it is looked at again when this object is scanned.
    Waits(Object),
    /// Of a guardian: nothing else is reachable that is not marked, and a marker is to look at the object again.
    ToChoose,
    /// Of a guardian: the object was chosen to come back, and is to be marked.
    Chosen,
}

/// A state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Where the cycle is.
    pub phase: Phase,
    /// Mutators that have not acknowledged the handshake, as bits.
    pub pending: u8,
    /// The one word of each object.
    pub field: [Object; OBJECTS],
    /// Objects that were allocated and not freed.
    pub alive: Set,
    /// The bitmap that the cycle fills.
    pub filling: Set,
    /// The bitmap of the finished cycle, from its end to the end of the sweep.
    pub finished: Set,
    /// Places that this sweep has dealt with, or need not: of freed objects, and of those born there since the bitmaps
    /// took turns.
    pub fresh: Set,
    /// Objects whose cell bears the stamp of this cycle.
    pub stamped: Set,
    /// Gray objects that markers can take.
    pub queue: Set,
    /// Root slots that are not scanned yet, as bits.
    pub slots_left: u8,
    /// Something was pushed since the last round of `HandOver` began.
    pub pushed: bool,
    /// The last round brought nothing (for the variant that wants two of them).
    pub quiet_round: bool,
    /// The target of the weak box; or the key of the pair.
    pub weak: Object,
    /// The value of the pair.
    pub value: Object,
    /// What the cycle knows of the pair.
    pub pair: Pair,
    /// A marker scanned something since the last pass began.
    pub stirred: bool,
    /// What the guardian guards came back: the reference is strong.
    pub revived: bool,
    /// Objects that are scanned are looked up: the pair may wait for them.
    pub keyed: bool,
    /// The root slots.
    pub roots: [Object; SLOTS],
    /// The markers.
    pub markers: [Marker; 2],
    /// What the thread that is no mutator has taken out of a root and not shaded yet.
    pub thread: Object,
    /// The mutators.
    pub mutators: [Mutator; MUTATORS],
    /// The second mutator exists, as a child in a scope of the first.
    pub child: bool,
    /// What mutators may still begin, if the scene has a bound.
    pub acts_left: u8,
    /// An upgrade has failed although its target was strongly reachable.
    pub lied: bool,
    /// An upgrade has led to a place whose object is dead, since the box was read and cleared.
    pub misled: bool,
}

impl State {
    /// The word of an object.
    pub fn word(&self, object: Object) -> Object {
        self.field[object as usize - 1]
    }

    /// Changes the word of an object.
    pub fn set_word(&mut self, object: Object, value: Object) {
        self.field[object as usize - 1] = value;
    }

    /// Whether a mutator has not acknowledged the handshake under way.
    pub fn is_pending(&self, mutator: usize) -> bool {
        self.pending & 1 << mutator != 0
    }

    /// Whether the bitmaps have taken turns, and the sweep is not complete.
    pub fn has_turned(&self) -> bool {
        self.phase >= Phase::Disarm
    }

    /// What can be reached from a set of objects.
    pub fn closure(&self, from: Set) -> Set {
        let mut reached = from;
        for _ in 0..OBJECTS {
            if self.value != NONE && self.weak != NONE && reached.has(self.weak) {
                reached.add(self.value);
            }
            for object in reached.iter() {
                let next = self.word(object);
                if next != NONE {
                    reached.add(next);
                }
            }
        }
        reached
    }

    /// What a program can still use: reachable from a root slot, from a stack, or from what a mutator holds.
    pub fn strongly_reachable(&self) -> Set {
        let mut from = self.mutators.iter().fold(Set::EMPTY, |held, mutator| held.or(mutator.held));
        for root in self.roots.into_iter().chain(self.mutators.map(|mutator| mutator.stack)) {
            if root != NONE {
                from.add(root);
            }
        }
        if self.revived && self.weak != NONE {
            from.add(self.weak);
        }
        self.closure(from)
    }

    /// Whether some mutator has exclusive access to a cell, or is about to have it.
    pub fn is_borrowed(&self, object: Object) -> bool {
        self.mutators
            .iter()
            .any(|mutator| mutator.op == Op::Log(object) || mutator.op == Op::Exclusive(object))
    }

    /// Adds a gray object to the shared queue on a mutator's behalf.
    pub fn push(&mut self, objects: Set) {
        if !objects.is_empty() {
            self.queue = self.queue.or(objects);
            self.pushed |= self.phase == Phase::HandOver;
        }
    }
}
