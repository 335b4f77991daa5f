//! Frames, and the locals in them.
//!
//! The model of the locals is one stack of numbers for all frames; a local goes by its place in there.

use super::{
    Op, Outside, Turn,
    machine::{Machine, Registers},
    objects::{Any, Bush, Id, Pair},
    outside::collect_elsewhere,
};
use mudlark::{Erased, Frame, FrameScope, Heap, Local, Mutator, Scope};

/// Frames in each other, at most: each takes some of the stack.
const DEPTH_MAX: usize = 12;

/// What a scope has to do with frames.
pub(super) trait Keeper<'gc> {
    /// How many locals it can use.
    fn len(&self) -> usize;
    fn get(&self, index: usize) -> Any<'gc>;
    /// `false` if the local is one of another type.
    fn set(&mut self, index: usize, any: Any<'gc>) -> bool;
    /// `false` if there is no frame.
    fn keep(&mut self, any: Any<'gc>) -> bool;
}

/// A scope in no frame, or one of another mutator.
pub(super) struct NoFrame;

impl<'gc> Keeper<'gc> for NoFrame {
    fn len(&self) -> usize {
        0
    }

    fn get(&self, index: usize) -> Any<'gc> {
        panic!("there is no local {index}")
    }

    fn set(&mut self, _: usize, _: Any<'gc>) -> bool {
        false
    }

    fn keep(&mut self, _: Any<'gc>) -> bool {
        false
    }
}

enum Kept<'frame> {
    Pair(Local<'frame, Pair<'static>>),
    Bush(Local<'frame, Bush<'static>>),
    Hidden(Local<'frame, Erased<'static>>),
}

/// The locals of some frames, whose brands are unknown here.
pub(super) trait Locals {
    fn len(&self) -> usize;
    fn depth(&self) -> usize;
    fn get<'gc>(&self, cx: &Scope<'gc>, index: usize) -> Any<'gc>;
    fn set<'gc>(&mut self, cx: &Scope<'gc>, index: usize, any: Any<'gc>) -> bool;
}

/// Those of a frame, behind those of the frames around it.
struct OfFrame<'frame, 'o> {
    kept: Vec<Kept<'frame>>,
    outer: Option<&'o mut (dyn Locals + 'o)>,
}

impl OfFrame<'_, '_> {
    fn outer_len(&self) -> usize {
        self.outer.as_ref().map_or(0, |outer| outer.len())
    }
}

impl Locals for OfFrame<'_, '_> {
    fn len(&self) -> usize {
        self.outer_len() + self.kept.len()
    }

    fn depth(&self) -> usize {
        1 + self.outer.as_ref().map_or(0, |outer| outer.depth())
    }

    fn get<'gc>(&self, cx: &Scope<'gc>, index: usize) -> Any<'gc> {
        match (index.checked_sub(self.outer_len()), &self.outer) {
            (None, Some(outer)) => outer.get(cx, index),
            (index, _) => match &self.kept[index.expect("there are no outer ones")] {
                Kept::Pair(local) => Any::Pair(local.get(cx)),
                Kept::Bush(local) => Any::Bush(local.get(cx)),
                Kept::Hidden(local) => Any::Hidden(local.get(cx)),
            },
        }
    }

    fn set<'gc>(&mut self, cx: &Scope<'gc>, index: usize, any: Any<'gc>) -> bool {
        match (index.checked_sub(self.outer_len()), &mut self.outer) {
            (None, Some(outer)) => return outer.set(cx, index, any),
            (index, _) => match (&self.kept[index.expect("there are no outer ones")], any) {
                (Kept::Pair(local), Any::Pair(pair)) => local.set(cx, pair),
                (Kept::Bush(local), Any::Bush(bush)) => local.set(cx, bush),
                (Kept::Hidden(local), any) => local.set(cx, any.erase()),
                _ => return false,
            },
        }
        true
    }
}

/// A scope of a frame.
struct InFrame<'a, 'frame, 'o, 'gc> {
    cx: &'a FrameScope<'frame, 'gc>,
    locals: &'a mut OfFrame<'frame, 'o>,
}

impl<'gc> Keeper<'gc> for InFrame<'_, '_, '_, 'gc> {
    fn len(&self) -> usize {
        self.locals.len()
    }

    fn get(&self, index: usize) -> Any<'gc> {
        self.locals.get(self.cx, index)
    }

    fn set(&mut self, index: usize, any: Any<'gc>) -> bool {
        self.locals.set(self.cx, index, any)
    }

    fn keep(&mut self, any: Any<'gc>) -> bool {
        self.locals.kept.push(match any {
            Any::Pair(pair) => Kept::Pair(self.cx.keep(pair)),
            Any::Bush(bush) => Kept::Bush(self.cx.keep(bush)),
            any => Kept::Hidden(self.cx.keep(any.erase())),
        });
        true
    }
}

impl Machine {
    /// What is done in a frame, between scopes and in them. Returns a step that is to be done outside of all frames.
    pub(super) fn frame(
        &mut self,
        frame: &mut Frame<'_>,
        outer: Option<&mut dyn Locals>,
        other: &mut Mutator,
        ops: &mut dyn Iterator<Item = Op>,
    ) -> Option<Op> {
        let mut locals = OfFrame { kept: Vec::new(), outer };
        let base = locals.len();
        let mut next = None;
        let last = loop {
            let Some(op) = next.take().or_else(|| ops.next()) else { break None };
            next = match op {
                Op::Turn(Turn::EndFrame) => break None,
                Op::Turn(Turn::Outside(Outside::Collect)) => {
                    self.baton.step();
                    self.collect_in_frame(frame, &locals, Heap::collect);
                    None
                }
                Op::Turn(Turn::Outside(Outside::CollectElsewhere)) => {
                    self.baton.step();
                    self.collect_in_frame(frame, &locals, collect_elsewhere);
                    None
                }
                // These need the mutators.
                Op::Turn(Turn::Outside(Outside::Parcels { .. } | Outside::Reattach { .. })) => {
                    break Some(op);
                }
                Op::Turn(Turn::Outside(outside)) => {
                    self.baton.step();
                    self.outside_without_mutators(outside);
                    None
                }
                Op::Turn(Turn::Leave) => None,
                Op::Turn(Turn::Frame { .. }) => {
                    self.baton.step();
                    if locals.depth() < DEPTH_MAX {
                        frame.frame(|inner| self.frame(inner, Some(&mut locals), other, ops))
                    } else {
                        None
                    }
                }
                op => {
                    let first = Some(op).filter(|op| !matches!(op, Op::Turn(Turn::Enter { .. })));
                    frame.enter(|cx| {
                        let mut keeper = InFrame { cx, locals: &mut locals };
                        self.steps(cx, &mut keeper, Some(other), first, ops)
                    })
                }
            };
        };
        self.locals.truncate(base);
        last
    }

    fn collect_in_frame(
        &mut self,
        frame: &mut Frame<'_>,
        locals: &OfFrame<'_, '_>,
        collect: impl FnOnce(&Heap),
    ) {
        let reachable = self.cycle(collect);
        let ids: Vec<Id> = self.locals.clone();
        frame.enter(|cx| {
            let kept: Registers<'_> =
                ids.into_iter().enumerate().map(|(index, id)| (locals.get(cx, index), id)).collect();
            self.check_cycle(cx, kept, &reachable);
        });
    }
}
