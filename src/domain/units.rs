//! Durations and sizes as people write them: `30s`, `1m30s`, `64MiB`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr, time::Duration};

/// A text that is not a duration or a size; says what one looks like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {what}; write {example}")]
pub struct UnitError {
    text: String,
    what: &'static str,
    example: &'static str,
}

/// A length of time with millisecond resolution, written as Prometheus does: `250ms`, `30s`, `1m30s`, `2h`, `7d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(Duration);

impl TimeSpan {
    /// Whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// For timers.
    pub const fn as_std(self) -> Duration {
        self.0
    }

    /// Whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0.as_millis() as u64
    }

    /// Whole seconds, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// For arithmetic with [`super::Timestamp`]; saturates at chrono's range of 292 million years.
    pub fn as_chrono(self) -> chrono::Duration {
        chrono::Duration::from_std(self.0).unwrap_or(chrono::Duration::MAX)
    }
}

const TIME_UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for TimeSpan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { text: text.into(), what: "duration", example: "for example 30s, 5m or 1h30m" };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(error());
        }
        let mut milliseconds: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
            let number: u64 = rest[..digits].parse().map_err(|_| error())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = &rest[..letters];
            let (_, factor) = TIME_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
            milliseconds =
                number.checked_mul(*factor).and_then(|part| milliseconds.checked_add(part)).ok_or_else(error)?;
            rest = &rest[letters..];
        }
        Ok(Self::from_millis(milliseconds))
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_millis() as u64;
        if left == 0 {
            return f.write_str("0s");
        }
        for (name, factor) in TIME_UNITS.into_iter().skip(1) {
            if left >= factor {
                write!(f, "{}{name}", left / factor)?;
                left %= factor;
            }
        }
        Ok(())
    }
}

/// A number of bytes, written `512`, `64KiB`, `1.5GiB` or, decimal, `10MB`; printed in the largest binary unit that divides it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const BYTE_UNITS: [(&str, u64); 12] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("k", 1 << 10), // Docker's own one-letter units are binary
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { text: text.into(), what: "size", example: "for example 64MiB, 2GiB or 1000" };
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let unit = trimmed[digits..].trim();
        let factor =
            if unit.is_empty() { 1 } else { BYTE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?.1 };
        if let Ok(whole) = trimmed[..digits].parse::<u64>() {
            return whole.checked_mul(factor).map(Self).ok_or_else(error);
        }
        let number: f64 = trimmed[..digits].parse().map_err(|_| error())?;
        let bytes = number * factor as f64;
        if bytes < 0.0 || bytes >= u64::MAX as f64 { Err(error()) } else { Ok(Self(bytes as u64)) }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, factor) = BYTE_UNITS[1..5]
            .iter()
            .rev()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / factor)
    }
}

macro_rules! serde_as_text {
    ($type:ty, $number:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(stringify!($type))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$type, E> {
                        let convert: fn(u64) -> Result<$type, UnitError> = $number;
                        convert(number).map_err(E::custom)
                    }
                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$type, E> {
                        u64::try_from(number).map_err(E::custom).and_then(|number| self.visit_u64(number))
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }
    };
}

// A bare number is a mistake for a duration (seconds? milliseconds?), and plain bytes for a size.
serde_as_text!(TimeSpan, |number| number.to_string().parse());
serde_as_text!(ByteSize, |number| Ok(ByteSize(number)));

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_and_sizes_read_as_people_write_them() {
        assert_eq!("1m30s".parse(), Ok(TimeSpan::from_secs(90)));
        assert_eq!("250ms".parse(), Ok(TimeSpan::from_millis(250)));
        assert_eq!("64MiB".parse(), Ok(ByteSize(64 << 20)));
        assert_eq!("1.5GiB".parse(), Ok(ByteSize(3 << 29)));
        assert_eq!(ByteSize(48 << 20).to_string(), "48MiB");
        for wrong in ["", "30", "s", "5 minutes", "-1s", "99999999999999w"] {
            assert!(wrong.parse::<TimeSpan>().is_err(), "{wrong}");
        }
        for wrong in ["", "MiB", "-1", "1XB", "99999999999TiB"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(milliseconds in 0u64..10_000_000_000, bytes in any::<u64>()) {
            let span = TimeSpan::from_millis(milliseconds);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
    }
}
