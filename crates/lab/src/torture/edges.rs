//! Reads and changes the edges of any object, and looks at what is in it.

use mudlark::{Gc, Scope};

use super::make::{element, letter};
use super::node::{Any, Choice, Id, Kind, Mail, TWIG_EDGES, Tag, Tree, WeakMail};

/// A change of a list, of objects or of their names in the shadow.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit<T> {
    Push(T),
    Replace(usize, T),
    Swap(usize, usize),
    Remove(usize),
    Truncate(usize),
    Reverse,
    /// Moves everything into a new list of exactly the right size.
    Rebuild,
}

impl<T: Copy> Edit<T> {
    /// Indices are below the length.
    pub(super) fn apply(self, list: &mut Vec<T>) {
        match self {
            Self::Push(item) => list.push(item),
            Self::Replace(at, item) => list[at] = item,
            Self::Swap(a, b) => list.swap(a, b),
            Self::Remove(at) => {
                list.swap_remove(at);
            }
            Self::Truncate(len) => list.truncate(len),
            Self::Reverse => list.reverse(),
            Self::Rebuild => {
                let old = std::mem::take(list);
                *list = old.to_vec();
            }
        }
    }

    /// The same change of another list, if its item has a counterpart.
    pub(super) fn map<U>(self, item: impl FnOnce(T) -> Option<U>) -> Option<Edit<U>> {
        Some(match self {
            Self::Push(it) => Edit::Push(item(it)?),
            Self::Replace(at, it) => Edit::Replace(at, item(it)?),
            Self::Swap(a, b) => Edit::Swap(a, b),
            Self::Remove(at) => Edit::Remove(at),
            Self::Truncate(len) => Edit::Truncate(len),
            Self::Reverse => Edit::Reverse,
            Self::Rebuild => Edit::Rebuild,
        })
    }
}

/// How much of an object is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Depth {
    /// Both ends of long contents.
    Glance,
    /// Every byte.
    Whole,
}

impl<'gc> Any<'gc> {
    /// How many slots there are: see [`Kind::slots`].
    pub(super) fn slots(self) -> usize {
        match self {
            Self::Mail(Mail::Twig(_)) => TWIG_EDGES + 1,
            Self::Mail(Mail::Row(row)) => row.len(),
            Self::Mail(Mail::Keg(_) | Mail::Bag(_)) => 1,
            _ => 0,
        }
    }

    /// What the slot leads to. There must be such a slot.
    pub(super) fn slot(self, at: usize) -> Option<Self> {
        let twig = |twig| Self::Mail(Mail::Twig(twig));
        match self {
            Self::Mail(Mail::Twig(gc)) if at < TWIG_EDGES => gc.edges[at].get().map(twig),
            Self::Mail(Mail::Twig(gc)) => gc.bag.get().map(|bag| Self::Mail(Mail::Bag(bag))),
            Self::Mail(Mail::Row(gc)) => gc[at].get().map(twig),
            Self::Mail(Mail::Keg(gc)) => gc.next.get().map(twig),
            Self::Mail(Mail::Bag(gc)) => gc.top.read().map(Self::Mail),
            _ => unreachable!("it has no slots"),
        }
    }

    /// Makes a slot lead to `to`, if it can. There must be such a slot.
    pub(super) fn set_slot(self, cx: &Scope<'gc>, at: usize, to: Option<Self>) -> bool {
        match (self, to) {
            (Self::Mail(Mail::Twig(gc)), Some(Self::Mail(Mail::Bag(bag)))) if at == TWIG_EDGES => {
                gc.bag.set(cx, Some(bag));
            }
            (Self::Mail(Mail::Twig(gc)), None) if at == TWIG_EDGES => gc.bag.set(cx, None),
            (Self::Mail(Mail::Bag(gc)), Some(Self::Mail(mail))) => *gc.top.write(cx) = Some(mail),
            (Self::Mail(Mail::Bag(gc)), None) => *gc.top.write(cx) = None,
            (Self::Mail(mail), to) => {
                let to = match to {
                    None => None,
                    Some(Self::Mail(Mail::Twig(twig))) => Some(twig),
                    Some(_) => return false,
                };
                match mail {
                    Mail::Twig(gc) if at < TWIG_EDGES => gc.edges[at].set(cx, to),
                    Mail::Row(gc) => gc[at].set(cx, to),
                    Mail::Keg(gc) => gc.next.set(cx, to),
                    _ => return false,
                }
            }
            _ => return false,
        }
        true
    }

    /// What is in its list, if it has one.
    pub(super) fn items(self, cx: &Scope<'gc>) -> Vec<Self> {
        match self {
            Self::Mail(Mail::Bag(gc)) => gc.items.lock(cx).iter().copied().map(Self::Mail).collect(),
            Self::Knot(gc) => gc.items.borrow().clone(),
            Self::Chest(gc) => match &*gc.choice.borrow() {
                Choice::Empty => Vec::new(),
                Choice::One(item) => vec![*item],
                Choice::Two { left, right, padding: _ } => vec![*left, *right],
                Choice::Many(items) => items.to_vec(),
            },
            _ => Vec::new(),
        }
    }

    /// Changes its list, if it has one that can hold this.
    pub(super) fn edit(self, cx: &Scope<'gc>, edit: Edit<Self>) -> bool {
        match self {
            Self::Mail(Mail::Bag(gc)) => {
                let as_mail = |any| if let Self::Mail(mail) = any { Some(mail) } else { None };
                let Some(edit) = edit.map(as_mail) else { return false };
                edit.apply(&mut gc.items.lock(cx));
            }
            Self::Knot(gc) => edit.apply(&mut gc.items.borrow_mut(cx)),
            Self::Chest(gc) => {
                let mut items = self.items(cx);
                edit.apply(&mut items);
                *gc.choice.borrow_mut(cx) = match items[..] {
                    [] => Choice::Empty,
                    [item] => Choice::One(item),
                    [left, right] => Choice::Two { left, padding: !0, right },
                    _ => Choice::Many(items.into_boxed_slice()),
                };
            }
            _ => return false,
        }
        true
    }

    /// Looks whether this is the object that it should be. Edges are not its business.
    pub(super) fn intact(self, id: Id, kind: Kind, depth: Depth) -> Result<(), String> {
        match (self, kind) {
            (Self::Mail(mail), _) => mail.intact(id, kind, depth),
            (Self::Knot(gc), Kind::Knot) => gc.tag.intact(id, kind),
            (Self::Chest(gc), Kind::Chest) => gc.tag.intact(id, kind),
            _ => Err(format!("{kind:?} {id} was expected, and found is {self:?}")),
        }
    }

    /// The address, for messages.
    pub(super) fn address(self) -> usize {
        match self {
            Self::Mail(mail) => mail.address(),
            Self::Knot(gc) => Gc::address(gc),
            Self::Chest(gc) => Gc::address(gc),
        }
    }
}

impl Mail<'_> {
    fn intact(self, id: Id, kind: Kind, depth: Depth) -> Result<(), String> {
        match (self, kind) {
            (Mail::Twig(gc), Kind::Twig) => gc.tag.intact(id, kind),
            (Mail::Bag(gc), Kind::Bag) => gc.tag.intact(id, kind),
            (Mail::Keg(gc), Kind::Keg) => gc.tag.intact(id, kind).and_then(|()| gc.ticket.intact(id, 0)),
            (Mail::Watch(gc), Kind::Watch) => gc.tag.intact(id, kind),
            (Mail::Tree(gc), Kind::Tree(levels)) => tree_intact(gc, id, levels),
            (Mail::Row(gc), Kind::Row(len)) => length_is(id, kind, gc.len(), len),
            (Mail::Kegs(gc), Kind::Kegs(len)) => length_is(id, kind, gc.len(), len)
                .and_then(|()| samples(gc.len(), depth).try_for_each(|at| gc[at].intact(id, at))),
            (Mail::Text(gc), Kind::Text(len)) => length_is(id, kind, gc.len(), len).and_then(|()| {
                let wrong = samples(gc.len(), depth).find(|&at| gc.as_bytes()[at] != letter(id, at));
                none_wrong(id, kind, wrong)
            }),
            (Mail::Words(gc), Kind::Words(len)) => length_is(id, kind, gc.len(), len).and_then(|()| {
                let wrong = samples(gc.len(), depth).find(|&at| gc[at] != element(id, at));
                none_wrong(id, kind, wrong)
            }),
            _ => Err(format!("{kind:?} {id} was expected, and found is another kind of object")),
        }
    }

    fn address(self) -> usize {
        match self {
            Mail::Twig(gc) => Gc::address(gc),
            Mail::Bag(gc) => Gc::address(gc),
            Mail::Row(gc) => Gc::address(gc),
            Mail::Keg(gc) => Gc::address(gc),
            Mail::Kegs(gc) => Gc::address(gc),
            Mail::Text(gc) => Gc::address(gc),
            Mail::Words(gc) => Gc::address(gc),
            Mail::Tree(gc) => Gc::address(gc),
            Mail::Watch(gc) => Gc::address(gc),
        }
    }
}

impl<'gc> WeakMail<'gc> {
    pub(super) fn upgrade(self, cx: &Scope<'gc>) -> Option<Any<'gc>> {
        Some(Any::Mail(match self {
            Self::Twig(weak) => Mail::Twig(weak.upgrade(cx)?),
            Self::Bag(weak) => Mail::Bag(weak.upgrade(cx)?),
            Self::Row(weak) => Mail::Row(weak.upgrade(cx)?),
            Self::Keg(weak) => Mail::Keg(weak.upgrade(cx)?),
            Self::Text(weak) => Mail::Text(weak.upgrade(cx)?),
        }))
    }
}

/// Contents up to this length are always looked at as a whole; of others this many at both ends.
const GLANCE: usize = 16;

/// The indices to look at.
fn samples(len: usize, depth: Depth) -> impl Iterator<Item = usize> {
    let is_long = depth == Depth::Glance && len > 2 * GLANCE;
    let (head, tail) = if is_long { (GLANCE, len - GLANCE) } else { (len, len) };
    (0..head).chain(tail..len)
}

fn length_is(id: Id, kind: Kind, found: usize, expected: u32) -> Result<(), String> {
    if found == expected as usize { Ok(()) } else { Err(format!("{kind:?} {id} has the length {found}")) }
}

fn none_wrong(id: Id, kind: Kind, wrong: Option<usize>) -> Result<(), String> {
    wrong.map_or(Ok(()), |at| Err(format!("{kind:?} {id} holds something else at index {at}")))
}

/// Checks a tree by itself: names, texts and shape follow from the name of its root.
pub(super) fn tree_intact(tree: Gc<'_, Tree<'_>>, id: Id, levels: u8) -> Result<(), String> {
    tree.tag.intact(id, Kind::Tree(levels))?;
    let is_wrong = tree.depth != levels || tree.text.bytes().enumerate().any(|(at, b)| b != letter(id, at));
    match (is_wrong, tree.kids, levels.checked_sub(1)) {
        (false, Some([left, right]), Some(below)) => {
            tree_intact(left, id.part(0), below)?;
            tree_intact(right, id.part(1), below)
        }
        (false, None, None) => Ok(()),
        _ => Err(format!("the tree {id} of {levels} levels has another text or shape")),
    }
}

/// Checks an object that names itself, when nothing else is known of it.
pub(super) fn self_intact(tag: &Tag, kind: Kind) -> Result<(), String> {
    tag.intact(tag.id(), kind)
}
