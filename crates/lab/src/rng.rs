//! The random numbers of all workloads: xorshift64 from one fixed seed, so that every implementation in every
//! language makes the same choices.

/// An xorshift64 generator.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The seed of every workload.
    pub const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

    /// Starts at [`Rng::SEED`].
    pub const fn new() -> Self {
        Self { state: Self::SEED }
    }

    /// Starts at a place of its own for each seed.
    pub const fn seeded(seed: u64) -> Self {
        // The finalizer of splitmix64 is a bijection; what it maps to zero would stay there.
        let n = seed.wrapping_add(Self::SEED);
        let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let n = n ^ (n >> 31);
        Self { state: if n == 0 { Self::SEED } else { n } }
    }

    /// Returns the next number.
    #[inline]
    pub const fn next_u64(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// Returns the next number, spread over `0..bound` by a multiplication (a division costs more than the
    /// pointer write it would serve).
    #[inline]
    pub const fn below(&mut self, bound: usize) -> usize {
        ((self.next_u64() as u128 * bound as u128) >> 64) as usize
    }

    /// Returns the next number as a fraction in `0.0..1.0`.
    #[inline]
    pub const fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Default for Rng {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    /// Goal: the sequence is the one other languages see. Method: numbers computed by an independent program.
    #[test]
    fn the_sequence_is_xorshift64() {
        let mut rng = Rng::new();
        let first: Vec<u64> = (0..4).map(|_| rng.next_u64()).collect();
        assert_eq!(first, VECTOR);
    }

    const VECTOR: [u64; 4] =
        [0xDC1B_77AE_0BF3_4DAD, 0x64F0_EEB9_026E_6076, 0x7B07_CE91_E590_6136, 0x305F_050C_368D_CC74];

    #[test]
    fn bounded_numbers_stay_below_their_bound() {
        let mut rng = Rng::new();
        assert!((0..1000).all(|_| rng.below(7) < 7));
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn seeds_begin_apart() {
        let first = |seed| Rng::seeded(seed).next_u64();
        assert_ne!(first(0), first(1));
        assert_ne!(first(0_u64.wrapping_sub(Rng::SEED)), 0, "the seed that is mapped to zero");
    }

    #[test]
    fn fractions_stay_below_one() {
        let mut rng = Rng::new();
        assert!((0..1000).map(|_| rng.next_f64()).all(|x| (0.0..1.0).contains(&x)));
    }
}
