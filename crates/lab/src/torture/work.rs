//! The operations inside of a scope. Each changes heap and shadow alike, and checks what it meets. Those that change edges are in
//! `rewire`.

use std::sync::mpsc::Sender;

use mudlark::{Root, Scope};

use super::edges::{Depth, Edit};
use super::fault::Snag;
use super::graph::{Graph, wrong_edge};
use super::kinds::random_kind;
use super::make::{Held, MailRoot, make, make_watch};
use super::node::{Any, Id, Kind, Mail};
use super::op::Op;
use super::plaza::Plaza;
use super::rewire::ITEMS_MAX;
use super::shadow::{Entry, Watched};

/// What outlives a thread's scopes, beside its graph.
#[derive(Debug)]
pub(super) struct Outside {
    /// What all threads share.
    pub(super) plaza: std::sync::Arc<Root<Plaza<'static>>>,
    /// To a thread that is no mutator and drops what it gets.
    pub(super) undertaker: Sender<MailRoot>,
}

/// A scope, and what it has in hand.
pub(super) struct Work<'a, 'gc> {
    pub(super) cx: &'a Scope<'gc>,
    pub(super) graph: &'a mut Graph,
    outside: &'a Outside,
    hands: Vec<(Any<'gc>, Id)>,
}

const HANDS_MAX: usize = 24;
const ROOTS_MAX: usize = 48;
const WALK_MAX: usize = 200;
const BURST_MAX: usize = 300;

impl<'a, 'gc> Work<'a, 'gc> {
    pub(super) fn new(cx: &'a Scope<'gc>, graph: &'a mut Graph, outside: &'a Outside) -> Self {
        Self { cx, graph, outside, hands: Vec::new() }
    }

    /// Lends the graph, for a scope in this one.
    pub(super) fn graph(&mut self) -> &mut Graph {
        self.graph
    }

    /// Does one operation that belongs inside.
    pub(super) fn perform(&mut self, op: Op) -> Result<(), Snag> {
        match op {
            Op::Make => self.make_linked(),
            Op::Link => self.link(),
            Op::Cut => self.cut(),
            Op::Edit => self.edit(),
            Op::Move => self.relocate(),
            Op::Root => self.root(),
            Op::Unroot => self.unroot(),
            Op::Walk => self.walk(),
            Op::Burst => self.burst(),
            Op::Watch => self.watch(),
            Op::Upgrade => self.upgrade(),
            Op::Race => self.race(),
            Op::Fill => self.fill(),
            Op::Forget => {
                self.hands.clear();
                Ok(())
            }
            Op::Nest | Op::Check | Op::Collect | Op::Reattach | Op::Send => unreachable!("not done inside"),
        }
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.graph.rng.below(bound)
    }

    fn hold(&mut self, any: Any<'gc>, id: Id) {
        if self.hands.len() < HANDS_MAX {
            self.hands.push((any, id));
        } else {
            let at = self.below(HANDS_MAX);
            self.hands[at] = (any, id);
        }
    }

    /// An object from which to go on, after some steps. `None` if there is nothing at all.
    pub(super) fn pick(&mut self) -> Result<Option<(Any<'gc>, Id)>, Snag> {
        let is_in_hand = self.graph.roots.is_empty() || self.below(2) == 0;
        let mut at = if is_in_hand && !self.hands.is_empty() {
            let at = self.below(self.hands.len());
            self.hands[at]
        } else if self.graph.roots.is_empty() {
            return Ok(None);
        } else {
            let at = self.below(self.graph.roots.len());
            let (held, id) = &self.graph.roots[at];
            (held.get(self.cx), *id)
        };
        for _ in 0..self.below(6) {
            match self.step(at)? {
                Some(next) => at = next,
                None => break,
            }
        }
        self.look(at)?;
        Ok(Some(at))
    }

    fn kind(&self, id: Id) -> Result<Kind, Snag> {
        Ok(self.graph.shadow.known(id)?.kind)
    }

    pub(super) fn look(&self, (any, id): (Any<'gc>, Id)) -> Result<(), Snag> {
        Ok(any.intact(id, self.kind(id)?, Depth::Glance)?)
    }

    /// Follows a random edge, if there is one, and compares it with the shadow.
    fn step(&mut self, (any, id): (Any<'gc>, Id)) -> Result<Option<(Any<'gc>, Id)>, Snag> {
        self.look((any, id))?;
        let (slots, items) = {
            let entry = self.graph.shadow.known(id)?;
            (entry.slots.len(), entry.items.len())
        };
        if slots + items == 0 {
            return Ok(None);
        }
        let at = self.below(slots + items);
        let entry = self.graph.shadow.known(id)?;
        if at < slots {
            return match (any.slot(at), entry.slots[at]) {
                (Some(target), Some(target_id)) => Ok(Some((target, target_id))),
                (None, None) => Ok(None),
                (found, expected) => Err(Snag::Wrong(wrong_edge(any, id, at, found, expected))),
            };
        }
        let found = any.items(self.cx);
        if found.len() != items {
            let wrong = format!("the list of {:?} {id} has {} items, not {items}", entry.kind, found.len());
            return Err(Snag::Wrong(wrong));
        }
        Ok(Some((found[at - slots], entry.items[at - slots])))
    }

    /// A new object, known and in hand.
    pub(super) fn make(&mut self, kind: Kind) -> Result<(Any<'gc>, Id), Snag> {
        let id = self.graph.new_id();
        let any = make(self.cx, kind, id, &self.graph.ledger)?;
        self.graph.shadow.insert(id, Entry::new(kind));
        self.hold(any, id);
        Ok((any, id))
    }

    fn make_linked(&mut self) -> Result<(), Snag> {
        let kind = random_kind(&mut self.graph.rng);
        let new = self.make(kind)?;
        if self.below(4) > 0
            && let Some(from) = self.pick()?
        {
            self.attach(from, new);
        }
        for _ in 0..self.below(3) {
            if let Some(to) = self.pick()? {
                self.attach(new, to);
            }
        }
        Ok(())
    }

    fn root(&mut self) -> Result<(), Snag> {
        let picked = match self.pick()? {
            Some(picked) => picked,
            None => self.make(Kind::Knot)?,
        };
        self.root_it(picked);
        Ok(())
    }

    pub(super) fn root_it(&mut self, (any, id): (Any<'gc>, Id)) {
        if self.graph.roots.len() < ROOTS_MAX {
            self.graph.roots.push((Held::new(self.cx, any), id));
        } else {
            let at = self.below(ROOTS_MAX);
            let root = &mut self.graph.roots[at];
            root.0.set(self.cx, any);
            root.1 = id;
        }
    }

    /// Drops a root, and at times saves its object: then that was the only way to it, and now another one is.
    fn unroot(&mut self) -> Result<(), Snag> {
        if self.graph.roots.len() < 2 {
            return Ok(());
        }
        let at = self.below(self.graph.roots.len());
        let (held, id) = self.graph.roots.swap_remove(at);
        let saved = (held.get(self.cx), id);
        if let (Held::Mail(root), 0) = (held, self.below(2)) {
            // If nobody is there to take it, it is dropped here.
            let _ = self.outside.undertaker.send(root);
        }
        if self.below(2) == 0 {
            self.look(saved)?;
            if let Some(from) = self.pick()? {
                self.attach(from, saved);
            }
        }
        Ok(())
    }

    fn walk(&mut self) -> Result<(), Snag> {
        let Some(mut at) = self.pick()? else { return Ok(()) };
        for _ in 0..self.below(WALK_MAX) {
            match self.step(at)? {
                Some(next) => at = next,
                None => break,
            }
        }
        self.look(at)?;
        self.hold(at.0, at.1);
        Ok(())
    }

    fn burst(&mut self) -> Result<(), Snag> {
        for _ in 0..self.below(BURST_MAX) {
            let kind = random_kind(&mut self.graph.rng);
            let id = self.graph.new_id();
            make(self.cx, kind, id, &self.graph.ledger)?.intact(id, kind, Depth::Glance)?;
        }
        Ok(())
    }

    fn watch(&mut self) -> Result<(), Snag> {
        let Some((target, target_id)) = self.pick()? else { return Ok(()) };
        let id = self.graph.new_id();
        let Some(watch) = make_watch(self.cx, id, target)? else { return Ok(()) };
        let kind = self.kind(target_id)?;
        let watched = Some(Watched { target: target_id, kind, is_dead: false });
        self.graph.shadow.insert(id, Entry { watched, ..Entry::new(Kind::Watch) });
        let new = (Any::Mail(Mail::Watch(watch)), id);
        let holder = match self.pick()? {
            Some(found) if self.kind(found.1)?.is_list() => found,
            _ => self.make(Kind::Knot)?,
        };
        self.attach(holder, new);
        self.hold(new.0, new.1);
        Ok(())
    }

    fn upgrade(&mut self) -> Result<(), Snag> {
        // Watches are leaves, so a way through the graph often ends at one.
        let mut found = None;
        for _ in 0..4 {
            if let Some((Any::Mail(Mail::Watch(watch)), id)) = self.pick()? {
                found = Some((watch, id));
                break;
            }
        }
        let Some((watch, id)) = found else { return Ok(()) };
        let target = self.graph.shadow.known(id)?.watched.map(|watched| watched.target);
        let is_held = self.hands.iter().any(|(_, held)| Some(*held) == target);
        let is_reached = is_held || self.below(8) == 0 && target.is_some_and(|id| self.graph.reaches(id));
        if let Some((any, id)) = self.graph.check_watch(self.cx, watch, id, is_reached)? {
            self.hold(any, id);
        }
        Ok(())
    }

    fn race(&mut self) -> Result<(), Snag> {
        let plaza = self.outside.plaza.get(self.cx);
        let held = self.hands.iter().find_map(|(any, _)| match any {
            Any::Mail(Mail::Tree(tree)) => Some(*tree),
            _ => None,
        });
        if let Some((tree, id, levels)) = plaza.step(self.cx, self.graph, held)?
            && self.below(2) == 0
        {
            // A tree needs no owner: it becomes a part of this graph too.
            self.graph.shadow.insert(id, Entry::new(Kind::Tree(levels)));
            let tree = (Any::Mail(Mail::Tree(tree)), id);
            self.hold(tree.0, tree.1);
            if let Some(from) = self.pick()? {
                self.attach(from, tree);
            }
        }
        Ok(())
    }

    /// Adds new objects to a list that stays borrowed meanwhile.
    fn fill(&mut self) -> Result<(), Snag> {
        let Some((Any::Knot(knot), id)) = self.pick()? else { return Ok(()) };
        let count = self.below(ITEMS_MAX);
        let mut items = knot.items.borrow_mut(self.cx);
        items.clear();
        self.graph.shadow.edit(id, Edit::Truncate(0));
        for _ in 0..count {
            let kind = random_kind(&mut self.graph.rng);
            let (any, new) = self.make(kind)?;
            items.push(any);
            self.graph.shadow.edit(id, Edit::Push(new));
        }
        Ok(())
    }
}
