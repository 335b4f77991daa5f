//! A language of heap operations, and a model that says what must come of them.
//!
//! A [`Program`] drives a heap through the safe interface: it allocates objects of every kind (pairs of cells, growing
//! lists, rows of cells, strings and numbers of odd sizes, large objects, leaves whose drops are counted), changes their
//! edges, makes and drops roots, and collects, with two mutators that take turns on one thread or lie in each
//! other. The same steps are done to a [`Model`], a plain graph of numbers. Then they are compared:
//!
//! - whatever is reachable has the contents that the model says, at one address of its own (when a scope ends, and after each
//!   `collect`);
//! - what is reachable was not dropped, ever; what is unreachable was dropped once, after a `collect`;
//! - at the end the heap's exact counters agree with a recount, and everything was dropped once.
//!
//! Any sequence of steps is a program: numbers are taken modulo what there is, a step that has nothing to work on does
//! nothing, and one that finds the heap full is skipped.

use arbitrary::{Arbitrary, Unstructured};
use mudlark::{Gc, GcCell, GcPercent, GcRefCell, Heap, Mutator, Root, Scope, Static, Trace};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

/// A heap and what to do with it.
#[derive(Clone, Debug)]
pub struct Program {
    /// What the heap is like.
    pub setup: Setup,
    /// What happens.
    pub ops: Vec<Op>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Program> {
        let setup = Setup::arbitrary(u)?;
        // Until the bytes are used up, so that their number alone decides how long the program is.
        let mut ops = Vec::new();
        while !u.is_empty() {
            ops.push(Op::arbitrary(u)?);
        }
        Ok(Program { setup, ops })
    }
}

impl Program {
    /// The program that some bytes stand for: an entry of the corpus, or random ones.
    pub fn from_bytes(bytes: &[u8]) -> Option<Program> {
        Program::arbitrary(&mut Unstructured::new(bytes)).ok()
    }
}

/// What the heap is like.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Setup {
    /// One background thread, or none.
    pub background: bool,
    /// A heap that is soon full.
    pub tight: bool,
    /// The heap and its mutators end before the roots do.
    pub roots_last: bool,
    /// How often cycles begin.
    pub percent: Percent,
}

/// A GC percent. Small ones make small heaps collect.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Percent {
    /// All the time.
    One,
    /// Often.
    Ten,
    /// As by default.
    Hundred,
    /// Only when asked to.
    Off,
}

impl From<Percent> for GcPercent {
    fn from(percent: Percent) -> GcPercent {
        match percent {
            Percent::One => GcPercent::Percent(1),
            Percent::Ten => GcPercent::Percent(10),
            Percent::Hundred => GcPercent::Percent(100),
            Percent::Off => GcPercent::Off,
        }
    }
}

/// A step. Outside of a scope, a step that needs one opens a scope of the first mutator.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Op {
    /// Allocates; the new object goes into a register of the scope.
    Make(Make),
    /// Changes the edges of an object in a register.
    Change(Change),
    /// Moves objects between registers and roots.
    Hold(Hold),
    /// Ends all scopes and does something outside of them.
    Outside(Outside),
    /// Opens a scope of the first or the second mutator; within a scope, one of the other mutator.
    Enter {
        /// Of the second mutator.
        second: bool,
    },
    /// Ends the innermost scope.
    Leave,
}

/// Allocations. Lengths are those of [`odd_len`].
#[derive(Arbitrary, Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names of the kinds of objects are explained there")]
pub enum Make {
    Pair,
    Bush,
    Row { len: u16 },
    Leaf,
    Text { len: u16 },
    Words { len: u16 },
    Tickets { len: u16 },
    Big,
    /// Garbage at once: brings the next cycle nearer.
    Churn { count: u16 },
}

/// Changes of edges. Registers by number.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[allow(missing_docs, reason = "fields are registers, or places in an object")]
pub enum Change {
    /// The cell `next` of a pair or a big object.
    Next { of: u8, to: u8, clear: bool },
    /// The cell `bush` of a pair.
    Bush { of: u8, to: u8, clear: bool },
    /// A cell of a row.
    Slot { of: u8, slot: u16, to: u8, clear: bool },
    /// Puts an object into a bush.
    Push { of: u8, item: u8 },
    /// Puts a new leaf into a bush while the bush is borrowed.
    PushNew { of: u8 },
    /// Takes the last object out of a bush.
    Pop { of: u8 },
    /// Moves all contents of a bush into another one.
    Pour { of: u8, to: u8 },
    /// Forgets a mutable borrow of a bush, which keeps its contents for good.
    Leak { of: u8 },
}

/// Registers and roots.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[allow(missing_docs, reason = "fields are registers, roots, or places in an object")]
pub enum Hold {
    /// Follows an edge of an object, into a register.
    Load { of: u8, edge: u16 },
    /// Forgets a register.
    Forget { of: u8 },
    /// Makes a root.
    Root { of: u8 },
    /// Loads a root into a register.
    LoadRoot { root: u8 },
    /// Points a root at another object.
    SetRoot { root: u8, of: u8 },
    /// Drops a root.
    DropRoot { root: u8 },
}

/// What is done outside of scopes.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Outside {
    /// A whole cycle, and a check of everything.
    Collect,
    /// Drops a root.
    DropRoot {
        /// Which.
        root: u8,
    },
    /// Changes the GC percent.
    Percent(Percent),
    /// Detaches a mutator and attaches a new one.
    Reattach {
        /// The second mutator.
        second: bool,
    },
}

/// Mostly short lengths, sometimes such that an object is large.
pub fn odd_len(len: u16) -> usize {
    if len >= 0xC000 { usize::from(len % 3000) } else { usize::from(len % 40) }
}

// ---- objects

type Id = usize;

/// Two cells, no drop glue.
#[derive(Trace)]
struct Pair<'gc> {
    id: Id,
    next: GcCell<Option<Gc<'gc, Pair<'gc>>>>,
    bush: GcCell<Option<Gc<'gc, Bush<'gc>>>>,
}

/// A list that grows, with drop glue.
#[derive(Trace)]
struct Bush<'gc> {
    id: Id,
    items: GcRefCell<Vec<Any<'gc>>>,
}

/// Cells in a row. A long one is a large object, and is scanned in pieces.
type Row<'gc> = [GcCell<Option<Gc<'gc, Pair<'gc>>>>];

/// An object whose drop is counted.
#[derive(Trace)]
struct Leaf {
    id: Id,
    #[trace(skip)]
    ticket: Ticket,
}

/// A large object that is no slice.
#[derive(Trace)]
struct Big<'gc> {
    id: Id,
    next: GcCell<Option<Gc<'gc, Pair<'gc>>>>,
    filling: [u64; 1100],
}

/// Any object.
#[derive(Clone, Copy, Trace)]
enum Any<'gc> {
    Pair(Gc<'gc, Pair<'gc>>),
    Bush(Gc<'gc, Bush<'gc>>),
    Row(Gc<'gc, Row<'gc>>),
    Leaf(Gc<'gc, Leaf>),
    Text(Gc<'gc, str>),
    Words(Gc<'gc, [u64]>),
    Tickets(Gc<'gc, [Static<Ticket>]>),
    Big(Gc<'gc, Big<'gc>>),
}

impl<'gc> Any<'gc> {
    fn address(self) -> usize {
        match self {
            Any::Pair(gc) => Gc::address(gc),
            Any::Bush(gc) => Gc::address(gc),
            Any::Row(gc) => Gc::address(gc),
            Any::Leaf(gc) => Gc::address(gc),
            Any::Text(gc) => Gc::address(gc),
            Any::Words(gc) => Gc::address(gc),
            Any::Tickets(gc) => Gc::address(gc),
            Any::Big(gc) => Gc::address(gc),
        }
    }
}

/// A root of any object.
enum Held {
    Pair(Root<Pair<'static>>),
    Bush(Root<Bush<'static>>),
    Row(Root<Row<'static>>),
    Leaf(Root<Leaf>),
    Text(Root<str>),
    Words(Root<[u64]>),
    Tickets(Root<[Static<Ticket>]>),
    Big(Root<Big<'static>>),
}

impl Held {
    fn new<'gc>(cx: &Scope<'gc>, any: Any<'gc>) -> Held {
        match any {
            Any::Pair(gc) => Held::Pair(cx.root(gc)),
            Any::Bush(gc) => Held::Bush(cx.root(gc)),
            Any::Row(gc) => Held::Row(cx.root(gc)),
            Any::Leaf(gc) => Held::Leaf(cx.root(gc)),
            Any::Text(gc) => Held::Text(cx.root(gc)),
            Any::Words(gc) => Held::Words(cx.root(gc)),
            Any::Tickets(gc) => Held::Tickets(cx.root(gc)),
            Any::Big(gc) => Held::Big(cx.root(gc)),
        }
    }

    fn get<'gc>(&self, cx: &Scope<'gc>) -> Any<'gc> {
        match self {
            Held::Pair(root) => Any::Pair(root.get(cx)),
            Held::Bush(root) => Any::Bush(root.get(cx)),
            Held::Row(root) => Any::Row(root.get(cx)),
            Held::Leaf(root) => Any::Leaf(root.get(cx)),
            Held::Text(root) => Any::Text(root.get(cx)),
            Held::Words(root) => Any::Words(root.get(cx)),
            Held::Tickets(root) => Any::Tickets(root.get(cx)),
            Held::Big(root) => Any::Big(root.get(cx)),
        }
    }

    /// Points the root at an object of the same kind; another kind needs another root.
    fn set<'gc>(&mut self, cx: &Scope<'gc>, any: Any<'gc>) {
        match (&*self, any) {
            (Held::Pair(root), Any::Pair(gc)) => root.set(cx, gc),
            (Held::Bush(root), Any::Bush(gc)) => root.set(cx, gc),
            (Held::Row(root), Any::Row(gc)) => root.set(cx, gc),
            (Held::Leaf(root), Any::Leaf(gc)) => root.set(cx, gc),
            (Held::Text(root), Any::Text(gc)) => root.set(cx, gc),
            (Held::Words(root), Any::Words(gc)) => root.set(cx, gc),
            (Held::Tickets(root), Any::Tickets(gc)) => root.set(cx, gc),
            (Held::Big(root), Any::Big(gc)) => root.set(cx, gc),
            _ => *self = Held::new(cx, any),
        }
    }
}

/// Counts its drop.
struct Ticket {
    number: usize,
    ledger: Arc<Ledger>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.ledger.entries.lock().unwrap()[self.number].drops += 1;
    }
}

/// All tickets of a run.
#[derive(Default)]
struct Ledger {
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    owner: Id,
    drops: u32,
}

impl Ledger {
    fn ticket(self: &Arc<Self>, owner: Id) -> Ticket {
        let mut entries = self.entries.lock().unwrap();
        entries.push(Entry { owner, drops: 0 });
        Ticket { number: entries.len() - 1, ledger: Arc::clone(self) }
    }

    fn drops(&self, number: usize) -> u32 {
        self.entries.lock().unwrap()[number].drops
    }

    /// Every ticket was dropped as often as `expected` says of its owner.
    fn check(&self, expected: impl Fn(Id) -> u32) {
        for entry in self.entries.lock().unwrap().iter() {
            assert_eq!(entry.drops, expected(entry.owner), "drops of the object {}", entry.owner);
        }
    }
}

// ---- the model

/// What an object must be.
#[derive(Clone, Debug)]
enum Shape {
    Pair { next: Option<Id>, bush: Option<Id> },
    Bush { items: Vec<Id>, leaked: bool },
    Row { slots: Vec<Option<Id>> },
    Big { next: Option<Id> },
    Leaf,
    Text { len: usize },
    Words { len: usize },
    Tickets { len: usize },
}

impl Shape {
    fn edges(&self) -> Vec<Id> {
        match self {
            Shape::Pair { next, bush } => next.iter().chain(bush).copied().collect(),
            Shape::Bush { items, .. } => items.clone(),
            Shape::Row { slots } => slots.iter().flatten().copied().collect(),
            Shape::Big { next } => next.iter().copied().collect(),
            Shape::Leaf | Shape::Text { .. } | Shape::Words { .. } | Shape::Tickets { .. } => Vec::new(),
        }
    }
}

/// The graph as it must be: objects by number, dead ones too.
#[derive(Default)]
struct Model {
    objects: Vec<Shape>,
}

impl Model {
    fn add(&mut self, shape: Shape) -> Id {
        self.objects.push(shape);
        self.objects.len() - 1
    }

    fn reachable(&self, from: impl Iterator<Item = Id>) -> HashSet<Id> {
        let mut stack: Vec<Id> = from.collect();
        let mut seen = HashSet::new();
        while let Some(id) = stack.pop() {
            if seen.insert(id) {
                stack.extend(self.objects[id].edges());
            }
        }
        seen
    }

    fn bush_items(&mut self, id: Id) -> &mut Vec<Id> {
        match &mut self.objects[id] {
            Shape::Bush { items, .. } => items,
            other => panic!("{id} is no bush but {other:?}"),
        }
    }
}

fn letter(id: Id, index: usize) -> u8 {
    b'a' + ((id + index) % 26) as u8
}

fn word(id: Id, index: usize) -> u64 {
    (id as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(index as u64)
}

// ---- the machine

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
        .max_heap(if setup.tight { 2 << 20 } else { 64 << 20 })
        .gc_percent(setup.percent)
        .build()
        .unwrap();
    let (mut first, mut second) = (heap.attach(), heap.attach());
    let ledger = Arc::<Ledger>::default();
    let mut machine = Machine { heap, model: Model::default(), roots: Vec::new(), ledger };
    let mut ops = program.ops.iter().copied();
    let mut next = ops.next();
    while let Some(op) = next.take().or_else(|| ops.next()) {
        next = match op {
            Op::Outside(outside) => {
                machine.outside(outside, &mut first, &mut second);
                None
            }
            Op::Leave => None,
            Op::Enter { second: true } => machine.scope(&mut second, Some(&mut first), None, &mut ops),
            Op::Enter { second: false } => machine.scope(&mut first, Some(&mut second), None, &mut ops),
            op => machine.scope(&mut first, Some(&mut second), Some(op), &mut ops),
        };
    }
    machine.collect(&mut first);
    drop((first, second));
    machine.heap.recount().unwrap();
    let Machine { heap, roots, ledger, .. } = machine;
    if setup.roots_last {
        drop(heap);
        drop(roots);
    } else {
        drop(roots);
        heap.collect();
        ledger.check(|_| 1);
        drop(heap);
    }
    ledger.check(|_| 1);
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
                    Op::Leave => break None,
                    Op::Outside(_) => break Some(op),
                    Op::Enter { .. } => {
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
                let id = self.model.add(Shape::Pair { next: None, bush: None });
                let pair = Pair { id, next: GcCell::new(None), bush: GcCell::new(None) };
                (cx.try_alloc(pair).map(Any::Pair).ok(), id)
            }
            Make::Bush => {
                let id = self.model.add(Shape::Bush { items: Vec::new(), leaked: false });
                (cx.try_alloc(Bush { id, items: GcRefCell::new(Vec::new()) }).map(Any::Bush).ok(), id)
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
                let id = self.model.add(Shape::Big { next: None });
                let filling = std::array::from_fn(|index| word(id, index));
                (cx.try_alloc(Big { id, next: GcCell::new(None), filling }).map(Any::Big).ok(), id)
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
                    (Any::Pair(pair), Shape::Pair { next, .. }) => (pair.next.set(cx, cell), *next = target),
                    (Any::Big(big), Shape::Big { next }) => (big.next.set(cx, cell), *next = target),
                    _ => return,
                };
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
                let Some(index) = usize::from(slot).checked_rem(row.len()) else { return };
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
            assert!(matches!(self.model.objects[id], Shape::Bush { leaked: true, .. }), "{id} is not borrowed");
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
            Outside::Percent(percent) => self.heap.set_gc_percent(percent),
            Outside::Reattach { second: true } => *second = self.heap.attach(),
            Outside::Reattach { second: false } => *first = self.heap.attach(),
        }
    }

    /// A whole cycle; then what is unreachable has been dropped once, and nothing else has.
    fn collect(&mut self, mutator: &mut Mutator) {
        mutator.collect();
        let reachable = self.model.reachable(self.roots.iter().map(|&(_, id)| id));
        self.ledger.check(|owner| u32::from(!reachable.contains(&owner)));
        mutator.enter(|cx| self.check(cx, Registers::new()));
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
            (Any::Pair(pair), Shape::Pair { next, bush }) => {
                assert_eq!(pair.id, id);
                expect(pair.next.get().map(Any::Pair), *next);
                expect(pair.bush.get().map(Any::Bush), *bush);
            }
            (Any::Big(big), Shape::Big { next }) => {
                assert_eq!(big.id, id);
                assert!(big.filling.iter().enumerate().all(|(index, &n)| n == word(id, index)), "{id}");
                expect(big.next.get().map(Any::Pair), *next);
            }
            (Any::Bush(bush), Shape::Bush { items, leaked }) => {
                assert_eq!(bush.id, id);
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
                assert_eq!(self.ledger.drops(leaf.ticket.number), 0, "the leaf {id} is reachable and dropped");
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
