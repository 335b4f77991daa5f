//! Steps that move objects between registers and roots.

use super::{
    Hold,
    machine::{Machine, ROOTS_MAX, Registers, at, hold, watch_at},
    model::Shape,
    objects::{Any, Held, Id, Pair, Watch},
};
use mudlark::{Gc, Scope};

impl Machine {
    pub(super) fn hold<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, step: Hold) {
        match step {
            Hold::Load { of, edge } => {
                let Some(&(any, id)) = at(registers, of) else { return };
                let edges = self.edges(cx, any, id);
                if let Some(&(any, id)) = edges.get(usize::from(edge) % edges.len().max(1)) {
                    hold(registers, any, id);
                }
            }
            Hold::Forget { of } => {
                if !registers.is_empty() {
                    registers.swap_remove(usize::from(of) % registers.len());
                }
            }
            Hold::Root { of } => {
                if let Some(&(any, id)) = at(registers, of)
                    && self.roots.len() < ROOTS_MAX
                {
                    self.roots.push((Held::new(cx, any), id));
                }
            }
            Hold::LoadRoot { root } => {
                if let Some((held, id)) = at(&self.roots, root) {
                    hold(registers, held.get(cx), *id);
                }
            }
            Hold::SetRoot { root, of } => {
                if let Some(&(any, id)) = at(registers, of)
                    && let Some(index) = usize::from(root).checked_rem(self.roots.len())
                {
                    let (held, target) = &mut self.roots[index];
                    held.set(cx, any);
                    *target = id;
                }
            }
            Hold::DropRoot { root } => self.drop_root(root),
            Hold::Upgrade { of } => {
                let Some((watch, id)) = watch_at(registers, of) else { return };
                if let Some((pair, id)) = self.upgrade(cx, watch, id) {
                    hold(registers, Any::Pair(pair), id);
                }
            }
            Hold::Erase { of } => {
                let count = registers.len();
                if let Some(index) = usize::from(of).checked_rem(count) {
                    registers[index].0 = registers[index].0.erase();
                }
            }
        }
    }

    pub(super) fn drop_root(&mut self, root: u8) {
        if !self.roots.is_empty() {
            self.roots.swap_remove(usize::from(root) % self.roots.len());
        }
    }

    /// The target of a watch, if it is not dead; what was dead once is dead for ever.
    pub(super) fn upgrade<'gc>(
        &self,
        cx: &Scope<'gc>,
        watch: Gc<'gc, Watch<'gc>>,
        id: Id,
    ) -> Option<(Gc<'gc, Pair<'gc>>, Id)> {
        let Shape::Watch { target, .. } = self.model.objects[id] else { panic!("{id} is no watch") };
        let weak = watch.weak.get();
        assert_eq!(weak.is_some(), target.is_some(), "the weak pointer of {id}");
        let (weak, target) = weak.zip(target)?;
        match weak.upgrade(cx) {
            Some(pair) => {
                assert_eq!(pair.id, target, "what {id} watches");
                assert!(!self.gone.borrow().contains(&target), "{target} is back from the dead");
                Some((pair, target))
            }
            None => {
                self.gone.borrow_mut().insert(target);
                None
            }
        }
    }
}
