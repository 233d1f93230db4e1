//! Moments, as records have them.
//!
//! In: milliseconds, clocks' times, ISO 8601, what people write. Out: UTC with milliseconds. Never: a clock that is read, or
//! the zone of the machine: the same words mean the same to a command, to a page and to a program far away.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, ZonedDateTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ParseError;

/// A moment, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970-01-01 UTC.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// What a person means: a date (its beginning), a time, or how long before `now`. Where no zone is written it is UTC, as
    /// all times are printed; a day is one of 24 hours.
    pub fn meant(text: &str, now: Timestamp) -> Result<Timestamp, ParseError> {
        let wrong = |_: jiff::Error| {
            let expected = "a date (2026-11-23), a time (2026-11-23T18:00, in UTC unless a zone is written) or how long ago (90m, 2h, 3d)";
            ParseError::new(text, expected)
        };
        // The others would pass over a zone that is written, also over one that does not exist.
        if text.contains('[') {
            let zoned = text.parse::<ZonedDateTime>().map_err(wrong)?;
            return Ok(zoned.timestamp().into());
        }
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Ok(moment.into());
        }
        if let Ok(civil) = text.parse::<DateTime>() {
            let zoned = civil.to_zoned_datetime(TimeZone::UTC).map_err(wrong)?;
            return Ok(zoned.timestamp().into());
        }
        let span: Span = text.parse().map_err(wrong)?;
        let now = jiff::Timestamp::from_millisecond(now.0).map_err(wrong)?;
        let ago = now
            .to_zoned_datetime(TimeZone::UTC)
            .checked_sub(span.abs())
            .map_err(wrong)?;
        Ok(ago.timestamp().into())
    }
}

impl From<jiff::Timestamp> for Timestamp {
    /// Cut to milliseconds.
    fn from(moment: jiff::Timestamp) -> Self {
        Self(moment.as_millisecond())
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(after.as_millis() as i64),
            Err(before) => Self(-(before.duration().as_millis() as i64)),
        }
    }
}

impl fmt::Display for Timestamp {
    /// ISO 8601 in UTC with milliseconds, for example `2026-11-23T18:31:00.250Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Timestamp {
    type Err = ParseError;

    /// Reads what `Display` writes, and every other ISO 8601 moment with an offset; cut to milliseconds.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse::<jiff::Timestamp>()
            .map(Self::from)
            .map_err(|_| ParseError::new(text, "a moment in ISO 8601, such as 2026-11-23T18:31:00.250Z"))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A date was the machine's local one on the command line and one of UTC on the pages, which took no `2h30m`.
    #[test]
    fn what_people_write_means_the_same_everywhere() {
        let now = Timestamp(1_000_000_000);
        for (text, millis) in [
            ("90m", 994_600_000),
            ("2h", 992_800_000),
            ("2h30m", 991_000_000),
            ("1d", 913_600_000),
            ("1w", 395_200_000),
            ("1970-01-02", 86_400_000),
            ("1970-01-02T01:00", 90_000_000),
            ("1970-01-01T00:00:01.25Z", 1_250),
            ("1970-01-02T01:00+01:00", 86_400_000),
            ("1970-01-02T09:00[Asia/Tokyo]", 86_400_000),
        ] {
            assert_eq!(Timestamp::meant(text, now), Ok(Timestamp(millis)), "{text:?}");
        }
        for text in [
            "",
            "ü",
            "yesterday-ish",
            "12",
            "2h ago or so",
            "1970-01-02[Asia/Tokio]",
            "9999999y",
        ] {
            let error = Timestamp::meant(text, now).unwrap_err().to_string();
            assert!(error.contains("90m") && error.contains(text), "{error}");
        }
    }
}
