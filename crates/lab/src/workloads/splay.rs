//! The splay tree of Octane, top-down, with large payloads: each modification inserts a new random key with a
//! fresh payload and removes the greatest key below it. What counts is how long one modification may take.

use std::fmt::{self, Write as _};

use mudlark::{Gc, GcCell, Heap, Root, Scope, Trace};

use super::{Bench, Context, Failure, Finding, HeapFull, Outcome, batches};
use crate::baseline;
use crate::latency::Laps;
use crate::measure::Stopwatch;
use crate::rng::Rng;
use crate::scale::Scale;

const KEYS: u64 = 800_000;
const MODIFICATIONS: u64 = 2_000_000;
/// Insertions in one scope while the tree is built, and modifications between two reports of progress.
const BATCH: u64 = 64;

/// Depth of the tree that is the payload of a key.
pub(crate) const PAYLOAD_DEPTH: u32 = 5;
/// What a leaf of the payload holds.
pub(crate) const LEAF_ARRAY: [f64; 10] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

/// What is found when the tree is no search tree any more.
pub(crate) const UNSORTED: Failure = Failure::Damaged("the keys of the splay tree are out of order");

/// The plan of the workload.
#[derive(Debug)]
pub(crate) struct Splay {
    keys: u64,
    modifications: u64,
}

impl Splay {
    /// The insertions that build the tree, in batches.
    pub(crate) fn insertions(&self) -> impl Iterator<Item = std::ops::Range<u64>> {
        batches(0..self.keys, BATCH)
    }

    /// The modifications, in batches.
    pub(crate) fn modifications(&self) -> impl Iterator<Item = std::ops::Range<u64>> {
        batches(0..self.modifications, BATCH)
    }
}

/// The text in the leaves of a payload, made once for each key.
pub(crate) struct LeafText {
    bytes: [u8; 64],
    len: usize,
}

impl LeafText {
    pub(crate) fn new(key: f64) -> Self {
        let mut text = Self { bytes: [0; 64], len: 0 };
        write!(text, "String for key {key} in leaf node").expect("a key takes at most 24 characters");
        text
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("only whole strings were written")
    }
}

impl fmt::Write for LeafText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.len + part.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl Bench for Splay {
    fn plan(scale: Scale) -> Self {
        Self { keys: scale.count(KEYS), modifications: scale.count(MODIFICATIONS) }
    }

    fn checksum(&self) -> u64 {
        self.keys
    }

    fn objects(&self) -> u64 {
        // A node, the inner nodes of its payload, and for each leaf a node, an array and a text.
        let leaves = 1 << PAYLOAD_DEPTH;
        let per_key = 1 + (leaves - 1) + 3 * leaves;
        1 + (self.keys + self.modifications) * per_key
    }

    fn units(&self) -> u64 {
        self.keys + self.modifications
    }

    fn run_on_mudlark(&self, heap: &Heap, context: &Context<'_>) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach();
        let mut rng = Rng::new();
        let watch = Stopwatch::start();
        let tree: Root<Tree<'static>> = mutator
            .enter(|cx| Ok::<_, HeapFull>(cx.root(cx.try_alloc(Tree { root: GcCell::new(None) })?)))?;
        for batch in self.insertions() {
            let inserted = batch.end - batch.start;
            mutator.enter(|cx| {
                let tree = tree.get(cx);
                batch.into_iter().try_for_each(|_| tree.insert_new(cx, &mut rng).map(drop))
            })?;
            context.progress.advance(inserted);
        }
        let mut laps = Laps::start();
        for batch in self.modifications() {
            let modified = batch.end - batch.start;
            for _ in batch {
                mutator.enter(|cx| tree.get(cx).modify(cx, &mut rng))?;
                laps.lap();
            }
            context.progress.advance(modified);
        }
        let timed = watch.elapsed();
        let checksum = mutator.enter(|cx| tree.get(cx).count_sorted()).ok_or(UNSORTED)?;
        Ok(Outcome { checksum, timed, finding: Finding::Latency(laps.summary()) })
    }

    fn run_on_malloc(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        baseline::splay::run(self, context)
    }
}

type Link<'gc> = Option<Gc<'gc, Node<'gc>>>;

#[derive(Trace)]
struct Tree<'gc> {
    root: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

#[derive(Trace)]
struct Node<'gc> {
    key: f64,
    payload: Gc<'gc, Payload<'gc>>,
    left: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    right: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

#[derive(Trace)]
enum Payload<'gc> {
    Inner { left: Gc<'gc, Payload<'gc>>, right: Gc<'gc, Payload<'gc>> },
    Leaf { array: Gc<'gc, [f64; 10]>, text: Gc<'gc, str> },
}

fn payload<'gc>(cx: &Scope<'gc>, depth: u32, text: &str) -> Result<Gc<'gc, Payload<'gc>>, HeapFull> {
    let payload = if depth == 0 {
        Payload::Leaf { array: cx.try_alloc(LEAF_ARRAY)?, text: cx.try_alloc_str(text)? }
    } else {
        Payload::Inner { left: payload(cx, depth - 1, text)?, right: payload(cx, depth - 1, text)? }
    };
    Ok(cx.try_alloc(payload)?)
}

impl<'gc> Tree<'gc> {
    /// Inserts a new random key and removes the greatest one below it, or itself when it is the least.
    fn modify(&self, cx: &Scope<'gc>, rng: &mut Rng) -> Result<(), HeapFull> {
        let key = self.insert_new(cx, rng)?;
        let victim = self.greatest_below(cx, key).unwrap_or(key);
        self.remove(cx, victim);
        Ok(())
    }

    /// Inserts a random key that is not in the tree yet, and returns it.
    fn insert_new(&self, cx: &Scope<'gc>, rng: &mut Rng) -> Result<f64, HeapFull> {
        let key = loop {
            let key = rng.next_f64();
            if self.splay(cx, key).is_none_or(|root| root.key != key) {
                break key;
            }
        };
        let payload = payload(cx, PAYLOAD_DEPTH, LeafText::new(key).as_str())?;
        self.insert(cx, key, payload)?;
        Ok(key)
    }

    fn insert(&self, cx: &Scope<'gc>, key: f64, payload: Gc<'gc, Payload<'gc>>) -> Result<(), HeapFull> {
        let (mut left, mut right) = (None, None);
        if let Some(root) = self.splay(cx, key) {
            // The root goes to one side of the new node, and its subtree beyond the key to the other.
            if key > root.key {
                (left, right) = (Some(root), root.right.get());
            } else {
                (left, right) = (root.left.get(), Some(root));
            }
        }
        let node = cx.try_alloc(Node { key, payload, left: GcCell::new(left), right: GcCell::new(right) })?;
        if let Some(root) = self.root.get() {
            let beyond = if key > root.key { &root.right } else { &root.left };
            beyond.set(cx, None);
        }
        self.root.set(cx, Some(node));
        Ok(())
    }

    fn remove(&self, cx: &Scope<'gc>, key: f64) {
        let Some(removed) = self.splay(cx, key) else { return };
        if removed.key != key {
            return;
        }
        let Some(left) = removed.left.get() else {
            return self.root.set(cx, removed.right.get());
        };
        // All keys on the left are less, so splaying leaves the right side of their new root free.
        let root = splay(cx, left, key);
        root.right.set(cx, removed.right.get());
        self.root.set(cx, Some(root));
    }

    fn greatest_below(&self, cx: &Scope<'gc>, key: f64) -> Option<f64> {
        let root = self.splay(cx, key)?;
        if root.key < key {
            return Some(root.key);
        }
        let mut greatest = root.left.get()?;
        while let Some(right) = greatest.right.get() {
            greatest = right;
        }
        Some(greatest.key)
    }

    /// Brings the key, or one next to it, to the root, and returns that.
    fn splay(&self, cx: &Scope<'gc>, key: f64) -> Link<'gc> {
        let root = splay(cx, self.root.get()?, key);
        self.root.set(cx, Some(root));
        Some(root)
    }

    /// Counts the keys if they are in order. The tree may be deep, so this takes no recursion.
    fn count_sorted(&self) -> Option<u64> {
        let (mut count, mut greatest) = (0, f64::NEG_INFINITY);
        let mut pending = Vec::new();
        let mut next = self.root.get();
        loop {
            while let Some(node) = next {
                pending.push(node);
                next = node.left.get();
            }
            let Some(node) = pending.pop() else { return Some(count) };
            if node.key <= greatest {
                return None;
            }
            greatest = node.key;
            count += 1;
            next = node.right.get();
        }
    }
}

/// Splays the tree under `root` and returns its new root: on the way down, what is less than the key is hung
/// on one tree and what is greater on another, and in the end both become the children.
fn splay<'gc>(cx: &Scope<'gc>, root: Gc<'gc, Node<'gc>>, key: f64) -> Gc<'gc, Node<'gc>> {
    let (less, greater): (GcCell<Link<'gc>>, GcCell<Link<'gc>>) = (GcCell::new(None), GcCell::new(None));
    let (mut less_end, mut greater_end) = (&less, &greater);
    let mut current = root;
    loop {
        if key < current.key {
            let Some(mut child) = current.left.get() else { break };
            if key < child.key {
                current.left.set(cx, child.right.get());
                child.right.set(cx, Some(current));
                current = child;
                let Some(left) = current.left.get() else { break };
                child = left;
            }
            greater_end.set(cx, Some(current));
            greater_end = &current.into_ref().left;
            current = child;
        } else if key > current.key {
            let Some(mut child) = current.right.get() else { break };
            if key > child.key {
                current.right.set(cx, child.left.get());
                child.left.set(cx, Some(current));
                current = child;
                let Some(right) = current.right.get() else { break };
                child = right;
            }
            less_end.set(cx, Some(current));
            less_end = &current.into_ref().right;
            current = child;
        } else {
            break;
        }
    }
    less_end.set(cx, current.left.get());
    greater_end.set(cx, current.right.get());
    current.left.set(cx, less.get());
    current.right.set(cx, greater.get());
    current
}
