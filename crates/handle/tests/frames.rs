//! Frames and locals: what recursive code keeps, in any order of calls, scopes and cycles.

#[path = "support/random.rs"]
mod random;

use mudlark::{Frame, Gc, GcCell, Heap, Local, Root, Scope, Trace, Zeal};
use random::Random;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

#[derive(Trace)]
struct Node<'gc> {
    number: u64,
    text: Gc<'gc, str>,
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(cx: &Scope<'gc>, number: u64, next: Option<Gc<'gc, Node<'gc>>>) -> Gc<'gc, Node<'gc>> {
    cx.alloc(Node { number, text: cx.alloc_str(&format!("node {number}")), next: GcCell::new(next) })
}

fn assert_alive(node: Gc<'_, Node<'_>>, number: u64) {
    assert_eq!(node.number, number);
    assert_eq!(&*node.text, format!("node {number}"), "a dead node");
}

type NodeLocal<'frame> = Local<'frame, Node<'static>>;

/// What the frames below keep, for those above.
trait Below {
    fn check(&self, cx: &Scope<'_>);
}

struct Level<'a, 'frame> {
    kept: Vec<(NodeLocal<'frame>, u64)>,
    below: Option<&'a dyn Below>,
}

impl Below for Level<'_, '_> {
    fn check(&self, cx: &Scope<'_>) {
        for (local, number) in &self.kept {
            assert_alive(local.get(cx), *number);
        }
        if let Some(below) = self.below {
            below.check(cx);
        }
    }
}

struct Walk<'a> {
    heap: &'a Heap,
    random: Random,
    steps: u32,
    names: u64,
    /// An old object, through which nodes go from frame to frame.
    shelf: &'a Root<Node<'static>>,
}

impl Walk<'_> {
    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// Random calls in one frame, and in those that it begins.
    fn frame(&mut self, frame: &mut Frame<'_>, depth: u32, below: Option<&dyn Below>) {
        frame.frame(|frame| {
            let mut level = Level { kept: Vec::new(), below };
            while self.steps > 0 {
                self.steps -= 1;
                match self.random.below(10) {
                    0..=2 => {
                        let name = self.name();
                        let local = frame.enter(|cx| cx.keep(node(cx, name, None)));
                        level.kept.push((local, name));
                    }
                    3 if !level.kept.is_empty() => {
                        let name = self.name();
                        let index = self.random.below(level.kept.len());
                        let (local, number) = &mut level.kept[index];
                        frame.enter(|cx| local.set(cx, node(cx, name, None)));
                        *number = name;
                    }
                    4 if !level.kept.is_empty() => {
                        // From a local to the shelf, where nothing else leads to it once this frame is over.
                        let (local, _) = level.kept[self.random.below(level.kept.len())];
                        frame.enter(|cx| self.shelf.get(cx).next.set(cx, Some(local.get(cx))));
                    }
                    5 => {
                        let found = frame.enter(|cx| {
                            let shelf = self.shelf.get(cx);
                            let found = shelf.next.get()?;
                            shelf.next.set(cx, None);
                            assert_alive(found, found.number);
                            Some((cx.keep(found), found.number))
                        });
                        level.kept.extend(found);
                    }
                    6 if depth < 40 => self.frame(frame, depth + 1, Some(&level)),
                    7 => break,
                    8 if self.random.below(8) == 0 => self.heap.collect(),
                    _ => frame.enter(|cx| {
                        (0..8).for_each(|number| _ = node(cx, number, None));
                        level.check(cx);
                    }),
                }
            }
            frame.enter(|cx| level.check(cx));
        });
    }
}

/// Goal: what a frame keeps is alive until it ends, whatever happens in between, and not longer. Method: random frames, on two threads, that move nodes
/// between locals and an old object while cycles run all the time; every cycle is verified, freed cells are filled.
#[test]
fn locals_live_as_long_as_their_frames() {
    for seed in 1..=12_u64 {
        println!("seed {seed}");
        let workers = seed as usize % 2;
        let zeal = Zeal {
            seed,
            allocations_per_cycle: Some(20 + seed as u32 * 7),
            yields: true,
            extra_rounds: true,
            fill_freed: true,
        };
        let heap = Heap::builder().workers(workers).verify(true).zeal(zeal).build().expect("a heap");
        thread::scope(|threads| {
            for thread in 0..2 {
                let heap = &heap;
                threads.spawn(move || {
                    let mut mutator = heap.attach();
                    let shelf = mutator.enter(|cx| cx.root(node(cx, 0, None)));
                    let random = Random::of(seed * 2 + thread);
                    let mut walk = Walk { heap, random, steps: 1500, names: 0, shelf: &shelf };
                    while walk.steps > 0 {
                        mutator.frame(|frame| walk.frame(frame, 0, None));
                    }
                });
            }
        });
        heap.collect();
        let report = heap.verify_report();
        assert!(report.violations.is_empty() && report.cycles > 0, "{report:#?}");
        assert_eq!((heap.stats().live_bytes, heap.stats().roots), (0, 0));
    }
}

fn descend(frame: &mut Frame<'_>, heap: &Heap, depth: u64, above: Local<'_, u64>) -> u64 {
    frame.frame(|frame| {
        let local = frame.enter(|cx| {
            assert_eq!(*above.get(cx), depth);
            cx.keep(cx.alloc(depth + 1))
        });
        if depth % 10_000 == 9_999 {
            heap.collect();
        }
        let deepest = if depth < 30_000 { descend(frame, heap, depth + 1, local) } else { depth };
        frame.enter(|cx| assert_eq!((*above.get(cx), *local.get(cx)), (depth, depth + 1)));
        deepest
    })
}

/// Goal: deep recursion keeps everything, and leaves nothing. Method: thirty thousand frames, each with its local, and cycles on the way.
#[test]
fn deep_recursion_keeps_its_locals() {
    let run = || {
        for workers in [0, 1] {
            let heap = Heap::builder().workers(workers).verify(true).build().expect("a heap");
            let mut mutator = heap.attach();
            for _ in 0..2 {
                let deepest = mutator.frame(|frame| {
                    let local = frame.enter(|cx| cx.keep(cx.alloc(0_u64)));
                    descend(frame, &heap, 0, local)
                });
                assert_eq!(deepest, 30_000);
                mutator.collect();
                assert_eq!(heap.stats().live_bytes, 0);
            }
            assert!(heap.verify_report().violations.is_empty(), "{:#?}", heap.verify_report());
        }
    };
    let thread = thread::Builder::new().stack_size(1 << 30).spawn(run).expect("a thread");
    thread.join().expect("it comes back");
}

/// Goal: a frame that unwinds is over, and the ones below it go on. Method: panics in frames and in their scopes, then cycles.
#[test]
fn a_frame_that_unwinds_is_over() {
    let heap = Heap::builder().workers(0).verify(true).build().expect("a heap");
    heap.attach().frame(|frame| {
        let kept = frame.enter(|cx| cx.keep(node(cx, 1, None)));
        heap.collect();
        let alone = heap.stats().live_bytes;
        for in_scope in [false, true] {
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                frame.frame(|inner| {
                    inner.enter(|cx| (0..2000).for_each(|number| _ = cx.keep(node(cx, number, None))));
                    if !in_scope {
                        panic!("as planned");
                    }
                    inner.enter(|cx| {
                        cx.keep(node(cx, 2, None));
                        panic!("as planned")
                    })
                })
            }));
            assert!(unwound.is_err());
            heap.collect();
            assert_eq!(heap.stats().live_bytes, alone);
            let next = frame.enter(|cx| cx.keep(node(cx, 3, None)));
            frame.enter(|cx| {
                assert_alive(kept.get(cx), 1);
                assert_alive(next.get(cx), 3);
                next.set(cx, kept.get(cx));
            });
        }
    });
    assert!(heap.verify_report().violations.is_empty(), "{:#?}", heap.verify_report());
}

/// Goal: locals do not mix. Method: a local in a scope of another mutator of the heap, of the same thread, and of another heap.
#[test]
fn a_local_of_another_mutator_panics() {
    let (heap, elsewhere) =
        (Heap::builder().build().expect("a heap"), Heap::builder().build().expect("a heap"));
    heap.attach().frame(|frame| {
        let local = frame.enter(|cx| cx.keep(cx.alloc(1_u64)));
        for mut other in [heap.attach(), elsewhere.attach()] {
            let refused = catch_unwind(AssertUnwindSafe(|| other.enter(|cx| _ = local.get(cx)))).is_err();
            let unset =
                catch_unwind(AssertUnwindSafe(|| other.enter(|cx| local.set(cx, cx.alloc(2))))).is_err();
            assert!(refused && unset);
        }
        assert_eq!(frame.enter(|cx| *local.get(cx)), 1);
    });
}
