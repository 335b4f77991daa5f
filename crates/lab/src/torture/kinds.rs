//! Random kinds and sizes: mostly small objects, sizes at the edges of size classes, and now and then large ones.

use super::node::Kind;
use crate::rng::Rng;

/// Bytes of a slice with its length, at and around which sizes are taken: size classes, a block's largest cells, runs.
const EDGES: [usize; 20] =
    [16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 448, 512, 640, 1024, 2048, 4096, 8192, 16384];

pub(super) fn random_kind(rng: &mut Rng) -> Kind {
    match rng.below(64) {
        0..20 => Kind::Twig,
        20..30 => Kind::Knot,
        30..34 => Kind::Chest,
        34..38 => Kind::Bag,
        38..42 => Kind::Keg,
        42..46 => Kind::Row(random_row(rng)),
        46..48 => Kind::Kegs(rng.below(6) as u32),
        48..54 => Kind::Text(random_bytes(rng)),
        54..62 => Kind::Words((random_bytes(rng) / 8 + rng.below(2) as u32).min(1 << 16)),
        _ => Kind::Tree(rng.below(4) as u8),
    }
}

/// A length of a slice of bytes.
fn random_bytes(rng: &mut Rng) -> u32 {
    let bytes = match rng.below(100) {
        0 => 32768 + rng.below(200_000),
        1 | 2 => EDGES[rng.below(EDGES.len())] + rng.below(3),
        _ => EDGES[rng.below(15)] + rng.below(3),
    };
    // The length itself takes 8, and the edge is met at one of the three.
    bytes.saturating_sub(8 + 1) as u32
}

/// A length of a row: some are large objects, and some are scanned in pieces.
fn random_row(rng: &mut Rng) -> u32 {
    let len = match rng.below(200) {
        0 => 4096 + rng.below(8192),
        1..4 => 1000 + rng.below(50),
        4..40 => rng.below(130),
        _ => rng.below(8),
    };
    len as u32 + 1
}
