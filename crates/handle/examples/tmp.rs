//! x
use mudlark::*;
fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut m = heap.attach();
    let _r = m.enter(|cx| cx.root(cx.alloc_slice_with(1000, |i| cx.alloc(i))));
    for i in 0..20 {
        m.enter(|cx| for n in 0..50_000_u64 { cx.alloc(n); });
        let s = heap.stats();
        println!("{i}: cycles {} live {} now {} trig {} goal {} alloc {} pauses {}", s.cycles, s.live_bytes, s.live_now_bytes, s.trigger_bytes, s.goal_bytes, s.allocated_bytes, s.safepoint_pauses.count);
    }
}
