//! Values of every size and alignment: where they lie, that they keep what is in them, and that they are freed.

use mudlark::{Gc, Heap, Root, trace::Static};

/// A value whose bytes all have one value.
trait Pattern: Send + 'static {
    fn of(byte: u8) -> Self;
    fn is_of(&self, byte: u8) -> bool;
}

impl<const N: usize> Pattern for [u8; N] {
    fn of(byte: u8) -> Self {
        [byte; N]
    }

    fn is_of(&self, byte: u8) -> bool {
        self.iter().all(|&found| found == byte)
    }
}

/// Allocates some, keeps every other one over cycles, looks at them, and lets them go.
fn keep_and_free<T: Pattern>(heap: &Heap) {
    let mut mutator = heap.attach();
    let mut roots: Vec<(u8, Root<Static<T>>)> = Vec::new();
    mutator.enter(|cx| {
        for byte in 0..8_u8 {
            let gc: Gc<'_, Static<T>> = cx.alloc(Static(T::of(byte)));
            assert!(Gc::address(gc).is_multiple_of(align_of::<T>()), "{} is not aligned", Gc::address(gc));
            if byte % 2 == 0 {
                roots.push((byte, cx.root(gc)));
            }
        }
    });
    mutator.collect();
    mutator.enter(|cx| {
        for byte in 100..104 {
            assert!(cx.alloc(Static(T::of(byte))).is_of(byte));
        }
        for (byte, root) in &roots {
            assert!(root.get(cx).is_of(*byte), "a value of {} bytes changed", size_of::<T>());
        }
    });
    drop(roots);
    mutator.collect();
    assert_eq!(heap.stats().live_bytes, 0);
}

macro_rules! sizes {
    ($heap:expr, $($size:literal)*) => { $( keep_and_free::<[u8; $size]>($heap); )* };
}

/// Goal: values of each size survive and are freed. Method: sizes around every boundary from 0 to 20000, half of them
/// kept over a cycle.
#[test]
fn every_size_works() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    sizes!(&heap, 0 1 2 3 4 5 7 8 9 12 15 16 17 20 23 24 25 31 32 33 40 47 48 49 56 63 64 65 72 80 88 96 100 104 111);
    sizes!(&heap, 112 119 120 121 127 128 129 136 143 144 145 160 176 192 208 224 240 255 256 257 288 300 320 384);
    sizes!(&heap, 448 500 511 512 513 576 640 768 896 1000 1023 1024 1025 1152 1280 1536 1792 2000 2047 2048 2049);
    sizes!(&heap, 2304 2560 3000 3072 3584 4000 4095 4096 4097 4608 5000 5120 6144 7168 8000 8184 8191 8192 8193);
    sizes!(&heap, 8200 9000 10000 12288 15000 16384 16385 20000 32767 32768 32769 40000 65536 65537);
    heap.recount().expect("the counters are exact");
}

macro_rules! aligned {
    ($heap:expr, $($align:literal)*) => { $( {
        #[repr(align($align))]
        struct Aligned<const N: usize>([u8; N]);

        impl<const N: usize> Pattern for Aligned<N> {
            fn of(byte: u8) -> Self {
                Aligned([byte; N])
            }

            fn is_of(&self, byte: u8) -> bool {
                self.0.is_of(byte)
            }
        }

        keep_and_free::<Aligned<0>>($heap);
        keep_and_free::<Aligned<1>>($heap);
        keep_and_free::<Aligned<40>>($heap);
        keep_and_free::<Aligned<700>>($heap);
        keep_and_free::<Aligned<5000>>($heap);
        keep_and_free::<Aligned<9000>>($heap);
    } )* };
}

/// Goal: alignments up to 4096 are kept. Method: each power of two, with sizes of all kinds of places.
#[test]
fn every_alignment_works() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    aligned!(&heap, 1 2 4 8 16 32 64 128 256 512 1024 2048 4096);
    heap.recount().expect("the counters are exact");
}

/// Lengths around where the place of a slice changes, for elements of `bytes`.
fn lengths(bytes: usize) -> Vec<usize> {
    let boundaries = [0, 16, 24, 128, 136, 1024, 2048, 4096, 8192, 32768, 65536];
    let around = |total: usize| (total / bytes).saturating_sub(3)..=total / bytes + 3;
    let mut lengths: Vec<usize> = boundaries.into_iter().flat_map(around).chain(0..40).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// Goal: slices of each length keep their elements. Method: all lengths around boundaries, of elements of some sizes, each
/// with neighbors, over a cycle.
#[test]
fn every_length_works() {
    fn check<T: Pattern + PartialEq>(heap: &Heap) {
        let mut mutator = heap.attach();
        for len in lengths(size_of::<T>()) {
            let root = mutator.enter(|cx| {
                let make =
                    |seed: usize| cx.alloc_slice_with(len, |index| Static(T::of((index + seed) as u8)));
                let (_, kept, _) = (make(1), make(2), make(3));
                assert!(kept.as_ptr().addr().is_multiple_of(align_of::<T>()));
                cx.root(kept)
            });
            if len % 4 == 0 {
                mutator.collect();
            }
            mutator.enter(|cx| {
                let kept = root.get(cx);
                assert_eq!(kept.len(), len);
                let intact = kept.iter().enumerate().all(|(index, element)| element.is_of((index + 2) as u8));
                assert!(intact, "a slice of {len} elements of {} bytes changed", size_of::<T>());
            });
        }
    }
    #[derive(PartialEq)]
    #[repr(align(64))]
    struct Wide([u8; 64]);
    impl Pattern for Wide {
        fn of(byte: u8) -> Self {
            Wide([byte; 64])
        }

        fn is_of(&self, byte: u8) -> bool {
            self.0.is_of(byte)
        }
    }
    let heap = Heap::builder().workers(0).build().expect("a heap");
    check::<[u8; 1]>(&heap);
    check::<[u8; 3]>(&heap);
    check::<[u8; 24]>(&heap);
    check::<Wide>(&heap);
    check::<[u8; 9000]>(&heap);
    heap.collect();
    assert_eq!(heap.stats().live_bytes, 0);
    heap.recount().expect("the counters are exact");
}

/// Goal: slices of pointers are scanned whole, whatever their length. Method: lengths around scanning pieces and large
/// objects; every element is checked after a cycle.
#[test]
fn slices_of_pointers_are_scanned_whole() {
    for workers in [0, 2] {
        let heap = Heap::builder().workers(workers).build().expect("a heap");
        let mut mutator = heap.attach();
        for len in [0, 1, 254, 255, 256, 257, 258, 511, 512, 513, 1022, 1023, 1024, 1025, 4096, 20_000] {
            let root = mutator.enter(|cx| cx.root(cx.alloc_slice_with(len, |index| cx.alloc([index; 3]))));
            mutator.collect();
            mutator.enter(|cx| {
                (0..2000).for_each(|_| _ = cx.alloc([usize::MAX; 3]));
                let intact = root.get(cx).iter().enumerate().all(|(index, element)| **element == [index; 3]);
                assert!(intact, "{len} elements");
            });
        }
    }
}

/// Goal: values without size are values. Method: some, in slices too.
#[test]
fn values_without_size_work() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    let root = mutator.enter(|cx| {
        cx.alloc(());
        let many = cx.alloc_slice_fill(1 << 20, ());
        assert_eq!(many.len(), 1 << 20);
        cx.root(many)
    });
    mutator.collect();
    assert_eq!(mutator.enter(|cx| root.get(cx).len()), 1 << 20);
}

/// Goal: strings keep their text. Method: lengths around boundaries, of characters of one to four bytes.
#[test]
fn every_string_works() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    for letter in ["a", "é", "€", "𝄞"] {
        for len in lengths(letter.len()) {
            let text = letter.repeat(len);
            let root: Root<str> = mutator.enter(|cx| {
                cx.alloc_str(&text.to_uppercase());
                cx.root(cx.alloc_str(&text))
            });
            if len % 16 == 0 {
                mutator.collect();
            }
            mutator.enter(|cx| assert_eq!(&*root.get(cx), text));
        }
    }
}
