//! Runs a program on a heap and on the model, and compares.

use super::{
    Change, Hold, Make, Op, Outside, Program, Steal, Turn,
    model::{Model, Shape, letter, word},
    objects::{Any, Big, Bush, Held, Id, Leaf, Ledger, Pair, Row},
    odd_len,
};
use mudlark::{Gc, GcCell, GcPercent, GcRefCell, Heap, Mutator, Root, Scope, Static};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// The objects that a scope has in its hands.
type Registers<'gc> = Vec<(Any<'gc>, Id)>;

const REGISTERS_MAX: usize = 24;
const ROOTS_MAX: usize = 64;

fn at<T>(things: &[T], index: u8) -> Option<&T> {
    things.get(usize::from(index) % things.len().max(1))
}

fn pair_at<'gc>(registers: &Registers<'gc>, index: u8) -> Option<(Gc<'gc, Pair<'gc>>, Id)> {
    let count = registers.len().max(1);
    // The nearest pair from there on: most programs have one.
    let mut from = registers.iter().cycle().skip(usize::from(index) % count).take(count);
    from.find_map(|&(any, id)| if let Any::Pair(pair) = any { Some((pair, id)) } else { None })
}

fn bush_at<'gc>(registers: &Registers<'gc>, index: u8) -> Option<(Gc<'gc, Bush<'gc>>, Id)> {
    let count = registers.len().max(1);
    let mut from = registers.iter().cycle().skip(usize::from(index) % count).take(count);
    from.find_map(|&(any, id)| if let Any::Bush(bush) = any { Some((bush, id)) } else { None })
}

fn row_at<'gc>(registers: &Registers<'gc>, index: u8) -> Option<(Gc<'gc, Row<'gc>>, Id)> {
    let count = registers.len().max(1);
    let mut from = registers.iter().cycle().skip(usize::from(index) % count).take(count);
    from.find_map(|&(any, id)| if let Any::Row(row) = any { Some((row, id)) } else { None })
}

fn hold<'gc>(registers: &mut Registers<'gc>, any: Any<'gc>, id: Id) {
    if registers.len() == REGISTERS_MAX {
        registers.remove(0);
    }
    registers.push((any, id));
}

struct Machine {
    heap: Heap,
    model: Model,
    roots: Vec<(Held, Id)>,
    ledger: Arc<Ledger>,
}

/// Runs a program.
///
/// # Panics
///
/// When the heap is not what the model says.
pub fn run(program: &Program) {
    let setup = program.setup;
    let heap = Heap::builder()
        .workers(usize::from(setup.background))
        .max_heap(if setup.tight { 4 << 20 } else { 64 << 20 })
        .gc_percent(setup.percent)
        .build()
        .unwrap();
    let (mut first, mut second) = (heap.attach(), heap.attach());
    let ledger = Arc::<Ledger>::default();
    let mut machine = Machine { heap, model: Model::default(), roots: Vec::new(), ledger };
    let ballast = setup.ballast.then(|| ballast(&mut first));
    let mut ops = program.ops.iter().copied();
    let mut next = None;
    while let Some(op) = next.take().or_else(|| ops.next()) {
        next = match op {
            Op::Turn(Turn::Outside(outside)) => {
                machine.outside(outside, &mut first, &mut second);
                None
            }
            Op::Turn(Turn::Leave) => None,
            Op::Turn(Turn::Enter { second: true }) => {
                machine.scope(&mut second, Some(&mut first), None, &mut ops)
            }
            Op::Turn(Turn::Enter { second: false }) => {
                machine.scope(&mut first, Some(&mut second), None, &mut ops)
            }
            op => machine.scope(&mut first, Some(&mut second), Some(op), &mut ops),
        };
    }
    machine.collect(&mut first);
    drop((first, second));
    recount(&machine.heap);
    let Machine { heap, roots, ledger, .. } = machine;
    if setup.roots_last {
        drop((heap, ballast));
        drop(roots);
    } else {
        drop((roots, ballast));
        heap.collect();
        ledger.check(|_| 1);
        drop(heap);
    }
    ledger.check(|_| 1);
}

/// A megabyte in a whole chunk of roots, which are marked before those of the program: what these lead to stays white
/// for many safepoints. The model does not know of it.
fn ballast(mutator: &mut Mutator) -> Vec<Root<[u64]>> {
    mutator.enter(|cx| (0..256_u64).map(|n| cx.root(cx.alloc_slice_fill(512, n))).collect())
}

/// The exact counters are right when nothing moves. The background may be at the end of a cycle or give memory back; what is
/// wrong stays so.
fn recount(heap: &Heap) {
    heap.set_gc_percent(GcPercent::Off);
    heap.collect();
    let mut result = heap.recount();
    for _ in 0..1000 {
        if result.is_ok() {
            break;
        }
        std::thread::yield_now();
        result = heap.recount();
    }
    result.unwrap();
}

/// Allocates over what was freed: if it was freed too early, its contents are not what they must be.
fn scribble(cx: &Scope<'_>) {
    for len in 0..64 {
        let _ = cx.try_alloc_slice_with(len, |_| !0_u64);
        let _ = cx.try_alloc_slice_with(len * 8 + 1, |_| !0_u8);
    }
}

impl Machine {
    /// A scope that takes steps off `ops` until one of them ends it. Returns a step that is to be done outside.
    fn scope(
        &mut self,
        mutator: &mut Mutator,
        mut other: Option<&mut Mutator>,
        mut first: Option<Op>,
        ops: &mut dyn Iterator<Item = Op>,
    ) -> Option<Op> {
        mutator.enter(|cx| {
            let mut registers = Registers::new();
            let last = loop {
                let Some(op) = first.take().or_else(|| ops.next()) else { break None };
                match op {
                    Op::Make(make) => self.make(cx, &mut registers, make),
                    Op::Change(change) => self.change(cx, &registers, change),
                    Op::Hold(step) => self.hold(cx, &mut registers, step),
                    Op::Steal(steal) => self.steal(cx, &mut registers, steal),
                    Op::Turn(Turn::Leave) => break None,
                    Op::Turn(Turn::Outside(_)) => break Some(op),
                    Op::Turn(Turn::Enter { .. }) => {
                        if let Some(other) = other.as_deref_mut()
                            && let Some(op) = self.scope(other, None, None, ops)
                        {
                            break Some(op);
                        }
                    }
                }
            };
            self.check(cx, registers);
            last
        })
    }

    fn make<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, make: Make) {
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

    fn own_leaf<'gc>(&mut self, cx: &Scope<'gc>) -> Option<(Gc<'gc, Leaf>, Id)> {
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

    fn bush<'gc>(
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
                self.descend(found, steps)
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
    fn descend<'gc>(&self, from: (Any<'gc>, Id), steps: u8) -> (Option<(Any<'gc>, Id)>, (Any<'gc>, Id)) {
        let (mut owner, mut at) = (None, from);
        for step in 0..=steps % 4 {
            let mut edges = self.edges(at.0, at.1);
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
            _ => {}
        }
    }

    /// If the heap is full, the value comes back and is dropped here, as unreachable as it is.
    fn leaf<'gc>(&self, cx: &Scope<'gc>, id: Id) -> Option<Gc<'gc, Leaf>> {
        cx.try_alloc(Leaf { id, ticket: self.ledger.ticket(id) }).ok()
    }

    fn change<'gc>(&mut self, cx: &Scope<'gc>, registers: &Registers<'gc>, change: Change) {
        match change {
            Change::Next { of, to, clear } => {
                let to = pair_at(registers, to).filter(|_| !clear);
                let (cell, target) = (to.map(|(pair, _)| pair), to.map(|(_, id)| id));
                let Some(&(any, id)) = at(registers, of) else { return };
                match (any, &mut self.model.objects[id]) {
                    (Any::Pair(pair), Shape::Pair { next, .. }) => {
                        pair.next.set(cx, cell);
                        *next = target;
                    }
                    (Any::Big(big), Shape::Big { next, .. }) => {
                        big.next.set(cx, cell);
                        *next = target;
                    }
                    _ => {}
                }
            }
            Change::Bush { of, to, clear } => {
                let Some((pair, id)) = pair_at(registers, of) else { return };
                let to = bush_at(registers, to).filter(|_| !clear);
                pair.bush.set(cx, to.map(|(bush, _)| bush));
                if let Shape::Pair { bush, .. } = &mut self.model.objects[id] {
                    *bush = to.map(|(_, id)| id);
                }
            }
            Change::Slot { of, slot, to, clear } => {
                let Some((row, id)) = row_at(registers, of) else { return };
                if row.is_empty() {
                    return;
                }
                // Both ends, and anywhere.
                let index = match slot % 4 {
                    0 => row.len() - 1,
                    1 => 0,
                    _ => usize::from(slot) % row.len(),
                };
                let to = pair_at(registers, to).filter(|_| !clear);
                row[index].set(cx, to.map(|(pair, _)| pair));
                if let Shape::Row { slots } = &mut self.model.objects[id] {
                    slots[index] = to.map(|(_, id)| id);
                }
            }
            bushes => self.change_bush(cx, registers, bushes),
        }
    }

    fn change_bush<'gc>(&mut self, cx: &Scope<'gc>, registers: &Registers<'gc>, change: Change) {
        let (Change::Push { of, .. }
        | Change::PushNew { of }
        | Change::Pop { of }
        | Change::Pour { of, .. }
        | Change::Leak { of }) = change
        else {
            return;
        };
        let Some((bush, id)) = bush_at(registers, of) else { return };
        let Ok(mut items) = bush.items.try_borrow_mut(cx) else {
            assert!(
                matches!(self.model.objects[id], Shape::Bush { leaked: true, .. }),
                "{id} is not borrowed"
            );
            return;
        };
        match change {
            Change::Push { item, .. } => {
                let Some(&(any, item)) = at(registers, item) else { return };
                items.push(any);
                self.model.bush_items(id).push(item);
            }
            Change::PushNew { .. } => {
                let item = self.model.add(Shape::Leaf);
                if let Some(leaf) = self.leaf(cx, item) {
                    items.push(Any::Leaf(leaf));
                    self.model.bush_items(id).push(item);
                }
            }
            Change::Pop { .. } => {
                assert_eq!(items.pop().is_some(), self.model.bush_items(id).pop().is_some());
            }
            Change::Pour { to, .. } => {
                let Some((other, to)) = bush_at(registers, to) else { return };
                // The same bush is refused here, being borrowed.
                let Ok(mut others) = other.items.try_borrow_mut(cx) else { return };
                others.append(&mut items);
                let mut poured = std::mem::take(self.model.bush_items(id));
                self.model.bush_items(to).append(&mut poured);
            }
            _ => {
                std::mem::forget(items);
                if let Shape::Bush { leaked, .. } = &mut self.model.objects[id] {
                    *leaked = true;
                }
            }
        }
    }

    fn hold<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, step: Hold) {
        match step {
            Hold::Load { of, edge } => {
                let Some(&(any, id)) = at(registers, of) else { return };
                let edges = self.edges(any, id);
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
        }
    }

    fn drop_root(&mut self, root: u8) {
        if !self.roots.is_empty() {
            self.roots.swap_remove(usize::from(root) % self.roots.len());
        }
    }

    fn outside(&mut self, outside: Outside, first: &mut Mutator, second: &mut Mutator) {
        match outside {
            Outside::Collect => self.collect(first),
            Outside::DropRoot { root } => self.drop_root(root),
            Outside::Percent(percent) => _ = self.heap.set_gc_percent(percent),
            Outside::Reattach { second: true } => *second = self.heap.attach(),
            Outside::Reattach { second: false } => *first = self.heap.attach(),
        }
    }

    /// A whole cycle; then what is unreachable has been dropped once, and nothing else has.
    fn collect(&mut self, mutator: &mut Mutator) {
        mutator.collect();
        let reachable = self.model.reachable(self.roots.iter().map(|&(_, id)| id));
        self.ledger.check(|owner| u32::from(!reachable.contains(&owner)));
        mutator.enter(|cx| {
            scribble(cx);
            self.check(cx, Registers::new());
        });
    }

    /// Everything that the roots and registers reach is what the model says.
    fn check<'gc>(&self, cx: &Scope<'gc>, registers: Registers<'gc>) {
        let mut stack = registers;
        stack.extend(self.roots.iter().map(|(held, id)| (held.get(cx), *id)));
        let (mut places, mut addresses) = (HashMap::new(), HashSet::new());
        while let Some((any, id)) = stack.pop() {
            let address = any.address();
            if let Some(known) = places.insert(id, address) {
                assert_eq!(known, address, "the object {id} is in two places");
                continue;
            }
            assert!(addresses.insert(address), "the object {id} is in the place of another one");
            stack.extend(self.edges(any, id));
        }
    }

    /// Compares an object with the model, and returns where its edges lead.
    fn edges<'gc>(&self, any: Any<'gc>, id: Id) -> Registers<'gc> {
        let mut edges = Registers::new();
        let mut expect = |what: Option<Any<'gc>>, target: Option<Id>| {
            assert_eq!(what.is_some(), target.is_some(), "an edge of the object {id}");
            edges.extend(what.zip(target));
        };
        match (any, &self.model.objects[id]) {
            (Any::Pair(pair), Shape::Pair { own, next, bush }) => {
                assert_eq!(pair.id, id);
                expect(Some(Any::Leaf(pair.own)), Some(*own));
                expect(pair.next.get().map(Any::Pair), *next);
                expect(pair.bush.get().map(Any::Bush), *bush);
            }
            (Any::Big(big), Shape::Big { own, next }) => {
                assert_eq!(big.id, id);
                expect(Some(Any::Leaf(big.own)), Some(*own));
                assert!(big.filling.iter().enumerate().all(|(index, &n)| n == word(id, index)), "{id}");
                expect(big.next.get().map(Any::Pair), *next);
            }
            (Any::Bush(bush), Shape::Bush { own, items, leaked }) => {
                assert_eq!(bush.id, id);
                expect(Some(Any::Leaf(bush.own)), Some(*own));
                let contents = bush.items.try_borrow();
                assert_eq!(contents.is_err(), *leaked, "{id}");
                if let Ok(contents) = contents {
                    assert_eq!(contents.len(), items.len(), "{id}");
                    edges.extend(contents.iter().copied().zip(items.iter().copied()));
                }
            }
            (Any::Row(row), Shape::Row { slots }) => {
                assert_eq!(row.len(), slots.len(), "{id}");
                for (cell, slot) in row.iter().zip(slots) {
                    expect(cell.get().map(Any::Pair), *slot);
                }
            }
            (Any::Leaf(leaf), Shape::Leaf) => {
                assert_eq!(leaf.id, id);
                assert_eq!(
                    self.ledger.drops(leaf.ticket.number),
                    0,
                    "the leaf {id} is reachable and dropped"
                );
            }
            (Any::Text(text), Shape::Text { len }) => {
                assert_eq!(text.len(), *len);
                assert!(text.bytes().enumerate().all(|(index, byte)| byte == letter(id, index)), "{id}");
            }
            (Any::Words(words), Shape::Words { len }) => {
                assert_eq!(words.len(), *len);
                assert!(words.iter().enumerate().all(|(index, &n)| n == word(id, index)), "{id}");
            }
            (Any::Tickets(tickets), Shape::Tickets { len }) => {
                assert_eq!(tickets.len(), *len);
                for ticket in tickets.iter() {
                    assert_eq!(self.ledger.drops(ticket.number), 0, "{id} is reachable and dropped");
                }
            }
            (_, shape) => panic!("the object {id} is not {shape:?}"),
        }
        edges
    }
}
