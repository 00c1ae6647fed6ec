-- The queue. Lookup values of `state` are the queue's own and change with its code alone, so a CHECK pins them: a foreign
-- key to a lookup table would cost a look-up per claim and completion, and a lock on one row that all share.
CREATE TABLE jobs (
    id UUID NOT NULL PRIMARY KEY,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('available', 'scheduled', 'running', 'retryable', 'completed', 'cancelled', 'discarded')),
    -- A job whose group is busy is set aside, out of the claim's way, until the group is free.
    parked BOOLEAN NOT NULL DEFAULT FALSE,
    priority INTEGER NOT NULL,
    run_at TIMESTAMPTZ NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL CHECK (max_attempts > 0),
    -- Grows with every claim: a worker that lost its lease holds an older one.
    token BIGINT NOT NULL DEFAULT 0,
    worker_id UUID,
    group_key TEXT,
    has_unique_key BOOLEAN NOT NULL DEFAULT FALSE,
    cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
    traceparent TEXT,
    errors TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    claimed_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    CHECK ((state = 'running') = (worker_id IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX jobs_ready ON jobs (queue, priority, id) WHERE state = 'available' AND NOT parked;
CREATE INDEX jobs_parked ON jobs (group_key, priority, id) WHERE state = 'available' AND parked;
CREATE INDEX jobs_due ON jobs (run_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX jobs_running ON jobs (worker_id) WHERE state = 'running';
CREATE UNIQUE INDEX jobs_group_runs_once ON jobs (group_key) WHERE state = 'running' AND group_key IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (queue, id) WHERE state = 'discarded';

-- Unique keys of jobs that have not ended.
CREATE TABLE job_keys (
    key TEXT NOT NULL PRIMARY KEY,
    job_id UUID NOT NULL
);
CREATE INDEX job_keys_by_job ON job_keys (job_id);

-- Processes that work. One whose `beat` stands still for the lease is dead and its jobs are claimed again.
CREATE TABLE job_workers (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    beat BIGINT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL
);

-- Queues that an operator or a kill switch paused.
CREATE TABLE job_queues (
    queue TEXT NOT NULL PRIMARY KEY,
    paused BOOLEAN NOT NULL,
    reason TEXT,
    changed_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE job_schedules (
    name TEXT NOT NULL PRIMARY KEY,
    next_run_at TIMESTAMPTZ NOT NULL,
    last_run_at TIMESTAMPTZ
);

-- What happened, for those who follow it: pages, outgoing webhooks, reports.
CREATE TABLE domain_events (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    occurred_at TIMESTAMPTZ NOT NULL
);
