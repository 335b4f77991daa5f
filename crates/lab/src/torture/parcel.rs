//! Sends a part of a graph, with what is known of it, to another thread.
//!
//! Each object that changes has one thread that knows it. So all edges between the part and the rest are cut first; objects
//! that never change stay with both. Weak pointers are not cut: each side knows of its own targets only.

use std::collections::VecDeque;

use mudlark::Scope;

use super::edges::Edit;
use super::graph::Graph;
use super::make::{Held, MailRoot};
use super::node::{Any, Id};
use super::shadow::{Entry, IdSet};

/// A part of a graph on its way.
#[derive(Debug)]
pub(super) struct Parcel {
    root: MailRoot,
    id: Id,
    entries: Vec<(Id, Entry)>,
}

impl Graph {
    /// Cuts off what `start` leads to, up to `objects_max` objects, or returns nothing if it cannot be sent.
    pub(super) fn pack(
        &mut self,
        cx: &Scope<'_>,
        start: Id,
        objects_max: usize,
    ) -> Result<Option<Parcel>, String> {
        // What only weak pointers lead to cannot be cut off, so it is forgotten.
        let reached = self.check(cx)?;
        self.shadow.retain(&reached);
        let part = self.part(start, objects_max);
        let mut root = None;
        let mut seen = IdSet::default();
        let mut stack: Vec<(Any<'_>, Id)> = self.roots.iter().map(|(held, id)| (held.get(cx), *id)).collect();
        while let Some((any, id)) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            if let (true, Any::Mail(mail)) = (id == start, any) {
                root = Some(MailRoot::new(cx, mail));
            }
            self.separate(cx, any, id, &part, &mut stack)?;
        }
        let Some(root) = root else { return Ok(None) };
        let kept: Vec<bool> = self.roots.iter().map(|(_, id)| !self.is_sent(&part, *id)).collect();
        let mut kept = kept.into_iter();
        self.roots.retain(|_| kept.next().expect("one for each root"));
        let mut closed = IdSet::default();
        self.shadow.close([start], &mut closed);
        let entries = closed.into_iter().filter_map(|id| Some((id, self.shadow.take(id)?))).collect();
        Ok(Some(Parcel { root, id: start, entries }))
    }

    /// The nearest objects from `start` on. All can be sent if the first can.
    fn part(&self, start: Id, objects_max: usize) -> IdSet {
        let mut part = IdSet::default();
        let mut queue = VecDeque::from([start]);
        while let Some(id) = queue.pop_front() {
            if part.len() == objects_max {
                break;
            }
            if let Some(entry) = self.shadow.get(id)
                && part.insert(id)
            {
                queue.extend(entry.targets());
            }
        }
        part
    }

    fn is_sent(&self, part: &IdSet, id: Id) -> bool {
        part.contains(&id) && self.shadow.get(id).is_some_and(|entry| !entry.kind.is_constant())
    }

    /// Cuts the edges of an object over the border of the part, and pushes all that it led to.
    fn separate<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        any: Any<'gc>,
        id: Id,
        part: &IdSet,
        stack: &mut Vec<(Any<'gc>, Id)>,
    ) -> Result<(), String> {
        let entry = self.shadow.known(id)?.clone();
        let is_sent = self.is_sent(part, id);
        let is_cut = |graph: &Self, target: Id| {
            let is_constant = graph.shadow.get(target).is_some_and(|entry| entry.kind.is_constant());
            !is_constant && graph.is_sent(part, target) != is_sent
        };
        for (at, target) in entry.slots.iter().enumerate() {
            if let (Some(found), Some(target)) = (any.slot(at), *target) {
                stack.push((found, target));
                if is_cut(self, target) {
                    any.set_slot(cx, at, None);
                    self.shadow.set_slot(id, at, None);
                }
            }
        }
        stack.extend(any.items(cx).into_iter().zip(entry.items.iter().copied()));
        for (at, &target) in entry.items.iter().enumerate().rev() {
            if is_cut(self, target) {
                any.edit(cx, Edit::Remove(at));
                self.shadow.edit(id, Edit::Remove(at));
            }
        }
        Ok(())
    }

    /// Takes a part of another thread's graph in.
    pub(super) fn unpack(&mut self, parcel: Parcel) {
        for (id, entry) in parcel.entries {
            self.shadow.insert(id, entry);
        }
        self.roots.push((Held::Mail(parcel.root), parcel.id));
    }
}
