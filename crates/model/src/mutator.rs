//! Steps of a mutator: loads, stores, allocation, roots, its stack, the weak box, safepoints.
//!
//! What a mutator holds is a set that only grows within a scope (up to the scene's bound): letting go of a pointer
//! early enables nothing, for every step that is possible with less in hand is possible with more.

use crate::{
    model::{Model, Next, Stage, is_marked, try_mark},
    state::{MUTATORS, Mutator, NONE, Object, Op, Phase, Set, State},
    step::{Act, Step},
    variant::Variant,
    witness::Witness,
};

impl Model {
    pub(crate) fn mutator_steps(&self, state: &State, next: &mut Next) {
        for me in (0..MUTATORS).filter(|&me| self.is_there(state, me)) {
            match state.mutators[me].op {
                Op::None => self.free_steps(state, me, next),
                Op::Shade(old) => {
                    let mut after = *state;
                    after.mutators[me].op = Op::None;
                    self.shade(&mut after, me, old, next);
                    next.push(Step::Mutator(me, Act::Shades(old)), after);
                }
                Op::Upgrade(target) | Op::StaleUpgrade(target) => self.end_upgrade(state, me, target, next),
                Op::Log(object) => self.log(state, me, object, next),
                Op::Exclusive(object) => self.exclusive_steps(state, me, object, next),
                Op::Replace { holder, new, old } => {
                    let mut after = *state;
                    after.mutators[me].op = Op::Overwrite { holder, new };
                    self.shade(&mut after, me, old, next);
                    next.push(Step::Mutator(me, Act::Shades(old)), after);
                }
                Op::Overwrite { holder, new } => {
                    let mut after = *state;
                    after.mutators[me].op = Op::None;
                    after.set_word(holder, new);
                    next.push(Step::Mutator(me, Act::Stores(holder, new)), after);
                }
            }
        }
    }

    /// What it can begin.
    fn free_steps(&self, state: &State, me: usize, next: &mut Next) {
        match self.scene.acts {
            _ if state.phase < self.scene.acts_from => {}
            None => self.acts(state, me, next),
            Some(_) if state.acts_left == 0 => {}
            Some(_) => self.acts(&State { acts_left: state.acts_left - 1, ..*state }, me, next),
        }
        self.family_steps(state, me, next);
        if self.may_end_scope(state, me) {
            self.end_scope(state, me, next);
        }
    }

    fn acts(&self, state: &State, me: usize, next: &mut Next) {
        let held = state.mutators[me].held;
        for slot in 0..self.scene.slots {
            let root = state.roots[slot];
            if root != NONE && !held.has(root) {
                self.hold(state, me, root, Act::LoadsRoot(slot, root), next);
            }
            if self.scene.sets_roots {
                self.set_root(state, me, slot, next);
            }
        }
        for holder in held.iter() {
            if self.is_guarded(holder) {
                self.guarded_steps(state, me, holder, next);
            } else {
                let word = state.word(holder);
                if word != NONE && !held.has(word) {
                    self.hold(state, me, word, Act::Loads(holder, word), next);
                }
                self.store(state, me, holder, next);
            }
        }
        if self.scene.stacks.get(me).is_some_and(|&has| has) {
            self.stack_steps(state, me, next);
        }
        if self.scene.allocates {
            self.allocate(state, me, next);
        }
        if self.scene.guards {
            self.guardian_steps(state, me, next);
        } else if self.scene.pairs {
            self.pair_steps(state, me, next);
        } else if self.scene.weak {
            self.weak_steps(state, me, next);
        }
    }

    /// Takes a pointer into its hands; if they are full, in place of any other.
    pub(crate) fn hold(&self, state: &State, me: usize, object: Object, act: Act, next: &mut Next) {
        let held = state.mutators[me].held;
        let mut after = *state;
        if held.has(object) || held.len() < self.scene.room(me) {
            after.mutators[me].held.add(object);
            next.push(Step::Mutator(me, act), after);
            return;
        }
        for dropped in held.iter() {
            after.mutators[me].held = held;
            after.mutators[me].held.remove(dropped);
            after.mutators[me].held.add(object);
            next.push(Step::Mutator(me, act), after);
        }
    }

    /// Mark, and into the own buffer.
    pub(crate) fn shade(&self, state: &mut State, me: usize, object: Object, next: &mut Next) {
        let is_late = state.phase == Phase::HandOver && !state.is_pending(me);
        if self.variant == Variant::SwapGated && is_late {
            if state.filling.add(object) {
                let mut gray = Set::EMPTY;
                gray.add(object);
                state.push(gray);
            }
            return;
        }
        if try_mark(state, object) {
            // Once the gate is closed, buffers are dropped: none is kept here.
            if state.phase < Phase::Finished {
                state.mutators[me].buffer.add(object);
            }
            next.note(Witness::Shaded);
        }
    }

    /// Whether an old value can be overwritten at once. Marks stay, so what is marked already needs no shading, then or later.
    pub(crate) fn barrier(&self, state: &State, me: usize, old: Object) -> Barrier {
        let is_armed = self.stage(state, me) != Stage::Unarmed;
        if !is_armed || old == NONE || is_marked(state, old) {
            return Barrier::Done;
        }
        match self.variant {
            Variant::SwapBarrier | Variant::SwapTwoRounds | Variant::SwapGated => Barrier::After,
            _ => Barrier::Before,
        }
    }

    fn store(&self, state: &State, me: usize, holder: Object, next: &mut Next) {
        let old = state.word(holder);
        let barrier = match self.variant {
            Variant::NoDeletionBarrier => Barrier::Done,
            _ => self.barrier(state, me, old),
        };
        let mut after = *state;
        if barrier == Barrier::Before && self.variant != Variant::NonAtomicBarrier {
            after.mutators[me].op = Op::Shade(old);
            next.push(Step::Mutator(me, Act::ReadsOld(holder, old)), after);
            return;
        }
        for new in values(state.mutators[me].held) {
            if self.variant == Variant::NonAtomicBarrier && self.stage(state, me) != Stage::Unarmed {
                after.mutators[me].op = match old {
                    NONE => Op::Overwrite { holder, new },
                    old => Op::Replace { holder, new, old },
                };
                next.push(Step::Mutator(me, Act::ReadsOld(holder, old)), after);
                continue;
            }
            after.set_word(holder, new);
            if barrier == Barrier::After {
                after.mutators[me].op = Op::Shade(old);
            }
            next.push(Step::Mutator(me, Act::Swaps(holder, old, new)), after);
        }
    }

    fn set_root(&self, state: &State, me: usize, slot: usize, next: &mut Next) {
        let old = state.roots[slot];
        let barrier = match self.variant {
            Variant::NoRootBarrier => Barrier::Done,
            _ => self.barrier(state, me, old),
        };
        let mut after = *state;
        if barrier == Barrier::Before {
            after.mutators[me].op = Op::Shade(old);
            next.push(Step::Mutator(me, Act::ReadsOldRoot(slot, old)), after);
            return;
        }
        for new in values(state.mutators[me].held).filter(|&new| new != old) {
            after.roots[slot] = new;
            if barrier == Barrier::After {
                after.mutators[me].op = Op::Shade(old);
            }
            next.push(Step::Mutator(me, Act::SetsRoot(slot, old, new)), after);
        }
    }

    /// The stack is the mutator's alone: no barrier, in any stage.
    fn stack_steps(&self, state: &State, me: usize, next: &mut Next) {
        let Mutator { held, stack, .. } = state.mutators[me];
        if stack != NONE && !held.has(stack) {
            next.note(Witness::StackLoaded);
            self.hold(state, me, stack, Act::LoadsStack(stack), next);
        }
        for new in values(held).filter(|&new| new != stack) {
            let mut after = *state;
            after.mutators[me].stack = new;
            next.push(Step::Mutator(me, Act::SetsStack(stack, new)), after);
        }
    }

    /// Whether a mutator that takes the handshake shades what is on its stack.
    fn scans_stack(&self, phase: Phase) -> bool {
        match self.variant {
            Variant::StackAtArm => phase == Phase::Arm,
            Variant::StackAtClose => phase == Phase::Close,
            Variant::StackAtHandOver => phase == Phase::HandOver,
            Variant::StackTwice => matches!(phase, Phase::Flush | Phase::Close),
            _ => phase == Phase::Flush,
        }
    }

    /// Objects are born with a null in their word: to fill it is a step of its own.
    fn allocate(&self, state: &State, me: usize, next: &mut Next) {
        for object in Set::ALL.minus(state.alive).iter() {
            next.note(Witness::Allocated);
            let mut born = *state;
            born.alive.add(object);
            let act = Act::Allocates(object);
            match self.stage(state, me) {
                Stage::Unarmed => {
                    if state.has_turned() {
                        born.fresh.add(object);
                    }
                }
                Stage::Armed | Stage::Flushed => {
                    if self.variant != Variant::WhiteWindow {
                        born.filling.add(object);
                        born.mutators[me].window.add(object);
                    }
                }
                Stage::Closed if state.has_turned() => {
                    if !state.fresh.has(object) {
                        // From a block that it claimed before the turn: marked in that bitmap.
                        let mut marked = born;
                        marked.finished.add(object);
                        self.hold(&marked, me, object, act, next);
                    }
                    // From a block that it claimed after the turn: the sweep has been there.
                    born.fresh.add(object);
                }
                Stage::Closed => {
                    if self.variant != Variant::WhiteBirth {
                        born.filling.add(object);
                    }
                }
            }
            self.hold(&born, me, object, act, next);
            if self.scene.has_equal_objects() {
                break;
            }
        }
    }

    pub(crate) fn weak_steps(&self, state: &State, me: usize, next: &mut Next) {
        let held = state.mutators[me].held;
        if state.weak == NONE {
            for target in held.iter() {
                let after = State { weak: target, ..*state };
                next.push(Step::Mutator(me, Act::Downgrades(target)), after);
            }
            return;
        }
        let target = state.weak;
        let stage = self.stage(state, me);
        let is_plain = match self.variant {
            Variant::PlainUpgrade => true,
            Variant::PlainUpgradeBeforeClose => stage != Stage::Closed,
            _ => stage == Stage::Unarmed,
        };
        if is_plain {
            next.note(Witness::PlainUpgrade);
            if !held.has(target) {
                self.hold(state, me, target, Act::Upgrades(target), next);
            }
        } else {
            let mut after = *state;
            after.mutators[me].op = Op::Upgrade(target);
            next.push(Step::Mutator(me, Act::ReadsWeak(target)), after);
        }
    }

    /// An armed mutator's upgrade, after it has read the box.
    ///
    /// Once the gate is closed, the box is read again: until it is cleared, only a marked target is good; afterwards whatever
    /// the box still holds is. The mark alone proves nothing then, as the place may belong to a new object.
    fn end_upgrade(&self, state: &State, me: usize, target: Object, next: &mut Next) {
        let mut after = *state;
        after.mutators[me].op = Op::None;
        let has_box = state.mutators[me].op == Op::Upgrade(target);
        let is_kept = has_box || self.variant == Variant::UpgradeReadsOnce;
        let was_cleared = state.has_turned() && self.variant != Variant::UpgradeFailsLate;
        let succeeds = if self.gate_is_open(state) {
            self.upgrade_in_gate(&mut after, me, target, next);
            true
        } else {
            is_kept && (is_marked(state, target) || was_cleared && has_box)
        };
        if succeeds {
            if !self.gate_is_open(state) && !is_marked(state, target) {
                next.note(Witness::UpgradeFresh);
            }
            after.misled |= !has_box;
            if self.scene.guards {
                self.give_back(&mut after, next);
                return self.hold(&after, me, target, Act::Polls(target), next);
            }
            self.hold(&after, me, target, Act::Upgrades(target), next);
        } else {
            next.note(Witness::UpgradeRefused);
            after.lied |= has_box && state.strongly_reachable().has(target);
            next.push(Step::Mutator(me, Act::FailsToUpgrade(target)), after);
        }
    }

    fn upgrade_in_gate(&self, state: &mut State, me: usize, target: Object, next: &mut Next) {
        if is_marked(state, target) {
            next.note(Witness::UpgradeMarked);
            return;
        }
        next.note(Witness::UpgradeGated);
        if self.variant == Variant::BufferedUpgrade {
            self.shade(state, me, target, next);
        } else {
            let mut gray = Set::EMPTY;
            gray.add(target);
            state.filling.add(target);
            state.push(gray);
        }
    }

    /// Safepoints. A mutator that holds nothing is as good as outside of its scopes, where the collector serves it.
    fn end_scope(&self, state: &State, me: usize, next: &mut Next) {
        let Mutator { held, buffer, window, .. } = state.mutators[me];
        if self.scene.spills && !buffer.is_empty() && self.gate_is_open(state) {
            let mut after = *state;
            after.push(buffer);
            after.mutators[me].buffer = Set::EMPTY;
            next.push(Step::Mutator(me, Act::Spills), after);
        }
        let stack = state.mutators[me].stack;
        let mut after = *state;
        after.mutators[me].held = Set::EMPTY;
        if !state.is_pending(me) {
            if !held.is_empty() {
                next.push(Step::Mutator(me, Act::Leaves), after);
            }
            return;
        }
        after.pending &= !(1 << me);
        if stack != NONE && self.scans_stack(state.phase) && after.filling.add(stack) {
            next.note(Witness::StackShaded);
            after.mutators[me].buffer.add(stack);
        }
        let buffer = after.mutators[me].buffer;
        let hands_over = match state.phase {
            Phase::Close => {
                if self.variant != Variant::NoWindowScan {
                    after.push(window);
                    if !window.is_empty() {
                        next.note(Witness::WindowHandedOver);
                    }
                }
                after.mutators[me].window = Set::EMPTY;
                self.variant != Variant::CloseKeepsBuffer
            }
            Phase::HandOver => {
                if !buffer.is_empty() {
                    next.note(Witness::BufferHandedOver);
                }
                true
            }
            _ => false,
        };
        if hands_over {
            after.push(buffer);
        }
        if hands_over || state.phase == Phase::Disarm {
            after.mutators[me].buffer = Set::EMPTY;
        }
        next.push(Step::Mutator(me, Act::Acknowledges), after);
    }
}

/// When the old value is shaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Barrier {
    /// It need not be.
    Done,
    /// Before it is compared and swapped.
    Before,
    /// After it was swapped out.
    After,
}

/// What can be stored: null, or a pointer that is held.
pub(crate) fn values(held: Set) -> impl Iterator<Item = Object> {
    std::iter::once(NONE).chain(held.iter())
}
