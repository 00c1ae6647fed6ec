-- The queue. Lookup values of `state` are the queue's own and change with its code alone, so a CHECK pins them: a foreign
-- key to a lookup table would cost a look-up per claim and completion.
CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('available', 'scheduled', 'running', 'retryable', 'completed', 'cancelled', 'discarded')),
    -- A job whose group is busy is set aside, out of the claim's way, until the group is free.
    parked INTEGER NOT NULL DEFAULT 0 CHECK (parked IN (0, 1)),
    priority INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL CHECK (max_attempts > 0),
    -- Grows with every claim: a worker that lost its lease holds an older one.
    token INTEGER NOT NULL DEFAULT 0,
    worker_id BLOB,
    group_key TEXT,
    has_unique_key INTEGER NOT NULL DEFAULT 0 CHECK (has_unique_key IN (0, 1)),
    cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    traceparent TEXT,
    errors TEXT,
    created_at INTEGER NOT NULL,
    claimed_at INTEGER,
    finished_at INTEGER,
    CHECK ((state = 'running') = (worker_id IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_ready ON jobs (queue, priority, id) WHERE state = 'available' AND NOT parked;
CREATE INDEX jobs_parked ON jobs (group_key, priority, id) WHERE state = 'available' AND parked;
CREATE INDEX jobs_due ON jobs (run_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX jobs_running ON jobs (worker_id) WHERE state = 'running';
CREATE UNIQUE INDEX jobs_group_runs_once ON jobs (group_key) WHERE state = 'running' AND group_key IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (queue, id) WHERE state = 'discarded';

-- Unique keys of jobs that have not ended.
CREATE TABLE job_keys (
    key TEXT NOT NULL PRIMARY KEY,
    job_id BLOB NOT NULL
) STRICT;
CREATE INDEX job_keys_by_job ON job_keys (job_id);

-- Processes that work. One whose `beat` stands still for the lease is dead and its jobs are claimed again.
CREATE TABLE job_workers (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    beat INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT;

-- Queues that an operator or a kill switch paused.
CREATE TABLE job_queues (
    queue TEXT NOT NULL PRIMARY KEY,
    paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
    reason TEXT,
    changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE job_schedules (
    name TEXT NOT NULL PRIMARY KEY,
    next_run_at INTEGER NOT NULL,
    last_run_at INTEGER
) STRICT;

-- What happened, for those who follow it: pages, outgoing webhooks, reports.
CREATE TABLE domain_events (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    occurred_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
