//! Steps that move objects between registers and roots.

use super::{
    Hold,
    frames::Keeper,
    machine::{Machine, ROOTS_MAX, Registers, Stash, at, hold, watch_at},
    model::Shape,
    objects::{Any, Bush, Held, Id, Leaf, Pair, Watch},
};
use mudlark::{Erased, Gc, Scope};

impl Machine {
    pub(super) fn hold<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        registers: &mut Registers<'gc>,
        frame: &mut dyn Keeper<'gc>,
        step: Hold,
    ) {
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
                    self.comes_back(registers, id);
                    hold(registers, Any::Pair(pair), id);
                }
            }
            Hold::Erase { of } => {
                let count = registers.len();
                if let Some(index) = usize::from(of).checked_rem(count) {
                    registers[index].0 = Any::Hidden(registers[index].0.erase());
                }
            }
            Hold::Downcast { of } => {
                if let Some(index) = usize::from(of).checked_rem(registers.len())
                    && let (Any::Hidden(gc), id) = registers[index]
                    && let Some(any) = self.downcast(cx, gc, id)
                {
                    registers[index].0 = any;
                }
            }
            Hold::CloneRoot { root } => self.clone_root(cx, root),
            Hold::Keep { .. } | Hold::LoadLocal { .. } | Hold::SetLocal { .. } => {
                self.hold_local(registers, frame, step);
            }
            Hold::Stash { .. } | Hold::Fetch { .. } | Hold::Unstash { .. } => {
                self.hold_stash(cx, registers, step);
            }
        }
    }

    fn clone_root(&mut self, cx: &Scope<'_>, root: u8) {
        if self.roots.len() < ROOTS_MAX
            && let Some((held, id)) = at(&self.roots, root)
        {
            let copy = (held.clone(), *id);
            assert_eq!(copy.0.get(cx).address(), held.get(cx).address());
            self.roots.push(copy);
        }
    }

    fn hold_local<'gc>(&mut self, registers: &mut Registers<'gc>, frame: &mut dyn Keeper<'gc>, step: Hold) {
        match step {
            Hold::Keep { of, erase } => {
                let Some(&(any, id)) = at(registers, of) else { return };
                let any = if erase { Any::Hidden(any.erase()) } else { any };
                if self.locals.len() < ROOTS_MAX && frame.keep(any) {
                    self.locals.push(id);
                }
            }
            Hold::LoadLocal { local } => {
                if let Some(index) = usize::from(local).checked_rem(frame.len()) {
                    hold(registers, frame.get(index), self.locals[index]);
                }
            }
            Hold::SetLocal { local, of } => {
                if let Some(&(any, id)) = at(registers, of)
                    && let Some(index) = usize::from(local).checked_rem(frame.len())
                    && frame.set(index, any)
                {
                    self.locals[index] = id;
                }
            }
            _ => {}
        }
    }

    fn hold_stash<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, step: Hold) {
        let Stash { set, keys, .. } = &mut self.stash;
        match step {
            Hold::Stash { of } => {
                if let Some(&(any, id)) = at(registers, of)
                    && keys.len() < ROOTS_MAX
                {
                    keys.push((set.insert(cx, any.erase()), Some(id)));
                }
            }
            Hold::Fetch { key } => {
                let Some(&(key, id)) = at(keys, key) else { return };
                let found = set.get(cx, key);
                assert_eq!(found.is_some(), id.is_some(), "what a key stands for");
                if let Some((gc, id)) = found.zip(id) {
                    hold(registers, Any::Hidden(gc), id);
                }
            }
            Hold::Unstash { key } => {
                let Some(index) = usize::from(key).checked_rem(keys.len()) else { return };
                let (key, id) = &mut keys[index];
                assert_eq!(set.remove(*key), id.take().is_some(), "what a key stood for");
                // Some of the keys of what is gone stay, and find nothing.
                if index % 2 == 0 {
                    keys.swap_remove(index);
                }
            }
            _ => {}
        }
    }

    /// The object with its type, if objects of this type know it.
    fn downcast<'gc>(&self, cx: &Scope<'gc>, gc: Gc<'gc, Erased<'gc>>, id: Id) -> Option<Any<'gc>> {
        let shape = &self.model.objects[id];
        let any = match shape {
            Shape::Pair { .. } => gc.downcast(cx).map(Any::Pair),
            Shape::Bush { .. } => gc.downcast(cx).map(Any::Bush),
            Shape::Row { .. } => gc.downcast(cx).map(Any::Row),
            Shape::Big { .. } => gc.downcast(cx).map(Any::Big),
            Shape::Leaf => gc.downcast(cx).map(Any::Leaf),
            Shape::Tickets { .. } => gc.downcast(cx).map(Any::Tickets),
            Shape::Watch { .. } => gc.downcast(cx).map(Any::Watch),
            Shape::Vault { .. } => gc.downcast(cx).map(Any::Vault),
            Shape::Buffer { .. } => gc.downcast(cx).map(Any::Buffer),
            Shape::Shelf { .. } => gc.downcast(cx).map(Any::Shelf),
            Shape::Notes { .. } => gc.downcast(cx).map(Any::Notes),
            Shape::Warden { .. } => gc.downcast(cx).map(Any::Warden),
            Shape::Text { .. } | Shape::Words { .. } | Shape::Symbol { .. } => {
                assert!(gc.downcast::<Leaf>(cx).is_none(), "{id} is no leaf");
                return None;
            }
        };
        assert!(any.is_some(), "{id} forgot that it is {shape:?}");
        assert!(matches!(shape, Shape::Bush { .. }) || gc.downcast::<Bush<'gc>>(cx).is_none(), "{id}");
        any
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
