//! Size classes of pointer-free and variable-sized objects.
//!
//! Multiples of 8 up to 128 bytes, then eight steps to each doubling up to [`CELL_BYTES_MAX`]. A cell wastes at
//! most 1/8 of itself above 64 bytes, and always less than 8 bytes plus 1/9 (the table below, which a test keeps
//! equal to the code). Types with pointers or drop glue do not need classes: their blocks are typed and
//! their cells exact.
//!
#![doc = include_str!("../size_classes.md")]

use crate::units::{BLOCK_BYTES, CELL_BYTES_MAX, CELL_BYTES_MIN};
use std::fmt::Write as _;

const FINE_BYTES_MAX: usize = 128;
const FINE_COUNT: usize = (FINE_BYTES_MAX - CELL_BYTES_MIN) / 8 + 1;
const STEPS_PER_DOUBLING: usize = 8;

/// How many size classes there are.
pub const SIZE_CLASS_COUNT: usize =
    FINE_COUNT + (CELL_BYTES_MAX.ilog2() - FINE_BYTES_MAX.ilog2()) as usize * STEPS_PER_DOUBLING;

/// A size class by its number, smallest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SizeClass(u8);

impl SizeClass {
    /// The smallest class whose cells hold `bytes`, or `None` above [`CELL_BYTES_MAX`].
    ///
    /// A class for a multiple of a power of two has cells that are multiples of it as well, so rounding a size
    /// up to its alignment first is all that alignment needs.
    ///
    /// ```
    /// # use mudlark_arena::SizeClass;
    /// assert_eq!(SizeClass::of(100).unwrap().cell_bytes(), 104);
    /// assert_eq!(SizeClass::of(1032).unwrap().cell_bytes(), 1152);
    /// assert!(SizeClass::of(8193).is_none());
    /// ```
    #[inline]
    pub const fn of(bytes: usize) -> Option<SizeClass> {
        if bytes > CELL_BYTES_MAX {
            return None;
        }
        if bytes <= FINE_BYTES_MAX {
            let bytes = if bytes < CELL_BYTES_MIN { CELL_BYTES_MIN } else { bytes };
            return Some(SizeClass(((bytes - CELL_BYTES_MIN).div_ceil(8)) as u8));
        }
        let doubling = (bytes - 1).ilog2() - FINE_BYTES_MAX.ilog2();
        let base = FINE_BYTES_MAX << doubling;
        let step = (bytes - base).div_ceil(base / STEPS_PER_DOUBLING);
        Some(SizeClass((FINE_COUNT - 1 + doubling as usize * STEPS_PER_DOUBLING + step) as u8))
    }

    /// The class with this number, or `None`.
    pub const fn from_index(index: usize) -> Option<SizeClass> {
        if index < SIZE_CLASS_COUNT { Some(SizeClass(index as u8)) } else { None }
    }

    /// The number of the class, below [`SIZE_CLASS_COUNT`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Bytes of a cell of this class.
    pub const fn cell_bytes(self) -> usize {
        let index = self.index();
        if index < FINE_COUNT {
            return CELL_BYTES_MIN + 8 * index;
        }
        let steps = index - FINE_COUNT + 1;
        // The eighth step of one doubling is the base of the next.
        let (doubling, step) = ((steps - 1) / STEPS_PER_DOUBLING, (steps - 1) % STEPS_PER_DOUBLING + 1);
        let base = FINE_BYTES_MAX << doubling;
        base + base / STEPS_PER_DOUBLING * step
    }
}

/// The table of all classes as Markdown: cell bytes, cells per block, bytes at the end of a block that no cell
/// uses, and the largest share of a cell that an object can leave unused.
pub fn table() -> String {
    let mut table = String::from(
        "| class | cell bytes | cells per block | block tail bytes | most waste in a cell |\n\
         |---:|---:|---:|---:|---:|\n",
    );
    let mut below = 8;
    for index in 0..SIZE_CLASS_COUNT {
        let cell = SizeClass(index as u8).cell_bytes();
        let cells = BLOCK_BYTES / cell;
        let waste = (cell - (below + 8)) as f64 * 100.0 / cell as f64;
        let tail = BLOCK_BYTES - cells * cell;
        // Sizes count in words of 8 bytes, as Rust rounds what holds a word.
        writeln!(table, "| {index} | {cell} | {cells} | {tail} | {waste:.1} % |").expect("a String grows");
        below = cell;
    }
    table
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: every size gets the smallest class that holds it, and wastes at most 12.5 %. Method: all sizes.
    #[test]
    fn every_size_has_a_tight_class() {
        for bytes in 1..=CELL_BYTES_MAX {
            let class = SizeClass::of(bytes).unwrap();
            let cell = class.cell_bytes();
            assert!(cell >= bytes);
            if let Some(smaller) = class.index().checked_sub(1) {
                assert!(SizeClass::from_index(smaller).unwrap().cell_bytes() < bytes.max(CELL_BYTES_MIN));
            }
            let in_words = bytes.next_multiple_of(8).max(CELL_BYTES_MIN);
            assert!((cell - in_words) * 8 <= cell, "{bytes} bytes in a cell of {cell}");
        }
        assert_eq!(SizeClass::from_index(SIZE_CLASS_COUNT - 1).unwrap().cell_bytes(), CELL_BYTES_MAX);
        assert!(SizeClass::from_index(SIZE_CLASS_COUNT).is_none());
    }

    /// Goal: alignment needs no more than rounding the size. Method: all aligned sizes.
    #[test]
    fn cells_keep_alignment() {
        for shift in 3..=12 {
            let align = 1_usize << shift;
            for bytes in (align..=CELL_BYTES_MAX).step_by(align) {
                assert!(
                    SizeClass::of(bytes).unwrap().cell_bytes().is_multiple_of(align),
                    "{bytes} by {align}"
                );
            }
        }
    }

    /// Goal: the documented table is the real one. Method: compare; `MUDLARK_BLESS=1` writes it anew.
    #[test]
    fn the_documented_table_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/size_classes.md");
        if std::env::var_os("MUDLARK_BLESS").is_some() {
            std::fs::write(path, table()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), table());
    }
}
