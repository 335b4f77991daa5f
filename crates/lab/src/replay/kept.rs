//! What the program keeps alive: chains of small objects in a table, so that marking has pointers to follow.
//!
//! ```text
//!   root ──▶ table ──▶ page of 512 slots ──▶ link ──▶ link ──▶ … (a chain, about 1 KiB)
//!                                             │        │
//!                                             ▼        ▼
//!                                        pointer-free bytes, as many as the scannable share wants
//! ```
//!
//! A chain that is made joins the table while the live set is below its target; else one of so many (the *churn*) replaces a random
//! one, so that what lives is spread among what dies, and the others are garbage. A page goes in one piece, so a live set can be
//! dropped at once.

use mudlark::{Gc, GcCell, Mutator, Root, Scope, Trace};

use crate::rng::Rng;

/// Chains of a page.
const PAGE_SLOTS: usize = 512;
/// About the size of a chain.
const CHAIN_BYTES: usize = 1024;
/// Pointer-free bytes of a link, at most.
const LEAF_BYTES_MAX: usize = 6 << 10;

/// There is no memory for an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

/// A link of a chain: 32 bytes with two pointers.
#[derive(Trace)]
struct Link<'gc> {
    next: Option<Gc<'gc, Link<'gc>>>,
    leaf: Option<Gc<'gc, [u8]>>,
    /// How many links follow.
    behind: u64,
    value: u64,
}

/// The size of a link, and what a slice takes beside its elements.
const LINK_BYTES: usize = size_of::<Link<'static>>();
const SLICE_BYTES: usize = 8;

type Page<'gc> = [GcCell<Option<Gc<'gc, Link<'gc>>>>];
type Table<'gc> = [GcCell<Option<Gc<'gc, Page<'gc>>>>];

/// What chains are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Recipe {
    links: usize,
    leaf_bytes: usize,
}

impl Recipe {
    /// Chains of which such a share, from 0 to 1, has to be scanned.
    pub(super) fn new(scannable: f64) -> Recipe {
        let link = LINK_BYTES as f64;
        let rest = link / scannable.clamp(1e-3, 1.0) - link;
        let leaf_bytes = match rest as usize {
            // What has no place for an element is no slice.
            rest if rest <= SLICE_BYTES => 0,
            rest => (rest - SLICE_BYTES).min(LEAF_BYTES_MAX),
        };
        let recipe = Recipe { links: 1, leaf_bytes };
        Recipe { links: (CHAIN_BYTES / recipe.bytes()).max(1), ..recipe }
    }

    /// Bytes of a chain, with its slot.
    pub(super) fn bytes(self) -> usize {
        let leaf = if self.leaf_bytes > 0 { self.leaf_bytes + SLICE_BYTES } else { 0 };
        self.links * (LINK_BYTES + leaf) + size_of::<usize>()
    }

    fn make<'gc>(self, cx: &Scope<'gc>, value: u64) -> Result<Gc<'gc, Link<'gc>>, Full> {
        let mut next = None;
        for at in 0..self.links.max(1) as u64 {
            let leaf = match self.leaf_bytes {
                0 => None,
                bytes => Some(cx.try_alloc_slice_with(bytes, |_| at as u8).map_err(|_| Full)?),
            };
            next = Some(cx.try_alloc(Link { next, leaf, behind: at, value }).map_err(|_| Full)?);
        }
        next.ok_or(Full)
    }
}

/// The live set of one thread.
#[derive(Debug)]
pub(super) struct Kept {
    table: Root<Table<'static>>,
    pages: usize,
    chains: usize,
    bytes: usize,
    /// One of so many chains replaces one that is kept; none with 0.
    churn: u64,
    rng: Rng,
}

impl Kept {
    /// An empty one that can grow to `bytes_max`.
    pub(super) fn new(mutator: &mut Mutator, bytes_max: f64, churn: u64, seed: u64) -> Result<Kept, Full> {
        // Pages are counted by the smallest chains there are.
        let pages = (bytes_max / (PAGE_SLOTS * CHAIN_BYTES / 2) as f64) as usize + 2;
        let table = mutator.enter(|cx| {
            let table: Gc<'_, Table<'_>> =
                cx.try_alloc_slice_with(pages, |_| GcCell::new(None)).map_err(|_| Full)?;
            Ok::<_, Full>(cx.root(table))
        })?;
        Ok(Kept { table, pages, chains: 0, bytes: 0, churn, rng: Rng::seeded(seed) })
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes about `bytes` of chains, in a scope; keeps those that are missing to `target`. Returns how many bytes it made.
    pub(super) fn allocate(
        &mut self,
        cx: &Scope<'_>,
        recipe: Recipe,
        bytes: usize,
        target: f64,
    ) -> Result<usize, Full> {
        let table = self.table.get(cx);
        let mut made = 0;
        while made < bytes {
            let chain = recipe.make(cx, self.chains as u64)?;
            made += recipe.bytes();
            if ((self.bytes + recipe.bytes()) as f64) <= target && self.chains < self.pages * PAGE_SLOTS {
                self.append(cx, &table, chain)?;
                self.bytes += recipe.bytes();
            } else if self.chains > 0 && self.churn > 0 && self.rng.next_u64().is_multiple_of(self.churn) {
                let place = self.rng.below(self.chains);
                if let Some(page) = table[place / PAGE_SLOTS].get() {
                    page[place % PAGE_SLOTS].set(cx, Some(chain));
                }
            }
        }
        Ok(made)
    }

    /// Puts a chain behind the last one. The bytes of pages are counted with the chains that fill them.
    fn append<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        table: &Table<'gc>,
        chain: Gc<'gc, Link<'gc>>,
    ) -> Result<(), Full> {
        let (slot, at) = (&table[self.chains / PAGE_SLOTS], self.chains % PAGE_SLOTS);
        let page = match slot.get() {
            Some(page) => page,
            None => {
                let page: Gc<'gc, Page<'gc>> =
                    cx.try_alloc_slice_with(PAGE_SLOTS, |_| GcCell::new(None)).map_err(|_| Full)?;
                slot.set(cx, Some(page));
                page
            }
        };
        page[at].set(cx, Some(chain));
        self.chains += 1;
        Ok(())
    }

    /// Drops the last chains until no more than `target` bytes are kept.
    pub(super) fn shrink(&mut self, cx: &Scope<'_>, target: f64) {
        if self.bytes as f64 <= target || self.chains == 0 {
            return;
        }
        let each = self.bytes as f64 / self.chains as f64;
        let keep = ((target / each) as usize).min(self.chains - 1);
        let table = self.table.get(cx);
        for page in keep.div_ceil(PAGE_SLOTS)..self.chains.div_ceil(PAGE_SLOTS) {
            table[page].set(cx, None);
        }
        if let Some(page) = table[keep / PAGE_SLOTS].get() {
            for slot in &page[keep % PAGE_SLOTS..] {
                slot.set(cx, None);
            }
        }
        (self.chains, self.bytes) = (keep, (keep as f64 * each) as usize);
    }

    /// Follows every chain. Returns the links that there are, and those that should be.
    pub(super) fn links(&self, cx: &Scope<'_>) -> (usize, usize) {
        let (mut found, mut expected, mut chains) = (0, 0, 0);
        for page in self.table.get(cx).iter().filter_map(GcCell::get) {
            for head in page.iter().filter_map(GcCell::get) {
                chains += 1;
                // A head knows how many are behind it.
                expected += head.behind as usize + 1;
                let (mut next, mut behind) = (Some(head), head.behind);
                while let Some(link) = next.filter(|link| link.behind == behind) {
                    found += 1;
                    behind = behind.wrapping_sub(1);
                    next = link.next;
                }
            }
        }
        (found, expected + self.chains.abs_diff(chains))
    }
}

#[cfg(test)]
mod tests {
    use mudlark::Heap;

    use super::{Kept, LINK_BYTES, Recipe};

    /// Goal: the live set follows its target up and down, and the heap keeps just that. Method: a small heap that is
    /// collected after each change; links are counted.
    #[test]
    fn what_is_kept_follows_its_target() {
        let heap = Heap::builder().workers(0).build().unwrap();
        let mut mutator = heap.attach();
        for (scannable, churn) in [(1.0, 8), (0.2, 0)] {
            let recipe = Recipe::new(scannable);
            let mut kept = Kept::new(&mut mutator, 1e6, churn, 1).unwrap();
            for (target, made) in [(1e6, 2_000_000), (3e5, 400_000), (7e5, 1_000_000), (0.0, 100_000)] {
                mutator.enter(|cx| kept.shrink(cx, target));
                assert!(kept.bytes() as f64 <= target);
                mutator.enter(|cx| kept.allocate(cx, recipe, made, target)).unwrap();
                let missing = target - kept.bytes() as f64;
                assert!((0.0..1500.0).contains(&missing), "{missing} bytes of {target} are missing");
                mutator.collect();
                let (found, expected) = mutator.enter(|cx| kept.links(cx));
                assert_eq!((found, found), (expected, kept.chains * recipe.links));
                let live = heap.stats().live_bytes as f64;
                assert!((live - target).abs() < 0.05 * target + 60_000.0, "{live} bytes live of {target}");
            }
        }
    }

    /// Goal: the scannable share is the one asked for. Method: a few of them.
    #[test]
    fn a_share_has_to_be_scanned() {
        for scannable in [1.0, 0.7, 0.2, 0.01] {
            let recipe = Recipe::new(scannable);
            let share = (recipe.links * LINK_BYTES) as f64 / recipe.bytes() as f64;
            assert!((share / scannable - 1.0).abs() < 0.02, "{share} of {scannable}: {recipe:?}");
        }
    }
}
