//! The machine: a heap (or a thread's part of one), its model, and the steps that allocate.

use super::{
    Make, Op, Steal, Turn,
    frames::{Keeper, NoFrame},
    model::{Model, Shape, letter, word},
    objects::{Any, Big, Bush, Held, Id, Leaf, Ledger, Pair, Row, Vault, Watch},
    odd_len,
    threads::{Baton, Plaza},
};
use mudlark::{
    Cleanup, Erased, Gc, GcCell, GcRefCell, Heap, Mutator, RampUpGuard, RootKey, RootSet, Scope, Static,
    WeakRoot,
};
use std::{cell::RefCell, collections::HashSet, sync::Arc};

/// The objects that a scope has in its hands.
pub(super) type Registers<'gc> = Vec<(Any<'gc>, Id)>;

const REGISTERS_MAX: usize = 24;
pub(super) const ROOTS_MAX: usize = 64;

pub(super) fn at<T>(things: &[T], index: u8) -> Option<&T> {
    things.get(usize::from(index) % things.len().max(1))
}

pub(super) fn pair_at<'gc>(registers: &Registers<'gc>, index: u8) -> Option<(Gc<'gc, Pair<'gc>>, Id)> {
    let count = registers.len().max(1);
    // The nearest pair from there on: most programs have one.
    let mut from = registers.iter().cycle().skip(usize::from(index) % count).take(count);
    from.find_map(|&(any, id)| if let Any::Pair(pair) = any { Some((pair, id)) } else { None })
}

pub(super) fn bush_at<'gc>(registers: &Registers<'gc>, index: u8) -> Option<(Gc<'gc, Bush<'gc>>, Id)> {
    let count = registers.len().max(1);
    let mut from = registers.iter().cycle().skip(usize::from(index) % count).take(count);
    from.find_map(|&(any, id)| if let Any::Bush(bush) = any { Some((bush, id)) } else { None })
}

pub(super) fn row_at<'gc>(registers: &Registers<'gc>, index: u8) -> Option<(Gc<'gc, Row<'gc>>, Id)> {
    let count = registers.len().max(1);
    let mut from = registers.iter().cycle().skip(usize::from(index) % count).take(count);
    from.find_map(|&(any, id)| if let Any::Row(row) = any { Some((row, id)) } else { None })
}

pub(super) fn watch_at<'gc>(registers: &Registers<'gc>, index: u8) -> Option<(Gc<'gc, Watch<'gc>>, Id)> {
    let count = registers.len().max(1);
    let mut from = registers.iter().cycle().skip(usize::from(index) % count).take(count);
    from.find_map(|&(any, id)| if let Any::Watch(watch) = any { Some((watch, id)) } else { None })
}

pub(super) fn vault_at<'gc>(registers: &Registers<'gc>, index: u8) -> Option<(Gc<'gc, Vault<'gc>>, Id)> {
    let count = registers.len().max(1);
    let mut from = registers.iter().cycle().skip(usize::from(index) % count).take(count);
    from.find_map(|&(any, id)| if let Any::Vault(vault) = any { Some((vault, id)) } else { None })
}

pub(super) fn hold<'gc>(registers: &mut Registers<'gc>, any: Any<'gc>, id: Id) {
    if registers.len() == REGISTERS_MAX {
        registers.remove(0);
    }
    registers.push((any, id));
}

/// Roots by key, and weak ones.
#[derive(Default)]
pub(super) struct Stash {
    pub(super) set: RootSet<Erased<'static>>,
    /// Also those of what was taken out.
    pub(super) keys: Vec<(RootKey<Erased<'static>>, Option<Id>)>,
    pub(super) weak: Vec<(WeakRoot<Pair<'static>>, Id)>,
}

/// What one thread has of a heap, and what must be in it.
pub(super) struct Machine {
    pub(super) heap: Heap,
    pub(super) model: Model,
    pub(super) roots: Vec<(Held, Id)>,
    pub(super) stash: Stash,
    /// The objects of all locals of all frames.
    pub(super) locals: Vec<Id>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) cleanups: Vec<(Option<Cleanup>, usize)>,
    /// What a weak pointer did not give any more.
    pub(super) gone: RefCell<HashSet<Id>>,
    /// What was unreachable and is not any more: a guardian may give that.
    pub(super) back: HashSet<Id>,
    /// Guardians, and what they must give, as a whole cycle found it unreachable.
    pub(super) due: HashSet<(Id, Id)>,
    pub(super) ramp_up: Option<RampUpGuard>,
    /// The other thread, if there is one.
    pub(super) plaza: Option<Arc<Plaza>>,
    pub(super) baton: Baton,
}

impl Machine {
    /// A machine in which nothing has happened.
    pub(super) fn new(heap: Heap, plaza: Option<Arc<Plaza>>, baton: Baton) -> Machine {
        Machine {
            heap,
            model: Model::default(),
            roots: Vec::new(),
            stash: Stash::default(),
            locals: Vec::new(),
            ledger: Arc::default(),
            cleanups: Vec::new(),
            gone: RefCell::default(),
            back: HashSet::new(),
            due: HashSet::new(),
            ramp_up: None,
            plaza,
            baton,
        }
    }

    /// The objects that are alive by themselves, between scopes.
    pub(super) fn root_ids(&self) -> impl Iterator<Item = Id> {
        let roots = self.roots.iter().map(|&(_, id)| id);
        roots.chain(self.stash.keys.iter().filter_map(|&(_, id)| id)).chain(self.locals.iter().copied())
    }

    /// A scope that takes steps off `ops` until one of them ends it. Returns a step that is to be done outside.
    pub(super) fn scope(
        &mut self,
        mutator: &mut Mutator,
        other: Option<&mut Mutator>,
        first: Option<Op>,
        ops: &mut dyn Iterator<Item = Op>,
    ) -> Option<Op> {
        mutator.enter(|cx| self.steps(cx, &mut NoFrame, other, first, ops))
    }

    /// What is done in a scope.
    pub(super) fn steps<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        frame: &mut dyn Keeper<'gc>,
        mut other: Option<&mut Mutator>,
        mut first: Option<Op>,
        ops: &mut dyn Iterator<Item = Op>,
    ) -> Option<Op> {
        let mut registers = Registers::new();
        let last = loop {
            let Some(op) = first.take().or_else(|| ops.next()) else { break None };
            self.baton.step();
            match op {
                Op::Make(make) => self.make(cx, &mut registers, make),
                Op::Change(change) => self.change(cx, &registers, change),
                Op::Hold(step) => self.hold(cx, &mut registers, frame, step),
                Op::Steal(steal) => self.steal(cx, &mut registers, steal),
                Op::Shelve(step) => self.shelve(cx, &mut registers, step),
                Op::Mortal(step) => self.mortal(cx, &mut registers, step),
                Op::Turn(Turn::Leave) => break None,
                Op::Turn(Turn::Outside(_) | Turn::Frame { .. } | Turn::EndFrame) => break Some(op),
                Op::Turn(Turn::Enter { .. }) => {
                    if let Some(other) = other.as_deref_mut()
                        && let Some(op) = self.scope(other, None, None, ops)
                    {
                        break Some(op);
                    }
                }
            }
        };
        registers.extend((0..frame.len()).map(|index| (frame.get(index), self.locals[index])));
        self.check(cx, registers);
        last
    }

    pub(super) fn make<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, make: Make) {
        let (any, id) = match make {
            Make::Pair => {
                // Every second one begins with an edge, so that there are chains.
                let count = self.model.objects.len();
                let next = pair_at(registers, count as u8).filter(|_| count.is_multiple_of(2));
                let Some((pair, id)) = self.pair(cx, next, None) else { return };
                (Some(pair), id)
            }
            Make::Bush => {
                let Some((bush, id)) = self.bush(cx, Vec::new(), Vec::new()) else { return };
                (Some(Any::Bush(bush)), id)
            }
            Make::Row { len } => {
                let len = odd_len(len);
                let id = self.model.add(Shape::Row { slots: vec![None; len] });
                (cx.try_alloc_slice_with(len, |_| GcCell::new(None)).map(Any::Row).ok(), id)
            }
            Make::Leaf => {
                let id = self.model.add(Shape::Leaf);
                (self.leaf(cx, id).map(Any::Leaf), id)
            }
            Make::Text { len } => {
                let len = odd_len(len);
                let id = self.model.add(Shape::Text { len });
                let text: String = (0..len).map(|index| char::from(letter(id, index))).collect();
                (cx.try_alloc_str(&text).map(Any::Text).ok(), id)
            }
            Make::Words { len } => {
                let len = odd_len(len);
                let id = self.model.add(Shape::Words { len });
                let words: Vec<u64> = (0..len).map(|index| word(id, index)).collect();
                (cx.try_alloc_slice_copy(&words).map(Any::Words).ok(), id)
            }
            Make::Tickets { len } => {
                let len = odd_len(len);
                let id = self.model.add(Shape::Tickets { len });
                (cx.try_alloc_slice_with(len, |_| Static(self.ledger.ticket(id))).map(Any::Tickets).ok(), id)
            }
            Make::Big => {
                let Some((own, own_id)) = self.own_leaf(cx) else { return };
                let id = self.model.add(Shape::Big { own: own_id, next: None });
                let filling = std::array::from_fn(|index| word(id, index));
                (cx.try_alloc(Big { id, own, next: GcCell::new(None), filling }).map(Any::Big).ok(), id)
            }
            Make::Crew { count } => {
                let Some((bush, id)) = self.crew(cx, count) else { return };
                (Some(Any::Bush(bush)), id)
            }
            parts @ (Make::Watch
            | Make::Vault
            | Make::Buffer { .. }
            | Make::Shelf
            | Make::Notes
            | Make::Warden) => {
                let Some(made) = self.make_of_parts(cx, parts) else { return };
                made
            }
            Make::Churn { count } => {
                for n in 0..u64::from(count % 4096) {
                    let _ = cx.try_alloc((n, Some(n)));
                }
                return;
            }
        };
        if let Some(any) = any {
            hold(registers, any, id);
        }
    }

    pub(super) fn own_leaf<'gc>(&mut self, cx: &Scope<'gc>) -> Option<(Gc<'gc, Leaf>, Id)> {
        let id = self.model.add(Shape::Leaf);
        self.leaf(cx, id).map(|leaf| (leaf, id))
    }

    fn pair<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        next: Option<(Gc<'gc, Pair<'gc>>, Id)>,
        bush: Option<(Gc<'gc, Bush<'gc>>, Id)>,
    ) -> Option<(Any<'gc>, Id)> {
        let (own, own_id) = self.own_leaf(cx)?;
        let shape = Shape::Pair { own: own_id, next: next.map(|(_, id)| id), bush: bush.map(|(_, id)| id) };
        let id = self.model.add(shape);
        let (next, bush) = (next.map(|(gc, _)| gc), bush.map(|(gc, _)| gc));
        let pair = Pair { id, own, next: GcCell::new(next), bush: GcCell::new(bush) };
        cx.try_alloc(pair).ok().map(|pair| (Any::Pair(pair), id))
    }

    pub(super) fn bush<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        contents: Vec<Any<'gc>>,
        items: Vec<Id>,
    ) -> Option<(Gc<'gc, Bush<'gc>>, Id)> {
        let (own, own_id) = self.own_leaf(cx)?;
        let id = self.model.add(Shape::Bush { own: own_id, items, leaked: false });
        cx.try_alloc(Bush { id, own, items: GcRefCell::new(contents) }).ok().map(|bush| (bush, id))
    }

    fn steal<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, steal: Steal) {
        let (Steal::Root { root, .. }
        | Steal::Edge { root, .. }
        | Steal::Copy { root, .. }
        | Steal::Cut { root, .. }) = steal;
        let count = self.roots.len();
        // Most often one of the last: so thefts follow each other on one path.
        let place =
            if root < 192 { count.wrapping_sub(1 + usize::from(root % 4)) } else { usize::from(root) };
        let Some(index) = place.checked_rem(count) else { return };
        let (held, id) = &self.roots[index];
        let found = (held.get(cx), *id);
        let (owner, victim) = match steal {
            Steal::Root { .. } => (None, found),
            Steal::Edge { steps, .. } | Steal::Copy { steps, .. } | Steal::Cut { steps, .. } => {
                self.descend(cx, found, steps)
            }
        };
        if let Steal::Cut { .. } = steal {
            if let Some(owner) = owner {
                self.cut(cx, owner, victim.1);
            }
            return;
        }
        let Some(bag) = self.bag(cx, victim) else { return };
        hold(registers, bag.0, bag.1);
        match (steal, owner) {
            (Steal::Root { drop: true, .. }, _) if count > 1 => {
                let other = (index + 1) % count;
                self.roots[other].0.set(cx, bag.0);
                self.roots[other].1 = bag.1;
                self.roots.swap_remove(index);
            }
            (Steal::Edge { .. } | Steal::Copy { .. }, Some(owner)) => {
                if let Steal::Edge { .. } = steal {
                    self.cut(cx, owner, victim.1);
                }
                if count < ROOTS_MAX {
                    self.roots.push((Held::new(cx, bag.0), bag.1));
                }
            }
            _ => {
                self.roots[index].0.set(cx, bag.0);
                self.roots[index].1 = bag.1;
            }
        }
    }

    /// Goes down some edges: the last two objects on the way.
    fn descend<'gc>(
        &self,
        cx: &Scope<'gc>,
        from: (Any<'gc>, Id),
        steps: u8,
    ) -> (Option<(Any<'gc>, Id)>, (Any<'gc>, Id)) {
        let (mut owner, mut at) = (None, from);
        for step in 0..=steps % 4 {
            let mut edges = self.edges(cx, at.0, at.1);
            // Its own leaf cannot be cut off.
            edges.retain(|&(_, id)| Some(id) != self.model.objects[at.1].own());
            let Some(edge) = usize::from(steps / 64 + step).checked_rem(edges.len()) else { break };
            owner = Some(at);
            at = edges[edge];
        }
        (owner, at)
    }

    /// A new object that leads to another one: a bush, or a pair or a row if it can.
    fn bag<'gc>(&mut self, cx: &Scope<'gc>, (any, id): (Any<'gc>, Id)) -> Option<(Any<'gc>, Id)> {
        let count = self.model.objects.len();
        match any {
            Any::Pair(pair) if count.is_multiple_of(4) => {
                // The last place of a row; of a long one, which is scanned in pieces.
                let last = if count.is_multiple_of(8) { 2 } else { 700 };
                let slot = |index| (index == last).then_some(id);
                let row = self.model.add(Shape::Row { slots: (0..=last).map(slot).collect() });
                let cell = |index| GcCell::new((index == last).then_some(pair));
                cx.try_alloc_slice_with(last + 1, cell).ok().map(|gc| (Any::Row(gc), row))
            }
            Any::Pair(pair) => self.pair(cx, Some((pair, id)), None),
            Any::Bush(bush) if count.is_multiple_of(2) => self.pair(cx, None, Some((bush, id))),
            _ => self.bush(cx, vec![any], vec![id]).map(|(bush, id)| (Any::Bush(bush), id)),
        }
    }

    /// Cuts all edges from one object to another that can be cut.
    fn cut<'gc>(&mut self, cx: &Scope<'gc>, (any, id): (Any<'gc>, Id), target: Id) {
        match (any, &mut self.model.objects[id]) {
            (Any::Pair(pair), Shape::Pair { next, bush, .. }) => {
                if *next == Some(target) {
                    pair.next.set(cx, None);
                    *next = None;
                }
                if *bush == Some(target) {
                    pair.bush.set(cx, None);
                    *bush = None;
                }
            }
            (Any::Big(big), Shape::Big { next, .. }) if *next == Some(target) => {
                big.next.set(cx, None);
                *next = None;
            }
            (Any::Bush(bush), Shape::Bush { items, .. }) => {
                if let Ok(mut contents) = bush.items.try_borrow_mut(cx) {
                    while let Some(index) = items.iter().position(|&item| item == target) {
                        items.swap_remove(index);
                        contents.swap_remove(index);
                    }
                }
            }
            (Any::Row(row), Shape::Row { slots }) => {
                for (cell, slot) in row.iter().zip(slots).filter(|(_, slot)| **slot == Some(target)) {
                    cell.set(cx, None);
                    *slot = None;
                }
            }
            (Any::Shelf(shelf), Shape::Shelf { list, .. }) => {
                while let Some(index) = list.iter().position(|&item| item == target) {
                    list.swap_remove(index);
                    shelf.list.swap_remove(cx, index);
                }
            }
            _ => {}
        }
    }

    /// If the heap is full, the value comes back and is dropped here, as unreachable as it is.
    pub(super) fn leaf<'gc>(&self, cx: &Scope<'gc>, id: Id) -> Option<Gc<'gc, Leaf>> {
        cx.try_alloc(Leaf { id, ticket: self.ledger.ticket(id) }).ok()
    }
}
