-- Feature flags. The definition is JSON that the program validated; `version` guards concurrent changes.
CREATE TABLE flags (
    key TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('boolean', 'string', 'number', 'object')),
    definition TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    changed_by TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- The six kill switches. A row each, from the start: a switch is flipped by a guarded UPDATE.
CREATE TABLE kill_switches (
    name TEXT NOT NULL PRIMARY KEY,
    killed INTEGER NOT NULL DEFAULT 0 CHECK (killed IN (0, 1)),
    reason TEXT,
    changed_by TEXT,
    changed_at INTEGER
) STRICT;
INSERT INTO kill_switches (name) VALUES ('payments'), ('licensing'), ('downloads'), ('referrals'), ('ai'), ('support');

-- Grows with every change of a flag or switch: one cheap read tells whether anything changed.
CREATE TABLE flag_revision (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO flag_revision (id, revision) VALUES (1, 0);
