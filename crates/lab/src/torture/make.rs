//! Makes objects, without edges at first, and roots that hold them.

use std::sync::Arc;

use mudlark::{Gc, GcCell, GcMutex, GcRefCell, GcRwLock, GcWeak, HeapFull, Root, Scope, Static};

use super::fault::Snag;
use super::ledger::{Ledger, Ticket};
use super::node::{
    Any, Bag, Chest, Choice, Id, Keg, Kind, Knot, Mail, Row, Tag, Tree, Twig, Watch, WeakMail,
};

fn full<T>(error: mudlark::AllocError<T>) -> Snag {
    let HeapFull { .. } = error.full;
    Snag::Full
}

/// A new object without edges. A watch needs a target: see [`make_watch`].
pub(super) fn make<'gc>(cx: &Scope<'gc>, kind: Kind, id: Id, ledger: &Arc<Ledger>) -> Result<Any<'gc>, Snag> {
    let tag = Tag::new(id, kind);
    let mail = match kind {
        Kind::Twig => {
            let edges = std::array::from_fn(|_| GcCell::new(None));
            Mail::Twig(cx.try_alloc(Twig { tag, edges, bag: GcCell::new(None) }).map_err(full)?)
        }
        Kind::Bag => {
            let bag = Bag { tag, top: GcRwLock::new(None), items: GcMutex::new(Vec::new()) };
            Mail::Bag(cx.try_alloc(bag).map_err(full)?)
        }
        Kind::Row(len) => {
            Mail::Row(cx.try_alloc_slice_with(len as usize, |_| GcCell::new(None)).map_err(full)?)
        }
        Kind::Keg => {
            let ticket = ledger.ticket(id, 0);
            Mail::Keg(cx.try_alloc(Keg { tag, next: GcCell::new(None), ticket }).map_err(full)?)
        }
        Kind::Kegs(len) => {
            let ticket = |place| Static(ledger.ticket(id, place));
            Mail::Kegs(cx.try_alloc_slice_with(len as usize, ticket).map_err(full)?)
        }
        Kind::Text(len) => {
            let text: String = (0..len as usize).map(|at| char::from(letter(id, at))).collect();
            Mail::Text(cx.try_alloc_str(&text).map_err(full)?)
        }
        Kind::Words(len) => {
            let words: Vec<u64> = (0..len as usize).map(|at| element(id, at)).collect();
            Mail::Words(cx.try_alloc_slice_copy(&words).map_err(full)?)
        }
        Kind::Tree(depth) => Mail::Tree(make_tree(cx, id, depth)?),
        Kind::Watch => unreachable!("a watch is made with its target"),
        Kind::Knot => {
            return cx
                .try_alloc(Knot { tag, items: GcRefCell::new(Vec::new()) })
                .map(Any::Knot)
                .map_err(full);
        }
        Kind::Chest => {
            return cx
                .try_alloc(Chest { tag, choice: GcRefCell::new(Choice::Empty) })
                .map(Any::Chest)
                .map_err(full);
        }
    };
    Ok(Any::Mail(mail))
}

/// Length of the text at each node of a tree.
const TREE_TEXT_BYTES: usize = 24;

pub(super) fn make_tree<'gc>(cx: &Scope<'gc>, id: Id, depth: u8) -> Result<Gc<'gc, Tree<'gc>>, Snag> {
    let kids = match depth.checked_sub(1) {
        Some(below) => Some([make_tree(cx, id.part(0), below)?, make_tree(cx, id.part(1), below)?]),
        None => None,
    };
    let text: [u8; TREE_TEXT_BYTES] = std::array::from_fn(|at| letter(id, at));
    let text = std::str::from_utf8(&text).expect("letters are ASCII");
    let text = cx.try_alloc_str(text).map_err(full)?;
    cx.try_alloc(Tree { tag: Tag::new(id, Kind::Tree(depth)), depth, text, kids }).map_err(full)
}

/// A new watch, or nothing if the target is of a kind that is not watched.
pub(super) fn make_watch<'gc>(
    cx: &Scope<'gc>,
    id: Id,
    target: Any<'gc>,
) -> Result<Option<Gc<'gc, Watch<'gc>>>, Snag> {
    let Any::Mail(mail) = target else { return Ok(None) };
    let target = match mail {
        Mail::Twig(gc) => WeakMail::Twig(GcWeak::try_new(cx, gc).map_err(full)?),
        Mail::Bag(gc) => WeakMail::Bag(GcWeak::try_new(cx, gc).map_err(full)?),
        Mail::Row(gc) => WeakMail::Row(GcWeak::try_new(cx, gc).map_err(full)?),
        Mail::Keg(gc) => WeakMail::Keg(GcWeak::try_new(cx, gc).map_err(full)?),
        Mail::Text(gc) => WeakMail::Text(GcWeak::try_new(cx, gc).map_err(full)?),
        Mail::Kegs(_) | Mail::Words(_) | Mail::Tree(_) | Mail::Watch(_) => return Ok(None),
    };
    cx.try_alloc(Watch { tag: Tag::new(id, Kind::Watch), target }).map(Some).map_err(full)
}

/// What the text of an object holds at an index: all lengths differ from all others in their letters too.
pub(super) fn letter(id: Id, at: usize) -> u8 {
    b'a' + (id.number().wrapping_mul(7).wrapping_add(at as u64) % 26) as u8
}

/// What the words of an object hold.
pub(super) fn element(id: Id, at: usize) -> u64 {
    id.number() ^ (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A root of anything that can go to another thread.
#[derive(Debug)]
pub(super) enum MailRoot {
    Twig(Root<Twig<'static>>),
    Bag(Root<Bag<'static>>),
    Row(Root<Row<'static>>),
    Keg(Root<Keg<'static>>),
    Kegs(Root<[Static<Ticket>]>),
    Text(Root<str>),
    Words(Root<[u64]>),
    Tree(Root<Tree<'static>>),
    Watch(Root<Watch<'static>>),
}

/// A root of anything.
#[derive(Debug)]
pub(super) enum Held {
    Mail(MailRoot),
    Knot(Root<Knot<'static>>),
    Chest(Root<Chest<'static>>),
}

impl MailRoot {
    pub(super) fn new<'gc>(cx: &Scope<'gc>, mail: Mail<'gc>) -> Self {
        match mail {
            Mail::Twig(gc) => Self::Twig(cx.root(gc)),
            Mail::Bag(gc) => Self::Bag(cx.root(gc)),
            Mail::Row(gc) => Self::Row(cx.root(gc)),
            Mail::Keg(gc) => Self::Keg(cx.root(gc)),
            Mail::Kegs(gc) => Self::Kegs(cx.root(gc)),
            Mail::Text(gc) => Self::Text(cx.root(gc)),
            Mail::Words(gc) => Self::Words(cx.root(gc)),
            Mail::Tree(gc) => Self::Tree(cx.root(gc)),
            Mail::Watch(gc) => Self::Watch(cx.root(gc)),
        }
    }

    fn get<'gc>(&self, cx: &Scope<'gc>) -> Mail<'gc> {
        match self {
            Self::Twig(root) => Mail::Twig(root.get(cx)),
            Self::Bag(root) => Mail::Bag(root.get(cx)),
            Self::Row(root) => Mail::Row(root.get(cx)),
            Self::Keg(root) => Mail::Keg(root.get(cx)),
            Self::Kegs(root) => Mail::Kegs(root.get(cx)),
            Self::Text(root) => Mail::Text(root.get(cx)),
            Self::Words(root) => Mail::Words(root.get(cx)),
            Self::Tree(root) => Mail::Tree(root.get(cx)),
            Self::Watch(root) => Mail::Watch(root.get(cx)),
        }
    }
}

impl Held {
    pub(super) fn new<'gc>(cx: &Scope<'gc>, any: Any<'gc>) -> Self {
        match any {
            Any::Mail(mail) => Self::Mail(MailRoot::new(cx, mail)),
            Any::Knot(gc) => Self::Knot(cx.root(gc)),
            Any::Chest(gc) => Self::Chest(cx.root(gc)),
        }
    }

    pub(super) fn get<'gc>(&self, cx: &Scope<'gc>) -> Any<'gc> {
        match self {
            Self::Mail(root) => Any::Mail(root.get(cx)),
            Self::Knot(root) => Any::Knot(root.get(cx)),
            Self::Chest(root) => Any::Chest(root.get(cx)),
        }
    }

    /// Points the root at an object of the same kind in place; another kind gets a new root.
    pub(super) fn set<'gc>(&mut self, cx: &Scope<'gc>, any: Any<'gc>) {
        match (&*self, any) {
            (Self::Mail(MailRoot::Twig(root)), Any::Mail(Mail::Twig(gc))) => root.set(cx, gc),
            (Self::Mail(MailRoot::Bag(root)), Any::Mail(Mail::Bag(gc))) => root.set(cx, gc),
            (Self::Mail(MailRoot::Row(root)), Any::Mail(Mail::Row(gc))) => root.set(cx, gc),
            (Self::Mail(MailRoot::Keg(root)), Any::Mail(Mail::Keg(gc))) => root.set(cx, gc),
            (Self::Mail(MailRoot::Text(root)), Any::Mail(Mail::Text(gc))) => root.set(cx, gc),
            (Self::Knot(root), Any::Knot(gc)) => root.set(cx, gc),
            (Self::Chest(root), Any::Chest(gc)) => root.set(cx, gc),
            _ => *self = Self::new(cx, any),
        }
    }
}
