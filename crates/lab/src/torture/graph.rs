//! One thread's graph: roots, shadow, and the comparison of everything that can be reached.

use std::sync::Arc;

use mudlark::{Gc, Scope};

use super::edges::Depth;
use super::ledger::Ledger;
use super::make::Held;
use super::node::{Any, Id, Mail, Watch};
use super::shadow::{IdSet, Shadow};
use crate::rng::Rng;

/// A random graph and what is known of it.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) shadow: Shadow,
    pub(super) roots: Vec<(Held, Id)>,
    pub(super) rng: Rng,
    pub(super) ledger: Arc<Ledger>,
    next: u64,
    made: u64,
}

impl Graph {
    pub(super) fn new(thread: usize, rng: Rng, ledger: Arc<Ledger>) -> Self {
        let next = (thread as u64 + 1) << 40;
        Self { shadow: Shadow::default(), roots: Vec::new(), rng, ledger, next, made: 0 }
    }

    /// A name that no other object of the run has.
    pub(super) fn new_id(&mut self) -> Id {
        self.next += 1;
        self.made += 1;
        Id::of(self.next)
    }

    /// Objects that were named so far.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Whether something leads from a root to `id`.
    pub(super) fn reaches(&self, id: Id) -> bool {
        let mut found = IdSet::default();
        self.shadow.close(self.roots.iter().map(|(_, id)| *id), &mut found);
        found.contains(&id)
    }

    /// Compares all that can be reached with the shadow, and returns its names. Then forgets what neither edges nor
    /// weak pointers lead to.
    pub(super) fn check(&mut self, cx: &Scope<'_>) -> Result<IdSet, String> {
        let mut seen = IdSet::default();
        let mut watches = Vec::new();
        let mut stack: Vec<(Any<'_>, Id)> = self.roots.iter().map(|(held, id)| (held.get(cx), *id)).collect();
        while let Some((any, id)) = stack.pop() {
            if !seen.insert(id) {
                any.intact(id, self.shadow.known(id)?.kind, Depth::Glance)?;
                continue;
            }
            self.check_object(cx, any, id, &mut stack)?;
            if let Any::Mail(Mail::Watch(watch)) = any {
                watches.push((watch, id));
            }
        }
        for (watch, id) in watches {
            self.check_watch(cx, watch, id, seen.contains(&self.target(id)?))?;
        }
        let mut kept = seen.clone();
        self.shadow.close(self.shadow.watched(&seen), &mut kept);
        self.shadow.retain(&kept);
        Ok(seen)
    }

    /// Compares an object and its edges with the shadow, and pushes what they lead to.
    fn check_object<'gc>(
        &self,
        cx: &Scope<'gc>,
        any: Any<'gc>,
        id: Id,
        stack: &mut Vec<(Any<'gc>, Id)>,
    ) -> Result<(), String> {
        let entry = self.shadow.known(id)?;
        any.intact(id, entry.kind, Depth::Whole)?;
        if any.slots() != entry.slots.len() {
            return Err(format!("{:?} {id} has {} slots", entry.kind, any.slots()));
        }
        for (at, &expected) in entry.slots.iter().enumerate() {
            match (any.slot(at), expected) {
                (None, None) => {}
                (Some(target), Some(expected)) => stack.push((target, expected)),
                (found, expected) => return Err(wrong_edge(any, id, at, found, expected)),
            }
        }
        let items = any.items(cx);
        if items.len() != entry.items.len() {
            let (found, expected) = (items.len(), entry.items.len());
            return Err(format!("the list of {:?} {id} has {found} items, not {expected}", entry.kind));
        }
        stack.extend(items.into_iter().zip(entry.items.iter().copied()));
        Ok(())
    }

    fn target(&self, watch: Id) -> Result<Id, String> {
        let watched = self.shadow.known(watch)?.watched;
        watched.map(|watched| watched.target).ok_or_else(|| format!("{watch} is no watch"))
    }

    /// Asks a weak pointer for its target, which lives for sure if `is_reached`. Returns the target if it is known.
    pub(super) fn check_watch<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        watch: Gc<'gc, Watch<'gc>>,
        id: Id,
        is_reached: bool,
    ) -> Result<Option<(Any<'gc>, Id)>, String> {
        let watched = self.shadow.known(id)?.watched.ok_or_else(|| format!("{id} is no watch"))?;
        let target = watched.target;
        match watch.target.upgrade(cx) {
            Some(_) if watched.is_dead => {
                Err(format!("the weak pointer {id} to {target} gave nothing before, and gives something now"))
            }
            Some(any) => {
                any.intact(target, watched.kind, Depth::Whole)?;
                Ok(self.shadow.get(target).map(|_| (any, target)))
            }
            None if is_reached => {
                let kind = watched.kind;
                Err(format!(
                    "the weak pointer {id} to {kind:?} {target} gives nothing, though it can be reached"
                ))
            }
            None => {
                self.shadow.set_dead(id);
                Ok(None)
            }
        }
    }
}

/// Says that an edge is there that should not be, or the other way round.
pub(super) fn wrong_edge(
    from: Any<'_>,
    id: Id,
    at: usize,
    found: Option<Any<'_>>,
    expected: Option<Id>,
) -> String {
    let (found, expected) = (
        found.map_or("leads nowhere".to_owned(), |any| format!("leads to {:#x}", any.address())),
        expected.map_or("nowhere".to_owned(), |id| format!("to {id}")),
    );
    format!("slot {at} of {id} at {:#x} {found}, but must lead {expected}", from.address())
}
