//! Collections whose storage counts: it paces cycles, and finds room below the maximum heap or not at all.
//!
//! ```text
//!   GcVec<T>  GcHashMap<K, V>  GcHashSet<T>        vec, hash_map, hash_set     what people call
//!       Ref and Mut guards of each                 vec_guards, map_guards      borrows of all contents
//!                    │
//!                 are_plain                        keys                        which keys need no borrow
//!                Store<C>                          store                       borrows · lock of pieces · account · contents
//!                    │                                                         C = Vec<T>, HashTable<(K, V)>
//!        Local::change, PieceLock                  mudlark-collector           what keeps markers off
//! ```
//!
//! The buffers are those of `std` and `hashbrown`, on the malloc heap; their bytes are counted as external ones. [`GcString`] is another
//! thing: a string that is built in the heap, and needs no lock because there are no pointers in it.

mod debug;
mod hash_map;
mod hash_set;
mod keys;
mod map_guards;
mod store;
mod string;
mod vec;
mod vec_guards;

pub use hash_map::GcHashMap;
pub use hash_set::{GcHashSet, GcHashSetRef};
pub use map_guards::{GcHashMapMut, GcHashMapRef, GcMapEntry, GcOccupiedEntry, GcVacantEntry};
pub use string::GcString;
pub use vec::{GcVec, GcVecIter};
pub use vec_guards::{GcVecMut, GcVecRef};
