-- How far each usage journal was counted. A row is kept after its journal is gone, so that a journal which comes back
-- from a backup is not counted again.
CREATE TABLE usage_journals (
    journal_id UUID NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL CHECK (position >= 0),
    updated_at TIMESTAMPTZ NOT NULL
);

-- What was used, by hour, day and month (UTC). The key serves one endpoint as well as the sum over all of them.
CREATE TABLE usage_summaries (
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    period TEXT NOT NULL CHECK (period IN ('hour', 'day', 'month')),
    period_start TIMESTAMPTZ NOT NULL,
    endpoint TEXT NOT NULL,
    count BIGINT NOT NULL CHECK (count >= 0),
    PRIMARY KEY (subject, metric, period, period_start, endpoint)
);

-- Single calls, a sample or all of them. The key begins with the time, so that old calls are deleted as one range.
CREATE TABLE api_usage_logs (
    id UUID NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    amount BIGINT NOT NULL,
    status INTEGER NOT NULL,
    duration_micros BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    meta TEXT,
    PRIMARY KEY (at, id)
);
CREATE INDEX api_usage_logs_by_subject ON api_usage_logs (subject, at);
