-- How far each usage journal was counted. A row is kept after its journal is gone, so that a journal which comes back
-- from a backup is not counted again.
CREATE TABLE usage_journals (
    journal_id BLOB NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL CHECK (position >= 0),
    updated_at INTEGER NOT NULL
) STRICT;

-- What was used, by hour, day and month (UTC). The key serves one endpoint as well as the sum over all of them.
CREATE TABLE usage_summaries (
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    period TEXT NOT NULL CHECK (period IN ('hour', 'day', 'month')),
    period_start INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 0),
    PRIMARY KEY (subject, metric, period, period_start, endpoint)
) STRICT, WITHOUT ROWID;

-- Single calls, a sample or all of them. The key begins with the time, so that old calls are deleted as one range.
CREATE TABLE api_usage_logs (
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    amount INTEGER NOT NULL,
    status INTEGER NOT NULL,
    duration_micros INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    meta TEXT,
    PRIMARY KEY (at, id)
) STRICT;
CREATE INDEX api_usage_logs_by_subject ON api_usage_logs (subject, at);
