//! Promises of `#[derive(Trace)]`: it compiles for types of every shape without a warning, shows the
//! collector every edge and nothing else, knows which types have none, and names every type outside of
//! scopes.
//!
//! What it must refuse is in `tests/ui`.

#![deny(warnings, unused, future_incompatible, nonstandard_style, rust_2018_idioms, unused_qualifications)]
#![deny(unreachable_pub, missing_docs, clippy::all, clippy::pedantic)]
#![allow(dead_code, reason = "many types are here for their shape only")]

use mudlark::{
    ByAddress, DynTrace, Erased, Gc, GcCell, GcLazy, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcWeak, Heap,
    Rebrand, Root, Scope, Static, Tailed, Trace, dyn_object, trace::Visitor,
};
use mudlark_collector::{EphemeronSlot, MarkLock, PieceLock};
use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    marker::PhantomData,
    ptr::NonNull,
};

/// Counts the edges that a tracer shows.
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

    unsafe fn ephemeron(&mut self, _slot: &EphemeronSlot) {}

    unsafe fn guard(&mut self, _slot: &EphemeronSlot) {}

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

fn edges<'gc, T: ?Sized + Trace<'gc>>(value: &T) -> usize {
    let mut counter = Counter { edges: 0 };
    value.trace(&mut counter);
    counter.edges
}

fn needs_trace<'gc, T: ?Sized + Trace<'gc>>() -> bool {
    T::NEEDS_TRACE
}

/// Compiles if `Name` is the name of `T` outside of scopes.
fn is_named<T: ?Sized + Rebrand<With<'static> = Name>, Name: ?Sized>(_: &T) {}

fn in_scope(test: impl for<'gc> FnOnce(&Scope<'gc>)) {
    Heap::builder().build().unwrap().attach().enter(|cx| test(cx));
}

// ---- Shapes

#[derive(Trace)]
struct Unit;

#[derive(Trace)]
struct NoFields {}

#[derive(Trace)]
struct Node<'gc> {
    next: Option<Gc<'gc, Node<'gc>>>,
    cell: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    value: u64,
}

#[derive(Trace)]
struct Tuple<'heap>(Gc<'heap, str>, u8, Vec<Gc<'heap, str>>);

#[derive(Trace)]
enum Never {}

#[derive(Trace)]
enum Shapes<'gc, T> {
    Unit,
    Tuple(T, Gc<'gc, T>),
    Named { visitor: T, self_: Gc<'gc, T>, r#type: T, gc: u8 },
    Empty {},
    Impossible(Infallible),
}

#[derive(Trace)]
struct Nested<'gc> {
    map: HashMap<Gc<'gc, str>, Vec<Option<Gc<'gc, str>>>>,
    tuple: (Gc<'gc, str>, [Gc<'gc, str>; 3], u8),
    cell: GcRefCell<Vec<Gc<'gc, str>>>,
    derived: Tuple<'gc>,
}

/// Goal: every edge is shown, once. Method: count those of values of every shape.
#[test]
fn every_edge_is_shown() {
    in_scope(|cx| {
        let text = cx.alloc_str("text");
        let number = cx.alloc(1_u64);
        let last = cx.alloc(Node { next: None, cell: GcCell::new(None), value: 0 });

        assert_eq!(edges(&Unit), 0);
        assert_eq!(edges(&NoFields {}), 0);
        assert_eq!(edges(&*last), 0);
        assert_eq!(edges(&Node { next: Some(last), cell: GcCell::new(None), value: 1 }), 1);
        assert_eq!(edges(&Node { next: Some(last), cell: GcCell::new(Some(last)), value: 1 }), 2);
        assert_eq!(edges(&Tuple(text, 1, vec![text, text])), 3);

        let empty: [Shapes<'_, u64>; 2] = [Shapes::Unit, Shapes::Empty {}];
        assert_eq!(edges(&empty), 0);
        assert_eq!(edges(&Shapes::Tuple(1, number)), 1);
        assert_eq!(edges(&Shapes::Tuple(number, cx.alloc(number))), 2);
        assert_eq!(edges(&Shapes::Named { visitor: 1, self_: number, r#type: 1, gc: 1 }), 1);

        let nested = Nested {
            map: HashMap::from([(text, vec![None, Some(text)])]),
            tuple: (text, [text, text, text], 1),
            cell: GcRefCell::new(vec![text, text]),
            derived: Tuple(text, 1, vec![]),
        };
        assert_eq!(edges(&nested), 9);
    });
}

// ---- NEEDS_TRACE

#[derive(Trace)]
enum Json {
    Null,
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Self>),
}

#[derive(Trace)]
enum Expression<'gc> {
    Name(Gc<'gc, str>),
    Block(Vec<Statement<'gc>>),
}

#[derive(Trace)]
enum Statement<'gc> {
    Expression(Box<Expression<'gc>>),
    Nothing,
}

#[derive(Trace)]
struct Tree<T> {
    value: T,
    children: Vec<Tree<T>>,
}

#[derive(Trace)]
#[trace(recursive)]
struct Even<T> {
    value: T,
    next: Option<Box<Odd<T>>>,
}

#[derive(Trace)]
struct Odd<T> {
    next: Option<Box<Even<T>>>,
}

#[derive(Trace)]
struct Wrapper<T> {
    value: Option<T>,
    number: u64,
}

#[derive(Trace)]
struct Brand<'gc, T: ?Sized> {
    brand: PhantomData<Cell<&'gc T>>,
    number: u64,
}

/// Goal: the constant says whether there can be an edge, for types that own themselves and each other too.
#[test]
fn types_know_whether_they_have_edges() {
    fn of<'gc, T: Trace<'gc>>(_: &T) -> bool {
        T::NEEDS_TRACE
    }
    in_scope(|cx| {
        let text = cx.alloc_str("text");
        assert!(of(&Node { next: None, cell: GcCell::new(None), value: 0 }));
        assert!(of(&Statement::Expression(Box::new(Expression::Name(text)))));
        assert!(of(&Wrapper { value: Some(text), number: 0 }));
        assert_eq!(edges(&Statement::Expression(Box::new(Expression::Name(text)))), 1);

        let tree = Tree { value: text, children: vec![Tree { value: text, children: vec![] }] };
        assert!(of(&tree));
        assert_eq!(edges(&tree), 2);

        let ring = Even { value: text, next: Some(Box::new(Odd { next: None })) };
        assert!(of(&ring));
        assert_eq!(edges(&ring), 1);
    });
    assert!(!needs_trace::<Unit>());
    assert!(!needs_trace::<Never>());
    assert!(!needs_trace::<Json>());
    assert!(!needs_trace::<Wrapper<u64>>());
    assert!(!needs_trace::<Tree<u64>>());
    assert!(!needs_trace::<Even<u64>>() && !needs_trace::<Odd<u64>>());
    assert!(!needs_trace::<Brand<'_, str>>());
}

/// A type without edges whose tracer must never run.
struct Untouchable;

// SAFETY: T1-T7: there is nothing in it.
unsafe impl Trace<'_> for Untouchable {
    const NEEDS_TRACE: bool = false;

    fn trace<V: Visitor>(&self, _: &mut V) {
        panic!("a value without edges was visited");
    }
}

// SAFETY: B1, B2: it has no brand.
unsafe impl Rebrand for Untouchable {
    type With<'gc> = Untouchable;
}

/// Goal: what has no edges costs nothing. Method: a tracer that panics.
#[test]
fn values_without_edges_are_not_visited() {
    #[derive(Trace)]
    struct Around<'gc, T> {
        direct: Untouchable,
        generic: T,
        nested: Box<[Option<(T, Untouchable)>]>,
        edge: Gc<'gc, u64>,
    }
    in_scope(|cx| {
        let nested = Box::new([Some((Untouchable, Untouchable)), None]);
        let around = Around { direct: Untouchable, generic: Untouchable, nested, edge: cx.alloc(1) };
        assert_eq!(edges(&around), 1);
    });
}

// ---- Generics

trait Named<'a> {
    type Name;
}

impl<'a> Named<'a> for u64 {
    type Name = Gc<'a, str>;
}

#[derive(Trace)]
struct Bounds<'gc, T: Clone + Named<'gc> + 'gc, const N: usize = 3>
where
    Option<T>: Clone,
    <T as Named<'gc>>::Name: Trace<'gc> + Clone,
    [T; N]: Sized,
    for<'x> &'x T: Sized,
    Self: Sized,
{
    array: [T; N],
    name: <T as Named<'gc>>::Name,
    next: Option<Gc<'gc, Bounds<'gc, T, N>>>,
}

#[derive(Trace)]
struct Inferred<'gc, T> {
    outlives: PhantomData<&'gc T>,
    edge: Gc<'gc, T>,
}

#[derive(Trace)]
struct Unsized<'gc, T: ?Sized> {
    edge: Gc<'gc, str>,
    tail: T,
}

#[derive(Trace)]
struct UnsizedToo<T>
where
    T: ?Sized,
{
    number: u8,
    tail: T,
}

#[derive(Trace)]
enum Value<'gc, S> {
    List(Gc<'gc, Vec<Value<'gc, S>>>),
    Closure(Gc<'gc, Closure<'gc, S>>),
}

#[derive(Trace)]
struct Closure<'gc, S> {
    variables: Vec<Value<'gc, S>>,
    state: S,
}

#[derive(Trace)]
#[trace(no_rebrand)]
struct Short<T: Iterator>
where
    T::Item: for<'a> Trace<'a>,
{
    item: Option<T::Item>,
    rest: PhantomData<T>,
}

#[derive(Trace)]
struct Numbers;

impl Iterator for Numbers {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        None
    }
}

/// Goal: bounds, `?Sized`, constants and recursion through parameters work, and so do the names outside of
/// scopes.
#[test]
fn generic_types_are_traced_and_named() {
    in_scope(|cx| {
        let text = cx.alloc_str("text");
        let bounds = cx.alloc(Bounds::<'_, u64> { array: [1, 2, 3], name: text, next: None });
        let root: Root<Bounds<'static, u64, 3>> = cx.root(bounds);
        assert_eq!(edges(&*root.get(cx)), 1);

        let inferred = cx.alloc(Inferred { outlives: PhantomData, edge: cx.alloc(text) });
        let root: Root<Inferred<'static, Gc<'static, str>>> = cx.root(inferred);
        assert_eq!(edges(&*root.get(cx)), 1);

        let closure = cx.alloc(Closure { variables: vec![], state: text });
        let list = cx.alloc(vec![Value::Closure(closure), Value::Closure(closure)]);
        assert_eq!(edges(&Value::List(list)), 1);
        assert_eq!(edges(&*list), 2);
        is_named::<_, Closure<'static, Gc<'static, str>>>(&*closure);

        let tail: &Unsized<'_, [Gc<'_, str>]> = &Unsized { edge: text, tail: [text, text] };
        assert_eq!(edges(tail), 3);
        is_named::<_, Unsized<'static, [Gc<'static, str>]>>(tail);
        let tail: &UnsizedToo<[u64]> = &UnsizedToo { number: 1, tail: [1, 2] };
        is_named::<_, UnsizedToo<[u64]>>(tail);

        assert_eq!(edges(&Short { item: Some(1), rest: PhantomData::<Numbers> }), 0);
    });
}

trait Behind<'gc>: DynTrace<'gc> {}
dyn_object!(for<'gc> dyn Behind<'gc>);

impl<'gc> Behind<'gc> for Gc<'gc, str> {}

/// An enum with all that types can have at once.
#[derive(Trace)]
#[repr(u8)]
enum Everything<'gc, T: Clone + 'gc, U = u8, const N: usize = 2, const FLAG: bool = true>
where
    Option<U>: Clone,
    [T; N]: Sized,
    Self: Sized,
{
    Array(Gc<'gc, [T]>, [T; N]) = 3,
    Named { pair: (T, Option<Gc<'gc, Self>>), rest: [(U, T); N] } = 7,
    Behind(Gc<'gc, dyn Behind<'gc> + 'gc>, Box<dyn Behind<'gc> + 'gc>) = 8,
    Cells(GcOnceCell<T>, GcLazy<Option<T>, Gc<'gc, T>>, GcMutex<T>, GcRwLock<U>) = 9,
    Pointers(ByAddress<'gc, T>, Gc<'gc, Tailed<T, U>>, GcWeak<'gc, T>, Gc<'gc, Erased<'gc>>) = 11,
    Functions(#[trace(skip)] fn(u8) -> u8, PhantomData<fn(U) -> &'gc T>) = 12,
    Empty = 20,
}

/// Goal: every edge of every variant is shown, of all kinds of cells and pointers.
#[test]
fn enums_with_everything_are_traced_and_named() {
    in_scope(|cx| {
        type One<'gc> = Everything<'gc, Gc<'gc, str>>;
        let text = cx.alloc_str("text");
        let slice = cx.alloc_slice_with(2, |_| text);
        let once = GcOnceCell::from(text);
        let text_in_heap = cx.alloc(text);
        let cases: [(One<'_>, usize); 7] = [
            (Everything::Array(slice, [text, text]), 3),
            (Everything::Named { pair: (text, None), rest: [(1, text), (2, text)] }, 3),
            (Everything::Behind(cx.alloc_dyn(text), Box::new(text)), 2),
            (Everything::Cells(once, GcLazy::new(Some(text)), GcMutex::new(text), GcRwLock::new(1)), 3),
            (
                Everything::Pointers(
                    ByAddress(text_in_heap),
                    cx.alloc_tailed(text, 1, |_| 1),
                    GcWeak::new(cx, text_in_heap),
                    Gc::erase(text),
                ),
                4,
            ),
            (Everything::Functions(|number| number, PhantomData), 0),
            (Everything::Empty, 0),
        ];
        for (index, (case, expected)) in cases.into_iter().enumerate() {
            assert_eq!(edges(&case), expected, "variant {index}");
            let root: Root<Everything<'static, Gc<'static, str>>> = cx.root(cx.alloc(case));
            assert_eq!(edges(&*root.get(cx)), expected, "variant {index}");
        }
    });
}

// ---- Skipped fields

#[derive(Trace)]
struct Skips<S, B, T> {
    #[trace(skip)]
    only_skipped: Option<S>,
    #[trace(skip)]
    skipped: Vec<B>,
    traced: B,
    value: T,
    #[trace(skip)]
    function: for<'a> fn(&Scope<'a>, &'a str) -> &'a str,
    #[trace(skip)]
    any: Option<Box<dyn std::any::Any + Send>>,
}

/// Goal: a parameter of a skipped field need not be `Trace`, and stays as it is under other brands.
#[test]
fn skipped_fields_are_not_traced() {
    in_scope(|cx| {
        let skips = cx.alloc(Skips {
            only_skipped: Some(Untouchable),
            skipped: vec![1_u8],
            traced: 2,
            value: cx.alloc(1_u64),
            function: |_, text| text,
            any: None,
        });
        let root: Root<Skips<Untouchable, u8, Gc<'static, u64>>> = cx.root(skips);
        assert_eq!(edges(&*root.get(cx)), 1);

        let threads: Vec<Static<Option<std::thread::JoinHandle<()>>>> = vec![Static(None)];
        assert_eq!(edges(&threads), 0);
        assert!(threads[0].is_none());
    });
}

// ---- Names that could collide

mod shadowed {
    #![allow(non_camel_case_types, reason = "the names of primitive types")]

    pub(super) struct Option;
    pub(super) struct Some;
    pub(super) struct Self_;
    pub(super) struct T;
    pub(super) struct V;
    pub(super) struct bool;
    pub(super) trait Send {}
    pub(super) trait Sized {}
    pub(super) trait Drop {}
    pub(super) trait Trace {}
    pub(super) trait Rebrand {}
    pub(super) trait Visitor {}
    pub(super) mod core {}
    pub(super) mod mudlark {}

    pub(super) const fn visitor() {}
    pub(super) const NEEDS_TRACE: u8 = 1;

    #[derive(::mudlark::Trace)]
    pub(super) struct MustNotImplDrop<'r, __V, With> {
        pub(super) visitor: ::mudlark::Gc<'r, __V>,
        pub(super) __visitor: With,
        #[trace(skip)]
        pub(super) __field0: (Option, Some, Self_, T, V, bool),
    }

    #[derive(::mudlark::Trace)]
    pub(super) struct gc<__V>
    where
        __V: Clone,
    {
        pub(super) r#gc: __V,
        pub(super) r#struct: u8,
    }

    #[derive(::mudlark::Trace)]
    pub(super) enum Variants<'gc> {
        NEEDS_TRACE(::mudlark::Gc<'gc, str>),
        With,
        None,
    }
}

/// Goal: no name in the user's type or around it gets in the way.
#[test]
fn names_do_not_collide() {
    use shadowed::{MustNotImplDrop, Option, Self_, Some, T, V, Variants};

    in_scope(|cx| {
        let text = cx.alloc_str("text");
        let __field0 = (Option, Some, Self_, T, V, shadowed::bool);
        let value = MustNotImplDrop { visitor: cx.alloc(1_u64), __visitor: text, __field0 };
        is_named::<_, MustNotImplDrop<'static, u64, Gc<'static, str>>>(&value);
        assert_eq!(edges(&value), 2);
        assert_eq!(edges(&shadowed::gc { r#gc: text, r#struct: 1 }), 1);
        assert_eq!(edges(&Variants::NEEDS_TRACE(text)), 1);
    });
}

mod elsewhere {
    pub(super) use ::mudlark as gc;

    pub(super) mod inner {
        #[derive(super::gc::Trace)]
        #[trace(crate = super::gc)]
        pub(crate) struct Renamed<'gc> {
            pub(crate) edge: super::gc::Gc<'gc, u8>,
        }
    }
}

macro_rules! type_with {
    ($name:ident, $brand:lifetime, $param:ident, $bound:path, $field:ident: $type:ty) => {
        #[derive(Trace)]
        struct $name<$brand, T, $param: $bound> {
            $field: $type,
            next: Option<Gc<$brand, $name<$brand, T, $param>>>,
            own: T,
            given: $param,
        }
    };
    ($name:ident, $type:ty) => {
        #[derive(Trace)]
        #[trace(crate = $crate::elsewhere::gc)]
        struct $name<'gc, T> {
            field: $type,
            next: $crate::elsewhere::gc::Gc<'gc, T>,
        }
    };
}

type_with!(AllGiven, 'gc, U, Clone, __field1: Option<Gc<'gc, (u8, U)>>);
type_with!(TypeGiven, Vec<u8>);

/// Goal: types that a macro writes are like those that people write, whichever parts come from where.
#[test]
fn types_from_macros_are_traced() {
    in_scope(|cx| {
        let text = cx.alloc_str("text");
        let value = AllGiven { __field1: None, next: None, own: text, given: text };
        assert_eq!(edges(&value), 2);
        assert_eq!(edges(&TypeGiven { field: vec![], next: cx.alloc(text) }), 1);
        assert_eq!(edges(&elsewhere::inner::Renamed { edge: cx.alloc(1) }), 1);
    });
}

/// Goal: a type may stand inside a function, even one that is generic in a brand of the same name.
#[test]
fn local_types_are_traced() {
    fn local<'gc>(edge: Gc<'gc, u8>) -> Gc<'gc, u8> {
        #[derive(Trace)]
        struct Local<'gc, T> {
            edge: Gc<'gc, u8>,
            #[trace(skip)]
            skipped: T,
        }
        let value: Local<'gc, &str> = Local { edge, skipped: "" };
        assert_eq!(edges(&value), 1);
        value.edge
    }
    in_scope(|cx| assert_eq!(*local(cx.alloc(1)), 1));
}

/// Goal: the impls do not count as uses of what is deprecated.
#[derive(Trace)]
#[deprecated]
struct Deprecated {
    #[deprecated]
    field: u8,
    #[deprecated]
    #[trace(skip)]
    skipped: u8,
}
