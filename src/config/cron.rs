//! When something is due by the calendar: a cron expression in a time zone.
//!
//! In: five fields and the name of an IANA zone. Out: the next due moment after a given one. Never: the clock, a
//! sleep, an expression that never comes due.
//!
//! The expression is searched on the wall clock, where nothing is skipped or repeated, and only what was found is put
//! into the zone. So every wall-clock time that the expression names is due exactly once: one that daylight saving
//! skips at the first moment after the gap (together with all others of that gap), one that it repeats the first
//! time.

use std::cmp::Ordering;
use std::fmt;

use croner::errors::CronError as CronerError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDateTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::domain::Timestamp;

/// The five fields in order: name, and what is allowed besides `*`, lists, ranges and steps.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, or L for the last"),
    ("month", "1 to 12, or jan to dec"),
    ("day of the week", "0 to 7 (0 and 7 are Sunday), or sun to sat"),
];

/// A cron expression in a time zone; it comes due at least once in four centuries.
///
/// Where day of the month and day of the week are both restricted, a day that fits either of them counts, as with
/// every cron.
#[derive(Clone)]
pub struct CronSchedule {
    expression: String,
    cron: Cron,
    zone: TimeZone,
    zone_name: String,
}

/// A schedule that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error(
        "the schedule {expression:?} has {found} fields; five are needed: minute, hour, day of the month, month, day of the week, for example \"0 3 * * sun\""
    )]
    FieldCount {
        /// As written.
        expression: String,
        /// How many there are.
        found: usize,
    },
    /// One field says what it cannot.
    #[error(
        "the {field} {value:?} of the schedule {expression:?} cannot be; allowed are {allowed}, *, lists (1,2), ranges (1-5) and steps (*/2)"
    )]
    Field {
        /// As written.
        expression: String,
        /// Which of the five.
        field: &'static str,
        /// As written.
        value: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// No calendar has such a day.
    #[error("the schedule {expression:?} never comes due: no year has such a day")]
    NeverDue {
        /// As written.
        expression: String,
    },
    /// No such zone.
    #[error(
        "{timezone:?} is no time zone of the IANA database; allowed are names such as Europe/Berlin, and UTC"
    )]
    Zone {
        /// As written.
        timezone: String,
    },
}

impl CronSchedule {
    /// Reads five cron fields (`0 3 * * sun`) that are meant in the time zone of this IANA name (`Europe/Berlin`).
    pub fn parse(expression: &str, timezone: &str) -> Result<Self, CronError> {
        let cron = parse_fields(expression)?;
        let zone = TimeZone::get(timezone).map_err(|_| CronError::Zone {
            timezone: timezone.into(),
        })?;
        let zone_name = zone.iana_name().unwrap_or(timezone).to_owned();
        Ok(Self {
            expression: expression.trim().into(),
            cron,
            zone,
            zone_name,
        })
    }

    /// The first due moment later than `after`; `None` only at the end of the calendar, thousands of years away.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let mut wall = WallClock(self.wall_clock(after)?);
        // Within a repeated hour the wall clock shows times that were due when it showed them first: at most as many
        // as there are minutes in what is repeated.
        loop {
            wall = self.cron.find_next_occurrence(&wall, false).ok()?;
            let due = self.moment(wall.0)?;
            if due > after {
                return Some(due);
            }
        }
    }

    /// The expression as written, without space around it.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The zone's name.
    pub fn timezone(&self) -> &str {
        &self.zone_name
    }

    /// A moment as the zone's clocks show it, for people: `2026-03-29 03:00 CEST`.
    pub fn local_time(&self, at: Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(moment) => moment
                .to_zoned_datetime(self.zone.clone())
                .strftime("%Y-%m-%d %H:%M %Z")
                .to_string(),
            Err(_) => at.to_string(),
        }
    }

    fn wall_clock(&self, at: Timestamp) -> Option<DateTime> {
        let moment = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        Some(self.zone.to_datetime(moment))
    }

    /// When the zone's clocks show `wall`: the first time if twice, the first moment after the gap if never.
    fn moment(&self, wall: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(wall);
        let moment = match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                // As far behind the end of the gap as `wall` is behind its beginning; the change that made the gap is
                // the last one up to then. One second more, because "preceding" leaves the moment itself out.
                let later = ambiguous.later().ok()?;
                let beyond = later.checked_add(SignedDuration::from_secs(1)).ok()?;
                let change = self.zone.preceding(beyond).next();
                change.map_or(later, |change| change.timestamp())
            }
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok()?,
        };
        Some(Timestamp::from_millis(moment.as_millisecond()))
    }
}

impl fmt::Debug for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CronSchedule({:?} in {})", self.expression, self.zone_name)
    }
}

impl fmt::Display for CronSchedule {
    /// `0 3 * * sun (Europe/Berlin)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.expression, self.zone_name)
    }
}

impl PartialEq for CronSchedule {
    /// Whether both come due at the same moments for the same reason: expression and zone are written alike.
    fn eq(&self, other: &Self) -> bool {
        (&self.expression, &self.zone_name) == (&other.expression, &other.zone_name)
    }
}

impl Eq for CronSchedule {}

fn parse_fields(expression: &str) -> Result<Cron, CronError> {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let [_, _, _, _, _] = fields[..] else {
        return Err(CronError::FieldCount {
            expression: expression.into(),
            found: fields.len(),
        });
    };
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    // Each field alone first, so that the error can say which one it is.
    for (index, (field, allowed)) in FIELDS.into_iter().enumerate() {
        let mut alone = ["*"; 5];
        alone[index] = fields[index];
        if parser.parse(&alone.join(" ")).is_err() {
            return Err(CronError::Field {
                expression: expression.into(),
                field,
                value: fields[index].into(),
                allowed,
            });
        }
    }
    let never = || CronError::NeverDue {
        expression: expression.into(),
    };
    let cron = parser.parse(&fields.join(" ")).map_err(|_| never())?;
    // The calendar repeats itself every 400 years, and the search goes on for thousands.
    let start = WallClock(DateTime::constant(2000, 1, 1, 0, 0, 0, 0));
    cron.find_next_occurrence(&start, true).map_err(|_| never())?;
    Ok(cron)
}

/// A wall-clock time without a zone, as the search steps over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WallClock(DateTime);

impl CronDateTime for WallClock {
    fn to_civil(&self) -> CivilDateTime {
        let wall = self.0;
        CivilDateTime::from_ymd_hms_opt(
            wall.year().into(),
            wall.month() as u32,
            wall.day() as u32,
            wall.hour() as u32,
            wall.minute() as u32,
            wall.second() as u32,
        )
        .expect("a date of the one calendar is a date of the other; this is a bug")
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(self.0.weekday().to_sunday_zero_offset() as u32)
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronerError> {
        let year = i16::try_from(civil.year()).map_err(|_| CronerError::InvalidDate)?;
        let (month, day) = (civil.month() as i8, civil.day() as i8);
        let (hour, minute, second) = (civil.hour() as i8, civil.minute() as i8, civil.second() as i8);
        DateTime::new(year, month, day, hour, minute, second, 0)
            .map(|wall| Resolution::Single(WallClock(wall)))
            .map_err(|_| CronerError::InvalidDate)
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        let moved = self.0.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        Some(WallClock(moved))
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
#[path = "cron_tests.rs"]
mod tests;
