//! Promises of the impls for types of the standard library.

use super::{Rebrand, Static, Trace, Visitor};
use crate::{Gc, Heap, Scope};
use mudlark_collector::{EphemeronSlot, MarkLock, PieceLock};
use std::{
    borrow::Cow,
    cell::{Cell, OnceCell, RefCell},
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque},
    hash::{BuildHasherDefault, DefaultHasher},
    marker::PhantomData,
    mem::ManuallyDrop,
    num::{NonZero, Saturating, Wrapping},
    ops::{Bound, ControlFlow},
    pin::Pin,
    ptr::NonNull,
    sync::{Arc, LazyLock, Mutex, OnceLock, RwLock, mpsc},
    task::Poll,
    time::Duration,
};

#[derive(Default)]
struct Counter {
    edges: usize,
}

// SAFETY: the values that are counted are nobody else's, and counting changes nothing.
unsafe impl Visitor for Counter {
    unsafe fn edge(&mut self, _cell: NonNull<u8>) {
        self.edges += 1;
    }

    unsafe fn leaf(&mut self, _cell: NonNull<u8>, _cell_bytes: usize) {
        self.edges += 1;
    }

    unsafe fn ephemeron(&mut self, _: &EphemeronSlot) {}

    unsafe fn guard(&mut self, _: &EphemeronSlot) {}

    fn guarded(&mut self, _lock: &MarkLock, contents: impl FnOnce(&mut Self)) {
        contents(self);
    }

    fn guarded_pieces(&mut self, _: &PieceLock, mut piece: impl FnMut(&mut Self, usize) -> Option<usize>) {
        let mut next = Some(0);
        while let Some(first) = next {
            next = piece(self, first);
        }
    }
}

/// The edges of `value`, whose type is called `Name` outside of scopes.
fn edges<'gc, Name: ?Sized, T: ?Sized + Trace<'gc> + Rebrand<With<'static> = Name>>(value: &T) -> usize {
    let mut counter = Counter::default();
    value.trace(&mut counter);
    assert!(T::NEEDS_TRACE || counter.edges == 0);
    counter.edges
}

fn in_scope(test: impl for<'gc> FnOnce(&Scope<'gc>)) {
    Heap::builder().build().unwrap().attach().enter(|cx| test(cx));
}

type S = Gc<'static, str>;
type Hasher = BuildHasherDefault<DefaultHasher>;

/// Goal: a container shows the edges of all its elements. Method: count them, for each type, and name it.
#[test]
fn containers_show_every_edge() {
    in_scope(|cx| {
        let [a, b, c] = ["a", "b", "c"].map(|text| cx.alloc_str(text));

        assert_eq!(edges::<Option<S>, _>(&Some(a)), 1);
        assert_eq!(edges::<Option<S>, _>(&None::<Gc<'_, str>>), 0);
        assert_eq!(edges::<Result<S, u8>, _>(&Ok::<_, u8>(a)), 1);
        assert_eq!(edges::<Result<u8, S>, _>(&Err::<u8, _>(a)), 1);
        assert_eq!(edges::<Box<S>, _>(&Box::new(a)), 1);
        assert_eq!(edges::<Box<[S]>, _>(&vec![a, b].into_boxed_slice()), 2);
        assert_eq!(edges::<[S; 3], _>(&[a, b, c]), 3);
        assert_eq!(edges::<[S], _>([a, b, c].as_slice()), 3);

        assert_eq!(edges::<Vec<S>, _>(&vec![a, b, c]), 3);
        assert_eq!(edges::<VecDeque<S>, _>(&VecDeque::from([a, b, c])), 3);
        assert_eq!(edges::<LinkedList<S>, _>(&LinkedList::from([a, b, c])), 3);
        assert_eq!(edges::<BinaryHeap<Reverse<S>>, _>(&BinaryHeap::from([Reverse(a), Reverse(b)])), 2);
        assert_eq!(edges::<BTreeSet<S>, _>(&BTreeSet::from([a, b, c])), 3);
        assert_eq!(edges::<BTreeMap<S, S>, _>(&BTreeMap::from([(a, b), (b, c)])), 4);
        assert_eq!(edges::<BTreeMap<u8, S>, _>(&BTreeMap::from([(1_u8, b), (2, c)])), 2);
        assert_eq!(edges::<HashSet<S>, _>(&HashSet::from([a, b, c])), 3);
        assert_eq!(edges::<HashMap<S, S>, _>(&HashMap::from([(a, b), (b, c)])), 4);
        let keys: HashMap<_, u8, Hasher> = [(a, 1), (b, 2), (c, 3)].into_iter().collect();
        assert_eq!(edges::<HashMap<S, u8, Hasher>, _>(&keys), 3);

        assert_eq!(edges::<(S,), _>(&(a,)), 1);
        assert_eq!(edges::<(u8, S, Option<S>), _>(&(1_u8, a, Some(b))), 2);
        assert_eq!(
            edges::<(S, S, S, S, S, S, S, S, S, S, S, S), _>(&(a, a, a, a, a, a, a, a, a, a, a, a)),
            12
        );
        assert_eq!(edges::<Wrapping<S>, _>(&Wrapping(a)), 1);
        assert_eq!(edges::<Saturating<S>, _>(&Saturating(a)), 1);
        assert_eq!(edges::<Bound<S>, _>(&Bound::Excluded(a)), 1);
        assert_eq!(edges::<(std::ops::Range<S>, std::ops::RangeInclusive<S>), _>(&(a..b, a..=b)), 4);
        assert_eq!(edges::<(std::ops::RangeFrom<S>, std::ops::RangeTo<S>), _>(&(a.., ..b)), 2);
        assert_eq!(edges::<std::ops::RangeToInclusive<S>, _>(&(..=b)), 1);
    });
}

/// Goal: so do the less common ones, and iterators that are half used.
#[test]
fn rarer_containers_show_every_edge() {
    in_scope(|cx| {
        let [a, b, c] = ["a", "b", "c"].map(|text| cx.alloc_str(text));
        assert_eq!(edges::<Pin<Box<S>>, _>(&Box::pin(a)), 1);
        assert_eq!(edges::<ManuallyDrop<S>, _>(&ManuallyDrop::new(a)), 1);
        assert_eq!(edges::<Poll<S>, _>(&Poll::Ready(a)), 1);
        assert_eq!(edges::<Poll<S>, _>(&Poll::<Gc<'_, str>>::Pending), 0);
        assert_eq!(edges::<ControlFlow<S, u8>, _>(&ControlFlow::<_, u8>::Break(a)), 1);
        assert_eq!(edges::<ControlFlow<S, u8>, _>(&ControlFlow::<Gc<'_, str>, u8>::Continue(1)), 0);
        let mut rest = vec![a, b, c].into_iter();
        rest.next();
        assert_eq!(edges::<std::vec::IntoIter<S>, _>(&rest), 2);
    });
}

/// Goal: containers of other crates show the edges of all their elements, wherever these lie.
#[cfg(all(feature = "either", feature = "hashbrown", feature = "indexmap", feature = "smallvec"))]
#[test]
fn foreign_containers_show_every_edge() {
    use either::Either;
    use smallvec::{SmallVec, smallvec};

    in_scope(|cx| {
        let [a, b, c] = ["a", "b", "c"].map(|text| cx.alloc_str(text));
        assert_eq!(edges::<Either<S, u8>, _>(&Either::<_, u8>::Left(a)), 1);
        assert_eq!(edges::<Either<u8, S>, _>(&Either::<u8, _>::Right(a)), 1);
        assert_eq!(edges::<Either<u8, S>, _>(&Either::<_, Gc<'_, str>>::Left(1_u8)), 0);
        let (inside, outside): (SmallVec<[_; 3]>, SmallVec<[_; 2]>) = (smallvec![a, b], smallvec![a, b, c]);
        assert!(!inside.spilled() && outside.spilled());
        assert_eq!(edges::<SmallVec<[S; 3]>, _>(&inside), 2);
        assert_eq!(edges::<SmallVec<[S; 2]>, _>(&outside), 3);

        let map: hashbrown::HashMap<_, _, Hasher> = [(a, b), (b, c)].into_iter().collect();
        assert_eq!(edges::<hashbrown::HashMap<S, S, Hasher>, _>(&map), 4);
        let set: hashbrown::HashSet<_, Hasher> = [a, b, c].into_iter().collect();
        assert_eq!(edges::<hashbrown::HashSet<S, Hasher>, _>(&set), 3);
        let mut table = hashbrown::HashTable::new();
        [a, b].into_iter().for_each(|text| _ = table.insert_unique(7, text, |_| 7));
        assert_eq!(edges::<hashbrown::HashTable<S>, _>(&table), 2);
        let map: indexmap::IndexMap<_, _, Hasher> = [(1_u8, b), (2, c)].into_iter().collect();
        assert_eq!(edges::<indexmap::IndexMap<u8, S, Hasher>, _>(&map), 2);
        let set: indexmap::IndexSet<_, Hasher> = [a, b, c].into_iter().collect();
        assert_eq!(edges::<indexmap::IndexSet<S, Hasher>, _>(&set), 3);
    });
}

/// Goal: what shows no edge says so. Method: the constants of leaves, and of containers of leaves.
#[test]
fn leaves_need_no_trace() {
    fn assert_leaf<T: ?Sized + for<'gc> Trace<'gc> + Rebrand<With<'static> = T>>() {
        assert!(!<T as Trace<'_>>::NEEDS_TRACE, "{}", std::any::type_name::<T>());
    }
    assert_leaf::<(u8, i128, f64, bool, char, (), NonZero<usize>)>();
    assert_leaf::<(String, Box<str>, Box<std::path::Path>, Duration, std::net::IpAddr)>();
    assert_leaf::<str>();
    assert_leaf::<[u8]>();
    assert_leaf::<(&'static str, Cow<'static, str>, Cow<'static, [u8]>, Arc<str>)>();
    assert_leaf::<(Cell<u8>, RefCell<String>, OnceCell<u8>, Mutex<u8>, RwLock<u8>, OnceLock<u8>)>();
    assert_leaf::<(LazyLock<String>, std::fs::File, std::io::Error, mpsc::Sender<u8>, mpsc::Receiver<u8>)>();
    assert_leaf::<(std::thread::JoinHandle<u8>, std::task::Waker, Pin<Box<u8>>, ManuallyDrop<String>)>();
    assert_leaf::<(Static<fn()>, Box<Static<dyn std::any::Any + Send>>)>();
    assert_leaf::<(Vec<u8>, HashMap<String, u8>, BTreeMap<u8, [u8; 4]>, Option<Box<u8>>, Result<u8, u8>)>();
}

/// Goal: `PhantomData` has no edge whatever it names, and takes part in the change of brands.
#[test]
fn phantom_data_has_no_edge_but_a_brand() {
    fn phantom_of<T>(_: &T) -> PhantomData<T> {
        PhantomData
    }
    in_scope(|cx| {
        let phantom = phantom_of(&cx.alloc_str("text"));
        assert_eq!(edges::<PhantomData<S>, _>(&phantom), 0);
    });
}
