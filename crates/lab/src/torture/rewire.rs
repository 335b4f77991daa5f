//! The operations that change edges, in the heap and in the shadow alike.

use super::edges::Edit;
use super::fault::Snag;
use super::node::{Any, Id, Kind, Mail};
use super::work::Work;

/// Longer lists do not grow.
pub(super) const ITEMS_MAX: usize = 40;

impl<'gc> Work<'_, 'gc> {
    /// Makes `from` lead to `to`, somewhere, if it can.
    pub(super) fn attach(&mut self, (from, from_id): (Any<'gc>, Id), (to, to_id): (Any<'gc>, Id)) -> bool {
        let Some(entry) = self.graph.shadow.get(from_id) else { return false };
        let (kind, len) = (entry.kind, entry.items.len());
        if kind.is_list() && (kind.slots() == 0 || self.below(4) > 0) {
            let edit = if len < ITEMS_MAX { Edit::Push(()) } else { Edit::Replace(self.below(len), ()) };
            return self.apply((from, from_id), edit, Some((to, to_id)));
        }
        if kind.slots() == 0 {
            return false;
        }
        let at = match to {
            Any::Mail(Mail::Bag(_)) => kind.slots() - 1,
            _ => self.below(kind.slots()),
        };
        self.set_slot((from, from_id), at, Some((to, to_id)))
    }

    pub(super) fn set_slot(&mut self, from: (Any<'gc>, Id), at: usize, to: Option<(Any<'gc>, Id)>) -> bool {
        let is_done = from.0.set_slot(self.cx, at, to.map(|(any, _)| any));
        if is_done {
            self.graph.shadow.set_slot(from.1, at, to.map(|(_, id)| id));
        }
        is_done
    }

    /// Changes a list. `item` is what an edit with an item is about.
    pub(super) fn apply(
        &mut self,
        from: (Any<'gc>, Id),
        edit: Edit<()>,
        item: Option<(Any<'gc>, Id)>,
    ) -> bool {
        let (Some(of_objects), Some(of_names)) =
            (edit.map(|()| item.map(|(any, _)| any)), edit.map(|()| item.map(|(_, id)| id)))
        else {
            return false;
        };
        let is_done = from.0.edit(self.cx, of_objects);
        if is_done {
            self.graph.shadow.edit(from.1, of_names);
        }
        is_done
    }

    pub(super) fn link(&mut self) -> Result<(), Snag> {
        if let (Some(from), Some(to)) = (self.pick()?, self.pick()?) {
            self.attach(from, to);
        }
        Ok(())
    }

    pub(super) fn cut(&mut self) -> Result<(), Snag> {
        if let Some(from) = self.pick()? {
            self.cut_one(from)?;
        }
        Ok(())
    }

    /// Cuts a random edge, and returns what it led to.
    pub(super) fn cut_one(&mut self, from: (Any<'gc>, Id)) -> Result<Option<(Any<'gc>, Id)>, Snag> {
        let entry = self.graph.shadow.known(from.1)?;
        let (slots, items) = (entry.slots.len(), entry.items.len());
        if slots + items == 0 {
            return Ok(None);
        }
        let at = self.below(slots + items);
        let entry = self.graph.shadow.known(from.1)?;
        if at < slots {
            let Some(target) = from.0.slot(at).zip(entry.slots[at]) else { return Ok(None) };
            self.set_slot(from, at, None);
            return Ok(Some(target));
        }
        let at = at - slots;
        let Some(target) = from.0.items(self.cx).get(at).copied().zip(entry.items.get(at).copied()) else {
            return Err(Snag::Wrong(format!("the list of {} has fewer items than {}", from.1, at + 1)));
        };
        self.apply(from, Edit::Remove(at), None);
        Ok(Some(target))
    }

    pub(super) fn edit(&mut self) -> Result<(), Snag> {
        let Some(from) = self.pick()? else { return Ok(()) };
        let len = self.graph.shadow.known(from.1)?.items.len();
        let item = self.pick()?;
        let edit = match (self.below(8), len) {
            (0 | 1, _) | (_, 0) if len < ITEMS_MAX => Edit::Push(()),
            (2, _) => Edit::Truncate(self.below(len + 1)),
            (3, _) => Edit::Reverse,
            (4, _) => Edit::Rebuild,
            (5, _) => Edit::Replace(self.below(len), ()),
            (6, _) => Edit::Remove(self.below(len)),
            _ => Edit::Swap(self.below(len), self.below(len)),
        };
        self.apply(from, edit, item);
        Ok(())
    }

    /// Hides a subgraph: loads it, cuts it off, and puts it behind a new object that is linked elsewhere.
    pub(super) fn relocate(&mut self) -> Result<(), Snag> {
        let Some(owner) = self.pick()? else { return Ok(()) };
        let Some(moved) = self.cut_one(owner)? else { return Ok(()) };
        self.look(moved)?;
        let kind = match self.below(4) {
            0 => Kind::Twig,
            1 => Kind::Row(1 + self.below(64) as u32),
            2 => Kind::Bag,
            _ => Kind::Knot,
        };
        let new = self.make(kind)?;
        self.attach(new, moved);
        let is_linked = match self.pick()? {
            Some(from) => self.attach(from, new),
            None => false,
        };
        if !is_linked && self.below(2) == 0 {
            self.root_it(new);
        }
        Ok(())
    }
}
