//! The end of a torture: what must be left, and that nothing else is.

use mudlark::{Gc, GcCell, GcPercent, Heap, Root};

use super::ledger::Ledger;
use super::node::{Id, Kind, Tag, Twig};

/// A chain that lives through the whole run while nobody touches it.
#[derive(Debug)]
pub(super) struct Keeper {
    root: Root<Twig<'static>>,
}

const LINKS: u64 = 1000;

impl Keeper {
    pub(super) fn new(heap: &Heap) -> Self {
        let root = heap.attach().enter(|cx| {
            let mut chain: Option<Gc<'_, Twig<'_>>> = None;
            for number in 1..=LINKS {
                let tag = Tag::new(Id::of(number), Kind::Twig);
                let edges = [chain, None, None].map(GcCell::new);
                chain = Some(cx.alloc(Twig { tag, edges, bag: GcCell::new(None) }));
            }
            cx.root(chain.expect("there is a link"))
        });
        Self { root }
    }

    fn check(&self, heap: &Heap) -> Result<(), String> {
        heap.attach().enter(|cx| {
            let mut at = Some(self.root.get(cx));
            for number in (1..=LINKS).rev() {
                let twig = at.ok_or_else(|| format!("the untouched chain ends before its link {number}"))?;
                twig.tag.intact(Id::of(number), Kind::Twig)?;
                at = twig.edges[0].get();
            }
            at.map_or(Ok(()), |_| Err("the untouched chain goes on behind its end".to_owned()))
        })
    }
}

/// Checks a heap that no mutator is attached to and whose only root is the keeper's.
pub(super) fn close(heap: &Heap, keeper: Keeper, ledger: &Ledger) -> Result<(), String> {
    // From here on nothing happens but what is asked for.
    heap.set_gc_percent(GcPercent::Off);
    collect_to(heap, LINKS)?;
    keeper.check(heap)?;
    collect_to(heap, LINKS)?;
    let roots = heap.stats().roots;
    if roots != 1 {
        return Err(format!("{roots} roots are in use, and 1 should be"));
    }
    drop(keeper);
    collect_to(heap, 0)?;
    ledger.check()?;
    recount(heap)
}

/// What was dead when the first cycle began may be marked by a cycle that was under way; the second finds all.
fn collect_to(heap: &Heap, expected: u64) -> Result<(), String> {
    heap.collect();
    heap.collect();
    let stats = heap.cell_stats();
    let objects: u64 = stats.iter().map(|stats| stats.cells.objects()).sum();
    if objects == expected {
        return Ok(());
    }
    let kinds: Vec<String> = stats
        .iter()
        .filter(|stats| stats.cells.objects() > 0)
        .map(|stats| format!("{} of {}", stats.cells.objects(), stats.type_name))
        .collect();
    Err(format!("{objects} objects are left where roots hold {expected}: {}", kinds.join(", ")))
}

/// The background may be giving memory back; what is wrong stays so.
fn recount(heap: &Heap) -> Result<(), String> {
    let mut result = heap.recount();
    for _ in 0..1000 {
        if result.is_ok() {
            break;
        }
        std::thread::yield_now();
        result = heap.recount();
    }
    result.map_err(|what| format!("the counters differ from a recount: {what}"))
}

/// What the verifier of the heap says.
pub(super) fn verdict(heap: &Heap) -> Result<(), String> {
    let violations = heap.verify_report().violations;
    if violations.is_empty() {
        return Ok(());
    }
    Err(format!("the verifier found {} violations: {}", violations.len(), violations.join("; ")))
}
