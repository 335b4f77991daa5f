//! Survival: what of the objects born during a cycle counts as live.
//!
//! All of them are kept, and nobody knows what of it lives. Go counts it all; in a heap that allocates fast and holds a
//! constant set, that is garbage, which the goal doubles. Here the snapshots tell a share: the growth of what was marked
//! over what was allocated between two snapshots, from a quarter to all. The share trades memory for time.

use super::units::Bytes;

/// The least share of what was born during a cycle that counts as live.
const SHARE_MIN: f64 = 0.25;

/// What the last snapshot showed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Survival {
    marked: Bytes,
}

impl Survival {
    /// The live bytes that a cycle is believed to have left: what it marked, and a share of what was born.
    ///
    /// `between` is what was allocated from the snapshot before to this one.
    pub fn live(&mut self, marked: Bytes, born: Bytes, between: Bytes) -> Bytes {
        let growth = marked - self.marked;
        let share = (growth.as_f64() / between.max(Bytes(1)).as_f64()).clamp(SHARE_MIN, 1.0);
        self.marked = marked;
        marked + Bytes::from_f64(born.as_f64() * share)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: the share follows the snapshots. Method: by hand.
    #[test]
    fn what_stayed_tells_what_will_stay() {
        let mib = Bytes::mib;
        let mut survival = Survival::default();
        assert_eq!(survival.live(mib(100), mib(0), mib(0)), mib(100));
        // Three quarters of what was allocated between two snapshots stayed: so will as much of what was born.
        assert_eq!(survival.live(mib(130), mib(20), mib(40)), mib(145));
        // None did, as far as the snapshots tell: a quarter counts all the same.
        assert_eq!(survival.live(mib(130), mib(20), mib(40)), mib(135));
    }
}
