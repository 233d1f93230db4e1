-- Which moment of the schedule is the latest that is dealt with, however many were passed over?

CREATE INDEX runs_by_due ON runs (due_at_ms) WHERE due_at_ms IS NOT NULL;
