//! The machine's objects: their layouts, and what the heap is told of them.

use crate::value::{Value, decode};
use mudlark_collector::{
    ExternalBytes,
    raw::{MarkLock, RawDescriptor, RawHeap, RawKind, RawParts, RawVisitor},
};
use std::{
    cell::UnsafeCell,
    collections::BTreeMap,
    ffi::c_void,
    mem::offset_of,
    ptr::NonNull,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Two words, no header: the heap knows that it is a pair.
#[repr(C)]
pub(crate) struct Pair {
    pub(crate) car: AtomicU64,
    pub(crate) cdr: AtomicU64,
}

/// A length, and as many bytes.
#[repr(C)]
pub(crate) struct Text {
    pub(crate) len: u64,
}

/// A length, and as many slots.
#[repr(C)]
pub(crate) struct Array {
    pub(crate) len: u64,
}

/// A function, and the values that it captured, which do not change.
#[repr(C)]
pub(crate) struct Closure {
    pub(crate) function: u32,
    pub(crate) captures: u32,
}

/// Entries on the Rust heap. Changed under `entries`, and logged then.
pub(crate) struct Table {
    pub(crate) mark_lock: MarkLock,
    /// Between mutators.
    pub(crate) lock: Mutex<()>,
    pub(crate) entries: UnsafeCell<BTreeMap<i32, Value>>,
    pub(crate) held: UnsafeCell<Option<ExternalBytes>>,
}

const WORD: usize = size_of::<u64>();

/// # Safety
///
/// `object` holds a `T`, and lives.
pub(crate) unsafe fn view<'a, T>(object: NonNull<u8>) -> &'a T {
    // SAFETY: promised by the caller.
    unsafe { object.cast::<T>().as_ref() }
}

/// Words behind a header of one word.
///
/// # Safety
///
/// There are so many.
unsafe fn words<'a>(object: NonNull<u8>, count: usize) -> &'a [AtomicU64] {
    // SAFETY: promised by the caller: the header is one word, and the rest follows.
    let first = unsafe { object.cast::<AtomicU64>().add(1) };
    // SAFETY: as above; words are changed as atomics only.
    unsafe { NonNull::slice_from_raw_parts(first, count).as_ref() }
}

/// # Safety
///
/// `object` holds an array.
pub(crate) unsafe fn slots<'a>(object: NonNull<u8>) -> &'a [AtomicU64] {
    // SAFETY: promised by the caller.
    let len = unsafe { view::<Array>(object) }.len as usize;
    // SAFETY: so many follow the length.
    unsafe { words(object, len) }
}

/// # Safety
///
/// `object` holds a closure.
pub(crate) unsafe fn captures<'a>(object: NonNull<u8>) -> &'a [AtomicU64] {
    // SAFETY: promised by the caller.
    let count = unsafe { view::<Closure>(object) }.captures as usize;
    // SAFETY: so many follow their number.
    unsafe { words(object, count) }
}

/// # Safety
///
/// `object` holds a text, whose bytes nobody writes any more.
pub(crate) unsafe fn text<'a>(object: NonNull<u8>) -> &'a [u8] {
    // SAFETY: promised by the caller.
    let len = unsafe { view::<Text>(object) }.len as usize;
    // SAFETY: the bytes follow the length.
    let first = unsafe { object.add(WORD) };
    // SAFETY: as above.
    unsafe { NonNull::slice_from_raw_parts(first, len).as_ref() }
}

pub(crate) fn text_bytes(len: usize) -> usize {
    WORD + len
}

pub(crate) fn words_bytes(count: usize) -> usize {
    WORD + count * WORD
}

// ---- what the heap is told

unsafe extern "C-unwind" fn trace_pair(object: NonNull<u8>, visitor: &mut RawVisitor<'_>, _: *mut c_void) {
    // SAFETY: E1: the object is a pair.
    let pair = unsafe { view::<Pair>(object) };
    // SAFETY: E2: values lead to objects.
    unsafe { visitor.slot(&pair.car, decode) };
    // SAFETY: E2: as above.
    unsafe { visitor.slot(&pair.cdr, decode) };
}

unsafe extern "C-unwind" fn size_of_text(object: NonNull<u8>, _: *mut c_void) -> usize {
    // SAFETY: E1: the object is a text.
    text_bytes(unsafe { view::<Text>(object) }.len as usize)
}

unsafe extern "C-unwind" fn len_of_array(object: NonNull<u8>, _: *mut c_void) -> usize {
    // SAFETY: E1: the object is an array.
    unsafe { view::<Array>(object) }.len as usize
}

unsafe extern "C-unwind" fn size_of_array(object: NonNull<u8>, _: *mut c_void) -> usize {
    // SAFETY: E1: the object is an array.
    words_bytes(unsafe { view::<Array>(object) }.len as usize)
}

unsafe extern "C-unwind" fn trace_part_of_array(
    object: NonNull<u8>,
    first: usize,
    end: usize,
    visitor: &mut RawVisitor<'_>,
    _: *mut c_void,
) {
    // SAFETY: E1: the object is an array with these slots.
    let slots = unsafe { slots(object) };
    // SAFETY: E2: values lead to objects.
    unsafe { visitor.slots(&slots[first..end], decode) };
}

unsafe extern "C-unwind" fn trace_closure(object: NonNull<u8>, visitor: &mut RawVisitor<'_>, _: *mut c_void) {
    // SAFETY: E1: the object is a closure.
    let captures = unsafe { captures(object) };
    // SAFETY: E2: values lead to objects.
    unsafe { visitor.slots(captures, decode) };
}

unsafe extern "C-unwind" fn size_of_closure(object: NonNull<u8>, _: *mut c_void) -> usize {
    // SAFETY: E1: the object is a closure.
    words_bytes(unsafe { view::<Closure>(object) }.captures as usize)
}

unsafe extern "C-unwind" fn trace_table(object: NonNull<u8>, visitor: &mut RawVisitor<'_>, _: *mut c_void) {
    // SAFETY: E1: the object is a table.
    let table = unsafe { view::<Table>(object) };
    // SAFETY: E6: the type has a lock, so the heap asks only while nobody changes the entries.
    for &value in unsafe { &*table.entries.get() }.values() {
        if let Some(target) = decode(value) {
            // SAFETY: E2: values lead to objects.
            unsafe { visitor.edge(target) };
        }
    }
}

/// `data` counts.
unsafe extern "C-unwind" fn drop_table(object: NonNull<u8>, data: *mut c_void) {
    // SAFETY: E1: the table is dead, and dropped once.
    unsafe { object.cast::<Table>().drop_in_place() };
    // SAFETY: E12: what was registered.
    unsafe { &*data.cast::<AtomicU64>() }.fetch_add(1, Relaxed);
}

/// The types, as a heap knows them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kinds {
    pub(crate) pair: RawKind,
    pub(crate) text: RawKind,
    pub(crate) array: RawKind,
    pub(crate) closure: RawKind,
    pub(crate) table: RawKind,
}

impl Kinds {
    /// `finalized` counts tables, and outlives the heap.
    pub(crate) fn register(heap: &RawHeap, finalized: &'static AtomicU64) -> Kinds {
        let register = |descriptor: RawDescriptor| {
            // SAFETY: E1: the functions above; E12: they and the counter are static.
            unsafe { heap.register(descriptor) }.expect("the layouts are possible")
        };
        let parts = RawParts { len: len_of_array, trace: trace_part_of_array, bytes: WORD };
        Kinds {
            pair: register(RawDescriptor {
                trace: Some(trace_pair),
                ..RawDescriptor::fixed("pair", size_of::<Pair>())
            }),
            text: register(RawDescriptor { size: Some(size_of_text), ..RawDescriptor::variable("text") }),
            array: register(RawDescriptor {
                parts: Some(parts),
                size: Some(size_of_array),
                ..RawDescriptor::variable("array")
            }),
            closure: register(RawDescriptor {
                trace: Some(trace_closure),
                size: Some(size_of_closure),
                ..RawDescriptor::variable("closure")
            }),
            table: register(RawDescriptor {
                trace: Some(trace_table),
                drop: Some(drop_table),
                lock_offset: Some(offset_of!(Table, mark_lock)),
                data: std::ptr::from_ref(finalized).cast_mut().cast(),
                ..RawDescriptor::fixed("table", size_of::<Table>())
            }),
        }
    }
}
