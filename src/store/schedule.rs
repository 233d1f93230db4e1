//! Since when the present schedule of rebuilds has been in force.
//!
//! In: the schedule that a running service goes by. Out: the same with its first moment, across restarts. Never: a due
//! time; what is due is decided elsewhere.

use rusqlite::params;

use super::error::StoreError;
use super::lookup::Reader;
use super::write::Store;
use crate::domain::Timestamp;

/// A schedule, and since when a running service has gone by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleInForce {
    /// Minute, hour, day of the month, month, day of the week.
    pub expression: String,
    /// An IANA zone.
    pub timezone: String,
    /// The first moment.
    pub since: Timestamp,
}

impl ScheduleInForce {
    /// Whether both are one schedule, whenever it came into force.
    pub fn is_of(&self, other: &ScheduleInForce) -> bool {
        (&self.expression, &self.timezone) == (&other.expression, &other.timezone)
    }
}

impl Store {
    /// Puts a schedule on record in the place of any other; `None`: none is in force.
    pub fn put_schedule_in_force(&mut self, schedule: Option<&ScheduleInForce>) -> Result<(), StoreError> {
        self.write("record the schedule of rebuilds", |batch| {
            batch.transaction.execute("DELETE FROM schedule_in_force", [])?;
            if let Some(schedule) = schedule {
                batch.transaction.execute(
                    "INSERT INTO schedule_in_force (id, expression, timezone, since_ms) VALUES (1, ?1, ?2, ?3)",
                    params![
                        schedule.expression,
                        schedule.timezone,
                        schedule.since.as_millis()
                    ],
                )?;
            }
            Ok(())
        })
    }
}

impl Reader {
    /// The schedule that the service goes by, or went by when it last ran; `None`: it went by none, or never ran.
    pub fn schedule_in_force(&self) -> Result<Option<ScheduleInForce>, StoreError> {
        self.row(
            "look up the schedule of rebuilds",
            "SELECT expression, timezone, since_ms FROM schedule_in_force",
            [],
            |row| {
                Ok(ScheduleInForce {
                    expression: row.get(0)?,
                    timezone: row.get(1)?,
                    since: Timestamp::from_millis(row.get(2)?),
                })
            },
        )
    }
}
