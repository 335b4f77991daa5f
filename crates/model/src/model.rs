//! A scene under a protocol: what can happen next, and what must never be.

use crate::{
    family::CHILD,
    scene::Scene,
    state::{Marker, NONE, Object, Op, Phase, Set, State},
    step::Step,
    variant::Variant,
    witness::{Witness, Witnesses},
};

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// What is on stage.
    pub scene: Scene,
    /// What is played.
    pub variant: Variant,
}

/// How far a mutator is in the cycle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Barrier off.
    Unarmed,
    /// Barrier on, window open.
    Armed,
    /// As armed, with nothing from before.
    Flushed,
    /// Window closed.
    Closed,
}

/// Why a state must not be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// A program can use a freed object.
    UseAfterFree,
    /// The collector or a barrier has the name of a freed object.
    GrayFreed,
    /// A marker reads what a mutator is changing.
    Torn,
    /// An upgrade failed although the target was strongly reachable.
    WeakLied,
    /// An upgrade led to whatever has taken the place of its target.
    WeakMisled,
}

/// The successors of a state.
#[derive(Debug, Default)]
pub struct Next {
    /// Each with the step that leads to it.
    pub steps: Vec<(Step, State)>,
    /// What happened on the way, to any of them.
    pub witnesses: Witnesses,
}

impl Next {
    pub(crate) fn push(&mut self, step: Step, state: State) {
        self.steps.push((step, state));
    }

    pub(crate) fn note(&mut self, witness: Witness) {
        self.witnesses.note(witness);
    }
}

impl Model {
    /// All that can happen in a state.
    pub fn successors(&self, state: &State, next: &mut Next) {
        next.steps.clear();
        self.mutator_steps(state, next);
        self.marker_steps(state, next);
        self.collector_steps(state, next);
        self.thread_steps(state, next);
    }

    /// What is wrong with a state.
    ///
    /// Checked in every state, and for all that can be reached, although only a dereference does harm. Nothing correct is
    /// refused by that: what is reachable, somebody can go and dereference.
    pub fn violation(&self, state: &State) -> Option<Violation> {
        let mut usable = state.strongly_reachable();
        if state.weak != NONE {
            let mut target = Set::EMPTY;
            target.add(state.weak);
            usable = usable.or(state.closure(target));
        }
        if !usable.minus(state.alive).is_empty() {
            return Some(Violation::UseAfterFree);
        }
        if !gray(state).minus(state.alive).is_empty() {
            return Some(Violation::GrayFreed);
        }
        for marker in state.markers {
            if let Marker::Locked(object) = marker
                && state.mutators.iter().any(|mutator| mutator.op == Op::Exclusive(object))
            {
                return Some(Violation::Torn);
            }
        }
        if state.misled {
            return Some(Violation::WeakMisled);
        }
        state.lied.then_some(Violation::WeakLied)
    }

    pub(crate) fn stage(&self, state: &State, mutator: usize) -> Stage {
        if self.variant == Variant::ChildUnarmed && self.scene.family && mutator == CHILD {
            return Stage::Unarmed;
        }
        let waits = state.is_pending(mutator);
        let [before, behind] = match state.phase {
            Phase::Idle | Phase::Clear | Phase::Sweep => [Stage::Unarmed; 2],
            Phase::Arm => [Stage::Unarmed, Stage::Armed],
            Phase::Flush => [Stage::Armed, Stage::Flushed],
            Phase::Close if self.variant == Variant::ArmIsClose => [Stage::Unarmed, Stage::Closed],
            Phase::Close => [Stage::Flushed, Stage::Closed],
            Phase::Mark | Phase::HandOver | Phase::Finished => [Stage::Closed; 2],
            Phase::Disarm => [Stage::Closed, Stage::Unarmed],
        };
        if waits { before } else { behind }
    }

    /// Whether gray objects that are found outside of handshakes are admitted.
    pub(crate) fn gate_is_open(&self, state: &State) -> bool {
        let opening = match self.variant {
            Variant::GateOpensAtMark => Phase::Mark,
            Variant::GateOpensAtClose => Phase::Close,
            _ => Phase::Arm,
        };
        opening <= state.phase && state.phase <= Phase::HandOver
    }

    pub(crate) fn is_guarded(&self, object: Object) -> bool {
        self.scene.guarded.has(object)
    }
}

/// What somebody will mark, scan or shade.
fn gray(state: &State) -> Set {
    let mut gray = state.queue;
    for mutator in &state.mutators {
        gray = gray.or(mutator.window).or(mutator.buffer);
        match mutator.op {
            Op::Shade(object)
            | Op::Log(object)
            | Op::Exclusive(object)
            | Op::Overwrite { holder: object, .. } => {
                gray.add(object);
            }
            Op::Replace { holder, old, .. } => {
                gray.add(holder);
                gray.add(old);
            }
            // An upgrade has only looked at an address so far.
            Op::None | Op::Upgrade(_) | Op::StaleUpgrade(_) => {}
        }
    }
    for marker in state.markers {
        if let Marker::Value(object) | Marker::Locked(object) = marker {
            gray.add(object);
        }
    }
    gray
}

/// Sets the mark of an object in the bitmap that an armed mutator knows, which keeps its role for it when the
/// bitmaps take turns. `true` if it was not set.
pub(crate) fn try_mark(state: &mut State, object: Object) -> bool {
    if state.has_turned() { state.finished.add(object) } else { state.filling.add(object) }
}

/// Whether an armed mutator finds an object marked.
pub(crate) fn is_marked(state: &State, object: Object) -> bool {
    if state.has_turned() { state.finished.has(object) } else { state.filling.has(object) }
}
