-- Feature flags. The definition is JSON that the program validated; `version` guards concurrent changes.
CREATE TABLE flags (
    key TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('boolean', 'string', 'number', 'object')),
    definition TEXT NOT NULL,
    version BIGINT NOT NULL CHECK (version > 0),
    changed_by TEXT NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
);

-- The six kill switches. A row each, from the start: a switch is flipped by a guarded UPDATE.
CREATE TABLE kill_switches (
    name TEXT NOT NULL PRIMARY KEY,
    killed BOOLEAN NOT NULL DEFAULT FALSE,
    reason TEXT,
    changed_by TEXT,
    changed_at TIMESTAMPTZ
);
INSERT INTO kill_switches (name) VALUES ('payments'), ('licensing'), ('downloads'), ('referrals'), ('ai'), ('support');

-- Grows with every change of a flag or switch: one cheap read tells whether anything changed.
CREATE TABLE flag_revision (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL
);
INSERT INTO flag_revision (id, revision) VALUES (1, 0);
