//! Sizes in bytes, as people type and read them: `64KiB`, `512MiB`, `2GiB`, `4096`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// The units, largest first, with their sizes in bytes.
const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// The text does not begin with a whole number.
    #[error("a size is a whole number and a unit, such as 512MiB, 2GiB, 64KiB, or plain bytes")]
    NotANumber,
    /// What follows the number is no known unit.
    #[error("'{0}' is not a unit of size; use KiB, MiB, GiB or TiB, or plain bytes")]
    UnknownUnit(String),
    /// The size does not fit into 64 bits.
    #[error("the size is larger than any address space; use at most 128TiB")]
    TooLarge,
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start();
        if number.is_empty() || unit.starts_with('.') {
            return Err(SizeError::NotANumber);
        }
        let unit_bytes = match unit {
            "" => 1,
            _ => UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|&(_, bytes)| bytes)
                .ok_or_else(|| SizeError::UnknownUnit(unit.to_owned()))?,
        };
        // Only digits are left, so the one way to fail is overflow.
        let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
        number.checked_mul(unit_bytes).map(ByteSize).ok_or(SizeError::TooLarge)
    }
}

impl fmt::Display for ByteSize {
    /// Writes whole sizes exactly (`512 MiB`) and others with one digit after the point (`61.2 MiB`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &(unit, unit_bytes) = UNITS.iter().find(|&&(_, bytes)| self.0 >= bytes).unwrap_or(&("B", 1));
        if self.0.is_multiple_of(unit_bytes) {
            write!(f, "{} {unit}", self.0 / unit_bytes)
        } else {
            write!(f, "{:.1} {unit}", self.0 as f64 / unit_bytes as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ByteSize, SizeError};

    #[test]
    fn sizes_are_read_with_and_without_units() {
        let cases = [
            ("0", 0),
            ("4096", 4096),
            ("64KiB", 64 << 10),
            ("512MiB", 512 << 20),
            ("2GiB", 2 << 30),
            ("2 gib", 2 << 30),
            ("7B", 7),
            ("1TiB", 1 << 40),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_its_reason() {
        for text in ["", "MiB", "-1", "nan", "1.5GiB", ".5MiB"] {
            assert_eq!(text.parse::<ByteSize>(), Err(SizeError::NotANumber), "{text}");
        }
        for text in ["1MB", "1M", "12e3", "3 apples"] {
            assert!(matches!(text.parse::<ByteSize>(), Err(SizeError::UnknownUnit(_))), "{text}");
        }
        for text in ["18446744073709551616", "99999999TiB"] {
            assert_eq!(text.parse::<ByteSize>(), Err(SizeError::TooLarge), "{text}");
        }
    }

    #[test]
    fn sizes_are_written_in_the_largest_unit_that_fits() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (512 << 20, "512 MiB"), (1536 << 10, "1.5 MiB")];
        for (bytes, text) in cases {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }
}
