-- Since when has the present schedule of rebuilds been in force, so that due times of no other count as missed?
--
-- At most one row, written by the running service: made anew when it finds another schedule, removed when it finds none.

CREATE TABLE schedule_in_force (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    expression TEXT    NOT NULL, -- minute, hour, day of the month, month, day of the week
    timezone   TEXT    NOT NULL,
    since_ms   INTEGER NOT NULL
) STRICT;
