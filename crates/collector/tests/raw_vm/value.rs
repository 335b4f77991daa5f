//! Values: a double, or in the space of the NaNs an integer, a constant, or a pointer into the heap.

use std::ptr::NonNull;

/// One word. Zero is the number 0.0, so zeroed objects hold values.
pub(crate) type Value = u64;

const SHIFT: u32 = 48;
const POINTER: u64 = 0xfffc;
const INT: u64 = 0xfffd;
const CONSTANT: u64 = 0xfffe;

pub(crate) const NIL: Value = CONSTANT << SHIFT;
pub(crate) const TRUE: Value = NIL | 1;
pub(crate) const FALSE: Value = NIL | 2;

pub(crate) fn int(value: i32) -> Value {
    INT << SHIFT | u64::from(value as u32)
}

pub(crate) fn as_int(value: Value) -> Option<i32> {
    (value >> SHIFT == INT).then_some(value as u32 as i32)
}

pub(crate) fn double(value: f64) -> Value {
    // One NaN is enough, and it must not look like a pointer.
    if value.is_nan() { 0x7ff8 << SHIFT } else { value.to_bits() }
}

pub(crate) fn as_double(value: Value) -> Option<f64> {
    (value >> SHIFT < POINTER).then(|| f64::from_bits(value))
}

pub(crate) fn truth(value: bool) -> Value {
    if value { TRUE } else { FALSE }
}

pub(crate) fn pointer(object: NonNull<u8>) -> Value {
    POINTER << SHIFT | object.as_ptr().expose_provenance() as u64
}

/// The object that a value leads to.
#[inline]
pub(crate) fn decode(value: Value) -> Option<NonNull<u8>> {
    if value >> SHIFT != POINTER {
        return None;
    }
    NonNull::new(std::ptr::with_exposed_provenance_mut((value & ((1 << SHIFT) - 1)) as usize))
}
