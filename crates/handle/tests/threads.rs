//! Several mutators on several threads, each against a model of its own, and objects that all of them share.

#[path = "support/random.rs"]
mod random;

use mudlark::{Gc, GcCell, GcPercent, GcRefCell, Heap, Mutator, Root, Trace};
use random::{Random, Seed};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

const EDGES: usize = 3;
const OBJECTS: usize = 40;

/// An object of a random graph: edges in cells of words, and more of them in a list.
#[derive(Trace)]
struct Vertex<'gc> {
    name: u64,
    edges: [GcCell<Option<Gc<'gc, Vertex<'gc>>>>; EDGES],
    more: GcRefCell<Vec<Gc<'gc, Vertex<'gc>>>>,
    label: Gc<'gc, str>,
}

/// What the model knows of a vertex, by name.
#[derive(Clone, Default)]
struct Shadow {
    edges: [Option<u64>; EDGES],
    more: Vec<u64>,
}

/// A random graph behind a table of roots, and its model.
struct Graph {
    mutator: Mutator,
    roots: Vec<(u64, Root<Vertex<'static>>)>,
    shadow: HashMap<u64, Shadow>,
    random: Random,
    next_name: u64,
}

impl Graph {
    fn new(heap: &Heap, seed: u64) -> Graph {
        let random = Random::of(seed);
        Graph {
            mutator: heap.attach(),
            roots: Vec::new(),
            shadow: HashMap::new(),
            random,
            next_name: seed << 40,
        }
    }

    /// Some changes in one scope.
    fn mutate(&mut self) {
        let Graph { mutator, roots, shadow, random, next_name } = self;
        mutator.enter(|cx| {
            for _ in 0..random.below(30) + 1 {
                *next_name += 1;
                let name = *next_name;
                let pick = |random: &mut Random| {
                    let (_, root) = roots.get(random.below(OBJECTS))?;
                    Some(walk(root.get(cx), random))
                };
                let found = [(); EDGES].map(|()| pick(random));
                let vertex = cx.alloc(Vertex {
                    name,
                    edges: found.map(GcCell::new),
                    more: GcRefCell::new(Vec::new()),
                    label: cx.alloc_str(&format!("vertex {name}")),
                });
                let edges = found.map(|edge| edge.map(|to| to.name));
                shadow.insert(name, Shadow { edges, more: Vec::new() });
                if let Some(from) = pick(random) {
                    let index = random.below(EDGES);
                    let to = if random.below(3) == 0 { None } else { Some(vertex) };
                    from.edges[index].set(cx, to);
                    let entry = shadow.get_mut(&from.name).expect("what is found is known");
                    entry.edges[index] = to.map(|to| to.name);
                    change_list(from, entry, vertex, random, cx);
                }
                if roots.len() < OBJECTS {
                    roots.push((name, cx.root(vertex)));
                } else if random.below(4) == 0 {
                    let slot = &mut roots[random.below(OBJECTS)];
                    slot.1.set(cx, vertex);
                    slot.0 = name;
                }
            }
        });
        if self.random.below(10) == 0 && self.roots.len() == OBJECTS {
            self.roots.swap_remove(self.random.below(OBJECTS));
        }
    }

    /// Compares everything that can be reached with the model, and forgets the rest of the model.
    fn check(&mut self) {
        let Graph { mutator, roots, shadow, .. } = self;
        let mut reached: HashMap<u64, Shadow> = HashMap::new();
        mutator.enter(|cx| {
            let mut stack: Vec<Gc<'_, Vertex<'_>>> = Vec::new();
            for (name, root) in roots.iter() {
                assert_eq!(root.get(cx).name, *name);
                stack.push(root.get(cx));
            }
            while let Some(vertex) = stack.pop() {
                if reached.contains_key(&vertex.name) {
                    continue;
                }
                let known = &shadow[&vertex.name];
                assert_eq!(&*vertex.label, format!("vertex {}", vertex.name));
                let edges = vertex.edges.each_ref().map(|edge| edge.get());
                assert_eq!(edges.map(|edge| edge.map(|to| to.name)), known.edges);
                let more: Vec<u64> = vertex.more.borrow().iter().map(|to| to.name).collect();
                assert_eq!(more, known.more);
                reached.insert(vertex.name, known.clone());
                stack.extend(edges.into_iter().flatten());
                stack.extend(vertex.more.borrow().iter());
            }
        });
        self.shadow = reached;
    }
}

/// Some steps along the edges.
fn walk<'gc>(from: Gc<'gc, Vertex<'gc>>, random: &mut Random) -> Gc<'gc, Vertex<'gc>> {
    let mut at = from;
    for _ in 0..random.below(4) {
        at = at.edges[random.below(EDGES)].get().unwrap_or(at);
    }
    at
}

/// Moves, adds or clears edges in a vertex's list.
fn change_list<'gc>(
    from: Gc<'gc, Vertex<'gc>>,
    entry: &mut Shadow,
    vertex: Gc<'gc, Vertex<'gc>>,
    random: &mut Random,
    cx: &mudlark::Scope<'gc>,
) {
    match random.below(4) {
        0 => {
            from.more.borrow_mut(cx).push(vertex);
            entry.more.push(vertex.name);
        }
        1 => {
            // The edges move from the list into the cell and vanish from the list.
            let last = from.more.borrow_mut(cx).pop();
            entry.more.pop();
            if let Some(last) = last {
                from.edges[0].set(cx, Some(last));
                entry.edges[0] = Some(last.name);
            }
        }
        2 => {
            std::mem::take(&mut *from.more.borrow_mut(cx));
            entry.more.clear();
        }
        _ => {}
    }
}

fn run_graphs(heap: &Heap, threads: u64, rounds: usize) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (1..=threads)
            .map(|seed| {
                scope.spawn(move || {
                    let _seed = Seed(seed);
                    let mut graph = Graph::new(heap, seed);
                    for round in 0..rounds {
                        graph.mutate();
                        if round % 16 == 0 {
                            graph.check();
                        }
                    }
                    graph.check();
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Relaxed) {
                heap.collect();
                thread::yield_now();
            }
        });
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Relaxed);
        assert!(results.iter().all(Result::is_ok));
    });
    heap.collect();
    let stats = heap.stats();
    assert_eq!((stats.live_bytes, stats.roots), (0, 0), "{stats:?}");
    assert_eq!(stats.total_bytes, stats.in_use_bytes + stats.free_bytes);
    assert_eq!(stats.committed_bytes, stats.total_bytes - stats.released_bytes);
    heap.recount().expect("the counters are exact");
}

/// Goal: no object is lost, changed or confused while cycles run all the time. Method: random graphs on three threads, each
/// against its model, while a fourth collects without pause; 0, 1 and 2 workers.
#[test]
fn random_graphs_survive_constant_collection() {
    for workers in 0..3 {
        let heap = Heap::builder().workers(workers).build().expect("a heap");
        run_graphs(&heap, 3, 300);
        assert!(heap.stats().cycles > 2);
    }
}

/// Goal: the same when mutators drive cycles in their own allocations. Method: tiny percentages, no background threads, no
/// collector but the heap's own pace.
#[test]
fn one_graph_survives_incremental_cycles() {
    for percent in [1, 20, 100] {
        let heap = Heap::builder().workers(0).gc_percent(percent).build().expect("a heap");
        let mut graph = Graph::new(&heap, u64::from(percent));
        let _seed = Seed(u64::from(percent));
        for round in 0..3000 {
            graph.mutate();
            if round % 64 == 0 {
                graph.check();
            }
        }
        graph.check();
        let cycles = heap.stats().cycles;
        assert!(cycles > 0, "no cycle began by itself at {percent} %");
    }
}

/// A shared slot.
#[derive(Trace)]
struct Shared<'gc> {
    slots: Gc<'gc, [GcCell<Option<Gc<'gc, Message<'gc>>>>]>,
}

#[derive(Trace)]
struct Message<'gc> {
    number: u64,
    copy: Gc<'gc, u64>,
    before: GcCell<Option<Gc<'gc, Message<'gc>>>>,
}

/// Goal: what threads hand each other through shared cells arrives whole and stays alive. Method: threads that exchange
/// messages in slots of one array, take them out and hide them behind new ones, while cycles run.
#[test]
fn messages_through_shared_cells_arrive_whole() {
    for workers in 0..3 {
        let heap =
            Heap::builder().workers(workers).gc_percent(GcPercent::Percent(25)).build().expect("a heap");
        let shared: Root<Shared<'static>> = heap.attach().enter(|cx| {
            let slots = cx.alloc_slice_with(16, |_| GcCell::new(None));
            cx.root(cx.alloc(Shared { slots }))
        });
        thread::scope(|scope| {
            for seed in 1..=3 {
                let (heap, shared) = (&heap, &shared);
                scope.spawn(move || {
                    let _seed = Seed(seed);
                    let (mut mutator, mut random) = (heap.attach(), Random::of(seed));
                    for round in 0..1500 {
                        mutator.enter(|cx| exchange(cx, shared, &mut random, seed << 32 | round));
                    }
                });
            }
            scope.spawn(|| (0..20).for_each(|_| heap.collect()));
        });
        drop(shared);
        heap.collect();
        assert_eq!(heap.stats().live_bytes, 0);
        heap.recount().expect("the counters are exact");
    }
}

fn exchange(cx: &mudlark::Scope<'_>, shared: &Root<Shared<'static>>, random: &mut Random, number: u64) {
    let slots = shared.get(cx).slots;
    for step in 0..20 {
        let slot = &slots[random.below(slots.len())];
        let before = slot.get();
        let mut at = before;
        for _ in 0..20 {
            let Some(message) = at else { break };
            assert_eq!(message.number, *message.copy, "a torn or dead message");
            at = message.before.get();
        }
        if let Some(last) = at {
            last.before.set(cx, None);
        }
        let number = number << 8 | step;
        let message = Message { number, copy: cx.alloc(number), before: GcCell::new(before) };
        slot.set(cx, Some(cx.alloc(message)));
        slots[random.below(slots.len())].set(cx, before);
    }
}
