//! What weak maps add to a cycle: `cargo run --release -p mudlark --example weak_map_cycles [entries]`.
//!
//! Each row is the best of some cycles of a heap of its own, on one background thread. Keys and values are held by a slice but where
//! the row says otherwise, so that the difference to the first row is what the map costs.

use mudlark::{Gc, GcInterner, GcPercent, GcWeakMap, Heap, Root, Scope, Trace};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

/// A key or a value: 48 bytes.
#[derive(Trace)]
struct Node<'gc> {
    edge: Option<Gc<'gc, Node<'gc>>>,
    filling: [u64; 5],
}

type Nodes<'gc> = [Gc<'gc, Node<'gc>>];
type Map<'gc> = GcWeakMap<'gc, Node<'gc>, Node<'gc>>;

#[derive(Trace)]
struct World<'gc> {
    keys: Gc<'gc, Nodes<'gc>>,
    values: Gc<'gc, Nodes<'gc>>,
    map: Gc<'gc, Map<'gc>>,
    symbols: Gc<'gc, GcInterner<'gc>>,
    strings: Gc<'gc, [Gc<'gc, str>]>,
}

fn nodes<'gc>(cx: &Scope<'gc>, count: usize) -> Gc<'gc, Nodes<'gc>> {
    cx.alloc_slice_with(count, |n| cx.alloc(Node { edge: None, filling: [n as u64; 5] }))
}

#[derive(Clone, Copy, PartialEq)]
enum Row {
    NoMap,
    AllHeld,
    ValuesInMap,
    KeysDead,
    Chain,
    Strings,
    StringsDead,
}

fn world<'gc>(cx: &Scope<'gc>, row: Row, count: usize) -> World<'gc> {
    let none = cx.alloc_slice_with(0, |_| unreachable!());
    let no_strings = cx.alloc_slice_with(0, |_| unreachable!());
    let (map, symbols) = (cx.alloc(GcWeakMap::new()), cx.alloc(GcInterner::new()));
    let mut world = World { keys: none, values: none, map, symbols, strings: no_strings };
    if matches!(row, Row::Strings | Row::StringsDead) {
        let strings = cx.alloc_slice_with(count, |n| symbols.intern(cx, &n.to_string()));
        world.strings = if row == Row::Strings { strings } else { no_strings };
        return world;
    }
    let (keys, values) = (nodes(cx, count), nodes(cx, count));
    for n in 0..count {
        match row {
            Row::Chain => _ = map.insert(cx, keys[count - 1 - n], keys[(count - n) % count]),
            Row::NoMap => {}
            _ => _ = map.insert(cx, keys[n], values[n]),
        }
    }
    world.keys = match row {
        Row::KeysDead => none,
        Row::Chain => cx.alloc_slice_with(1, |_| keys[0]),
        _ => keys,
    };
    world.values = if matches!(row, Row::ValuesInMap | Row::Chain) { none } else { values };
    world
}

fn measure(row: Row, count: usize) -> (Duration, usize) {
    let mut best = Duration::MAX;
    let mut left = 0;
    let rounds = if matches!(row, Row::KeysDead | Row::StringsDead) { ROUNDS } else { 1 };
    for _ in 0..rounds {
        let heap = Heap::builder().gc_percent(GcPercent::Off).workers(1).build().expect("a heap");
        let mut mutator = heap.attach();
        let world: Root<World<'static>> = mutator.enter(|cx| cx.root(cx.alloc(world(cx, row, count))));
        // What dies, dies in the first cycle.
        for _ in 0..if rounds == 1 { ROUNDS } else { 1 } {
            let begun = Instant::now();
            mutator.collect();
            best = best.min(begun.elapsed());
        }
        left = mutator.enter(|cx| world.get(cx).map.len() + world.get(cx).symbols.len());
    }
    (best, left)
}

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    println!("{count} entries");
    let rows = [
        ("no map", Row::NoMap),
        ("keys and values held", Row::AllHeld),
        ("values held by the map", Row::ValuesInMap),
        ("all keys die", Row::KeysDead),
        ("a chain of values and keys", Row::Chain),
        ("interned strings", Row::Strings),
        ("all strings die", Row::StringsDead),
    ];
    for (name, row) in rows {
        let (time, left) = measure(row, count);
        println!("| {name} | {:.1} ms | {left} left |", time.as_secs_f64() * 1e3);
    }
}
