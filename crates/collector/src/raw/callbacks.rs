//! What the embedder gives: functions and words of data, in the shape that C knows.
//!
//! Every function gets the word of data that was registered with it. A Rust function may unwind: a panic in a tracer gives the
//! cycle up, one in a finalizer is contained. A C function never does.

use crate::raw::RawVisitor;
use std::{ffi::c_void, ptr::NonNull};

/// Reports the edges of an object to a visitor (E1).
pub type TraceFn =
    unsafe extern "C-unwind" fn(object: NonNull<u8>, visitor: &mut RawVisitor<'_>, data: *mut c_void);

/// Tells how many parts an object has that are traced by pieces: the elements of an array, mostly (E1).
pub type LenFn = unsafe extern "C-unwind" fn(object: NonNull<u8>, data: *mut c_void) -> usize;

/// Reports the edges of the parts `[first, end)` of an object (E1).
pub type TracePartFn = unsafe extern "C-unwind" fn(
    object: NonNull<u8>,
    first: usize,
    end: usize,
    visitor: &mut RawVisitor<'_>,
    data: *mut c_void,
);

/// Tells how many bytes an object takes by its own account (E1).
pub type SizeFn = unsafe extern "C-unwind" fn(object: NonNull<u8>, data: *mut c_void) -> usize;

/// Ends an object's life: its finalizer. The object is dead, and so may be all that it leads to (E1).
pub type DropFn = unsafe extern "C-unwind" fn(object: NonNull<u8>, data: *mut c_void);

/// Reports what a stack leads to (E8).
pub type StackFn = unsafe extern "C-unwind" fn(visitor: &mut RawVisitor<'_>, data: *mut c_void);

/// How many slots a table of globals has (E4).
pub type GlobalsLenFn = unsafe extern "C-unwind" fn(data: *mut c_void) -> usize;

/// Reports what the slots `[first, end)` of a table of globals lead to (E4).
pub type GlobalsFn =
    unsafe extern "C-unwind" fn(first: usize, end: usize, visitor: &mut RawVisitor<'_>, data: *mut c_void);

/// Told that the heap will look at a table of globals no more.
pub type GlobalsDoneFn = unsafe extern "C-unwind" fn(data: *mut c_void);
