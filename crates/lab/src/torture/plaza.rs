//! What all threads share without a model: cells and locks that they race for. What is found there names itself and must be intact.

use mudlark::{Gc, GcCell, GcMutex, GcRwLock, GcWeak, Scope, Trace};

use super::edges::{self_intact, tree_intact};
use super::fault::Snag;
use super::graph::Graph;
use super::make::make_tree;
use super::node::{Id, Kind, Tag, Tree};

/// The shared structure.
#[derive(Debug, Trace)]
pub(super) struct Plaza<'gc> {
    slots: Gc<'gc, [GcCell<Option<Gc<'gc, Buoy<'gc>>>>]>,
    trees: GcMutex<Vec<Gc<'gc, Tree<'gc>>>>,
    board: GcRwLock<Vec<Option<Gc<'gc, Tree<'gc>>>>>,
    weak: GcMutex<Vec<(GcWeak<'gc, Tree<'gc>>, u64)>>,
}

/// A link of chains that everyone cuts and joins.
#[derive(Debug, Trace)]
struct Buoy<'gc> {
    tag: Tag,
    next: GcCell<Option<Gc<'gc, Buoy<'gc>>>>,
    tree: GcCell<Option<Gc<'gc, Tree<'gc>>>>,
}

const SLOTS: usize = 2048;
const TREES_MAX: usize = 64;
const CHAIN_MAX: usize = 12;
const LEVELS_MAX: u8 = 3;

/// A tree with its name and levels.
pub(super) type Found<'gc> = (Gc<'gc, Tree<'gc>>, Id, u8);

pub(super) fn make_plaza<'gc>(cx: &Scope<'gc>) -> Gc<'gc, Plaza<'gc>> {
    let slots = cx.alloc_slice_with(SLOTS, |_| GcCell::new(None));
    let board = GcRwLock::new(vec![None; TREES_MAX]);
    let (trees, weak) = (GcMutex::new(Vec::new()), GcMutex::new(Vec::new()));
    cx.alloc(Plaza { slots, trees, board, weak })
}

impl<'gc> Plaza<'gc> {
    /// One step of the race. Returns a tree that was found, at times. `held` is one that was found earlier in the scope: who stores
    /// it may be the last who knows it.
    pub(super) fn step(
        &self,
        cx: &Scope<'gc>,
        graph: &mut Graph,
        held: Option<Gc<'gc, Tree<'gc>>>,
    ) -> Result<Option<Found<'gc>>, Snag> {
        match graph.rng.below(8) {
            0 | 1 => self.launch(cx, graph).map(|()| None),
            2 | 3 => self.row_along(cx, graph, held),
            4 => self.trade(cx, graph),
            5 => self.post(cx, graph),
            6 => self.watch(cx, graph),
            _ => {
                let (a, b) = (&self.slots[graph.rng.below(SLOTS)], &self.slots[graph.rng.below(SLOTS)]);
                let (left, right) = (a.get(), b.get());
                a.set(cx, right);
                b.set(cx, left);
                Ok(None)
            }
        }
    }

    fn new_tree(&self, cx: &Scope<'gc>, graph: &mut Graph) -> Result<Gc<'gc, Tree<'gc>>, Snag> {
        let levels = graph.rng.below(usize::from(LEVELS_MAX) + 1) as u8;
        make_tree(cx, graph.new_id(), levels)
    }

    /// A new buoy in front of what some slot holds.
    fn launch(&self, cx: &Scope<'gc>, graph: &mut Graph) -> Result<(), Snag> {
        let tag = Tag::new(graph.new_id(), Kind::Knot);
        let next = self.slots[graph.rng.below(SLOTS)].get();
        let tree = if graph.rng.below(2) == 0 { Some(self.new_tree(cx, graph)?) } else { None };
        let buoy = Buoy { tag, next: GcCell::new(next), tree: GcCell::new(tree) };
        let buoy = cx.try_alloc(buoy).map_err(|_| Snag::Full)?;
        self.slots[graph.rng.below(SLOTS)].set(cx, Some(buoy));
        Ok(())
    }

    /// Goes along a chain, checks what is there, and moves the end of it elsewhere.
    fn row_along(
        &self,
        cx: &Scope<'gc>,
        graph: &mut Graph,
        held: Option<Gc<'gc, Tree<'gc>>>,
    ) -> Result<Option<Found<'gc>>, Snag> {
        let Some(mut at) = self.slots[graph.rng.below(SLOTS)].get() else { return Ok(None) };
        let mut found = None;
        let steps = graph.rng.below(CHAIN_MAX) + 1;
        for _ in 0..steps {
            self_intact(&at.tag, Kind::Knot)?;
            found = at.tree.get().or(found);
            match at.next.get() {
                Some(next) => at = next,
                None => break,
            }
        }
        // The rest of the chain leaves its owner for another slot; or is cut off, so that chains stay short.
        let rest = at.next.get();
        at.next.set(cx, None);
        if graph.rng.below(3) == 0 {
            self.slots[graph.rng.below(SLOTS)].set(cx, rest);
        }
        if let Some(tree) = held.or(found)
            && graph.rng.below(2) == 0
        {
            at.tree.set(cx, Some(tree));
        }
        found.map(look).transpose()
    }

    /// Takes a tree out of the list and puts another one in.
    fn trade(&self, cx: &Scope<'gc>, graph: &mut Graph) -> Result<Option<Found<'gc>>, Snag> {
        let new = self.new_tree(cx, graph)?;
        let mut trees = self.trees.lock(cx);
        trees.push(new);
        if trees.len() < TREES_MAX {
            return Ok(None);
        }
        let at = graph.rng.below(trees.len());
        let taken = trees.swap_remove(at);
        // Found under the lock, looked at without.
        drop(trees);
        look(taken).map(Some)
    }

    /// Reads the board, or moves something from the list or the board to it.
    fn post(&self, cx: &Scope<'gc>, graph: &mut Graph) -> Result<Option<Found<'gc>>, Snag> {
        let (from, to) = (graph.rng.below(TREES_MAX), graph.rng.below(TREES_MAX));
        if graph.rng.below(2) == 0 {
            let found = self.board.read()[from];
            return found.map(look).transpose();
        }
        let new = match graph.rng.below(3) {
            0 => self.trees.lock(cx).pop(),
            1 => self.board.write(cx)[from].take(),
            _ => Some(self.new_tree(cx, graph)?),
        };
        let old = std::mem::replace(&mut self.board.write(cx)[to], new);
        old.map(look).transpose()
    }

    /// Watches a tree of the board, or asks for one that was watched. Who is found is checked as a whole.
    fn watch(&self, cx: &Scope<'gc>, graph: &mut Graph) -> Result<Option<Found<'gc>>, Snag> {
        let at = graph.rng.below(TREES_MAX);
        if graph.rng.below(2) == 0 {
            let Some(tree) = self.board.read()[at] else { return Ok(None) };
            let weak = GcWeak::try_new(cx, tree).map_err(|_| Snag::Full)?;
            let name = tree.tag.id().number();
            let mut list = self.weak.lock(cx);
            if list.len() < TREES_MAX {
                list.push((weak, name))
            } else {
                list[at] = (weak, name)
            }
            return Ok(None);
        }
        let Some((weak, name)) = self.weak.lock(cx).get(at).copied() else { return Ok(None) };
        let Some(tree) = weak.upgrade(cx) else { return Ok(None) };
        if tree.tag.id() != Id::of(name) {
            return Err(Snag::Wrong(format!(
                "a weak pointer to {} leads to {}",
                Id::of(name),
                tree.tag.id()
            )));
        }
        let found = look(tree)?;
        // Brought back to life, for all to see.
        self.board.write(cx)[at] = Some(tree);
        Ok(Some(found))
    }
}

/// Checks a tree that nobody has a model of.
fn look<'gc>(tree: Gc<'gc, Tree<'gc>>) -> Result<Found<'gc>, Snag> {
    let (id, levels) = (tree.tag.id(), tree.depth);
    if levels > LEVELS_MAX {
        return Err(Snag::Wrong(format!("the shared tree {id} has {levels} levels")));
    }
    tree_intact(tree, id, levels)?;
    Ok((tree, id, levels))
}
