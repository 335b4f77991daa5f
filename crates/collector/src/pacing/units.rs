//! Units: bytes, work and time as types, so that a formula cannot mix them up.
//!
//! Plain operators saturate: a pacer at a clamp is of more use than one that panics. Conversions from `f64` truncate and
//! saturate, and take NaN as zero; whoever must notice uses [`Target`](super::Target), which the guard checks.

use std::{
    fmt,
    ops::{Add, AddAssign, Sub, SubAssign},
};

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
        pub struct $name(pub u64);

        impl $name {
            /// None.
            pub const ZERO: $name = $name(0);
            /// More than there can be; stands for "no bound".
            pub const MAX: $name = $name(u64::MAX);

            /// The number, as the formulas take it. Exact below 2^53.
            #[inline]
            pub const fn as_f64(self) -> f64 {
                self.0 as f64
            }

            /// The whole part of a number; what does not fit saturates, and NaN is zero.
            #[inline]
            pub const fn from_f64(number: f64) -> $name {
                $name(number as u64)
            }

            /// The sum, or `None` if it does not fit.
            pub const fn checked_add(self, other: $name) -> Option<$name> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Some($name(sum)),
                    None => None,
                }
            }

            /// The difference, or `None` if it would be negative.
            pub const fn checked_sub(self, other: $name) -> Option<$name> {
                match self.0.checked_sub(other.0) {
                    Some(rest) => Some($name(rest)),
                    None => None,
                }
            }

            /// This times `numerator`, divided by `denominator` last; saturates, also at a zero denominator.
            #[inline]
            pub const fn scaled(self, numerator: u64, denominator: u64) -> $name {
                // The common case without a division of 128 bits.
                if let (Some(product), true) = (self.0.checked_mul(numerator), denominator > 0) {
                    return $name(product / denominator);
                }
                let product = self.0 as u128 * numerator as u128;
                let quotient = if denominator == 0 { u128::MAX } else { product / denominator as u128 };
                if quotient > u64::MAX as u128 { $name::MAX } else { $name(quotient as u64) }
            }
        }

        impl Add for $name {
            type Output = $name;
            #[inline]
            fn add(self, other: $name) -> $name {
                $name(self.0.saturating_add(other.0))
            }
        }

        impl Sub for $name {
            type Output = $name;
            #[inline]
            fn sub(self, other: $name) -> $name {
                $name(self.0.saturating_sub(other.0))
            }
        }

        impl AddAssign for $name {
            #[inline]
            fn add_assign(&mut self, other: $name) {
                *self = *self + other;
            }
        }

        impl SubAssign for $name {
            #[inline]
            fn sub_assign(&mut self, other: $name) {
                *self = *self - other;
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if *self == $name::MAX { f.write_str("unbounded") } else { grouped(self.0, f) }
            }
        }
    };
}

unit! {
    /// Bytes of memory.
    Bytes
}
unit! {
    /// Work of marking, in scanned bytes.
    ScanWork
}
unit! {
    /// CPU time in nanoseconds, summed over cores.
    CpuNanos
}
unit! {
    /// Time of the caller's clock in nanoseconds: a moment or a span. It never runs backwards.
    Nanos
}

impl Bytes {
    /// So many MiB.
    pub const fn mib(count: u64) -> Bytes {
        Bytes(count.saturating_mul(1 << 20))
    }

    /// So many KiB.
    pub const fn kib(count: u64) -> Bytes {
        Bytes(count.saturating_mul(1 << 10))
    }
}

impl Nanos {
    /// So many seconds.
    pub const fn seconds(count: u64) -> Nanos {
        Nanos(count.saturating_mul(1_000_000_000))
    }

    /// So many milliseconds.
    pub const fn millis(count: u64) -> Nanos {
        Nanos(count.saturating_mul(1_000_000))
    }

    /// What `cores` cores have in this time.
    pub const fn on(self, cores: u32) -> CpuNanos {
        CpuNanos(self.0.saturating_mul(cores as u64))
    }
}

/// Writes a number with a comma after each three digits.
fn grouped(number: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    f.pad(&text)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: arithmetic never wraps. Method: the edges.
    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Bytes(1) - Bytes(2), Bytes::ZERO);
        assert_eq!(Bytes::MAX + Bytes(2), Bytes::MAX);
        assert_eq!(Bytes(1).checked_sub(Bytes(2)), None);
        assert_eq!(Bytes(u64::MAX / 2).scaled(300, 100), Bytes::MAX);
        assert_eq!(Bytes(u64::MAX / 3).scaled(300, 100), Bytes(u64::MAX / 3 * 3));
        assert_eq!(Bytes(7).scaled(1, 0), Bytes::MAX);
        assert_eq!(Bytes(7).scaled(50, 100), Bytes(3));
        assert_eq!(Bytes::from_f64(f64::NAN), Bytes::ZERO);
        assert_eq!(Bytes::from_f64(-1.0), Bytes::ZERO);
        assert_eq!(Bytes::from_f64(f64::INFINITY), Bytes::MAX);
    }

    /// Goal: numbers can be read. Method: groups of three.
    #[test]
    fn numbers_are_grouped() {
        let texts = [0, 999, 1000, 41_813_836].map(|number| Bytes(number).to_string());
        assert_eq!(texts, ["0", "999", "1,000", "41,813,836"]);
        assert_eq!(Bytes::MAX.to_string(), "unbounded");
    }
}
