//! The splay tree of boxes: subtrees are moved, so ownership alone keeps the tree sound.

use crate::latency::Laps;
use crate::measure::Stopwatch;
use crate::rng::Rng;
use crate::workloads::splay::{LEAF_ARRAY, LeafText, PAYLOAD_DEPTH, Splay, UNSORTED};
use crate::workloads::{Context, Failure, Finding, Outcome};

pub(crate) fn run(plan: &Splay, context: &Context<'_>) -> Result<Outcome, Failure> {
    let mut rng = Rng::new();
    let watch = Stopwatch::start();
    let mut tree = Tree { root: None };
    for batch in plan.insertions() {
        context.progress.advance(batch.end - batch.start);
        for _ in batch {
            tree.insert_new(&mut rng);
        }
    }
    let mut laps = Laps::start();
    for batch in plan.modifications() {
        context.progress.advance(batch.end - batch.start);
        for _ in batch {
            tree.modify(&mut rng);
            laps.lap();
        }
    }
    let timed = watch.elapsed();
    let checksum = tree.count_sorted().ok_or(UNSORTED)?;
    Ok(Outcome { checksum, timed, finding: Finding::Latency(laps.summary()) })
}

type Link = Option<Box<Node>>;

struct Tree {
    root: Link,
}

struct Node {
    key: f64,
    #[expect(dead_code, reason = "a payload is only kept and freed")]
    payload: Box<Payload>,
    left: Link,
    right: Link,
}

#[expect(dead_code, reason = "a payload is only kept and freed")]
enum Payload {
    Inner { left: Box<Payload>, right: Box<Payload> },
    Leaf { array: Box<[f64; 10]>, text: Box<str> },
}

fn payload(depth: u32, text: &str) -> Box<Payload> {
    // Put together only when nothing can fail any more, so that the value is written in place.
    if depth == 0 {
        let (array, text) = (Box::new(LEAF_ARRAY), text.into());
        return Box::write(Box::new_uninit(), Payload::Leaf { array, text });
    }
    let (left, right) = (payload(depth - 1, text), payload(depth - 1, text));
    Box::write(Box::new_uninit(), Payload::Inner { left, right })
}

impl Tree {
    /// Inserts a new random key and removes the greatest one below it, or itself when it is the least.
    fn modify(&mut self, rng: &mut Rng) {
        let key = self.insert_new(rng);
        let victim = self.greatest_below(key).unwrap_or(key);
        self.remove(victim);
    }

    /// Inserts a random key that is not in the tree yet, and returns it.
    fn insert_new(&mut self, rng: &mut Rng) -> f64 {
        let key = loop {
            let key = rng.next_f64();
            if self.splay(key).is_none_or(|root| root.key != key) {
                break key;
            }
        };
        self.insert(key, payload(PAYLOAD_DEPTH, LeafText::new(key).as_str()));
        key
    }

    fn insert(&mut self, key: f64, payload: Box<Payload>) {
        self.splay(key);
        let (mut left, mut right) = (None, None);
        if let Some(mut root) = self.root.take() {
            // The root goes to one side of the new node, and its subtree beyond the key to the other.
            if key > root.key {
                right = root.right.take();
                left = Some(root);
            } else {
                left = root.left.take();
                right = Some(root);
            }
        }
        self.root = Some(Box::new(Node { key, payload, left, right }));
    }

    fn remove(&mut self, key: f64) {
        if self.splay(key).is_none_or(|root| root.key != key) {
            return;
        }
        let Some(mut removed) = self.root.take() else { return };
        self.root = match removed.left.take() {
            None => removed.right.take(),
            Some(left) => {
                // All keys on the left are less, so splaying leaves the right side of their new root free.
                let mut root = splay(left, key);
                root.right = removed.right.take();
                Some(root)
            }
        };
    }

    fn greatest_below(&mut self, key: f64) -> Option<f64> {
        let root = self.splay(key)?;
        if root.key < key {
            return Some(root.key);
        }
        let mut greatest = root.left.as_deref()?;
        while let Some(right) = greatest.right.as_deref() {
            greatest = right;
        }
        Some(greatest.key)
    }

    /// Brings the key, or one next to it, to the root, and returns that.
    fn splay(&mut self, key: f64) -> Option<&Node> {
        let root = splay(self.root.take()?, key);
        Some(self.root.insert(root))
    }

    /// Counts the keys if they are in order. The tree may be deep, so this takes no recursion.
    fn count_sorted(&self) -> Option<u64> {
        let (mut count, mut greatest) = (0, f64::NEG_INFINITY);
        let mut pending = Vec::new();
        let mut next = self.root.as_deref();
        loop {
            while let Some(node) = next {
                pending.push(node);
                next = node.left.as_deref();
            }
            let Some(node) = pending.pop() else { return Some(count) };
            if node.key <= greatest {
                return None;
            }
            greatest = node.key;
            count += 1;
            next = node.right.as_deref();
        }
    }
}

impl Drop for Tree {
    /// Frees node by node, for the drop glue would recurse as deep as the tree is.
    fn drop(&mut self) {
        let mut pending: Vec<Box<Node>> = self.root.take().into_iter().collect();
        while let Some(mut node) = pending.pop() {
            pending.extend(node.left.take());
            pending.extend(node.right.take());
        }
    }
}

/// Splays the tree under `root` and returns its new root: on the way down, what is less than the key is hung
/// on one tree and what is greater on another, and in the end both become the children.
fn splay(root: Box<Node>, key: f64) -> Box<Node> {
    let (mut less, mut greater): (Link, Link) = (None, None);
    let (mut less_end, mut greater_end) = (&mut less, &mut greater);
    let mut current = root;
    loop {
        if key < current.key {
            let Some(mut child) = current.left.take() else { break };
            if key < child.key {
                current.left = child.right.take();
                child.right = Some(current);
                current = child;
                let Some(left) = current.left.take() else { break };
                child = left;
            }
            greater_end = &mut greater_end.insert(current).left;
            current = child;
        } else if key > current.key {
            let Some(mut child) = current.right.take() else { break };
            if key > child.key {
                current.right = child.left.take();
                child.left = Some(current);
                current = child;
                let Some(right) = current.right.take() else { break };
                child = right;
            }
            less_end = &mut less_end.insert(current).right;
            current = child;
        } else {
            break;
        }
    }
    *less_end = current.left.take();
    *greater_end = current.right.take();
    current.left = less;
    current.right = greater;
    current
}
