-- What people ask for under data protection law: an archive of what is kept of them, and to be forgotten.
CREATE TABLE data_exports (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    requested_by TEXT NOT NULL CHECK (requested_by IN ('person', 'operator')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'expired', 'failed')),
    -- Of the archive, in bytes; its SHA-256 in hexadecimal.
    size INTEGER CHECK (size > 0),
    sha256 TEXT CHECK (length(sha256) = 64),
    created_at INTEGER NOT NULL,
    ready_at INTEGER,
    -- When the archive goes.
    expires_at INTEGER,
    CHECK (state <> 'ready' OR (size IS NOT NULL AND sha256 IS NOT NULL AND ready_at IS NOT NULL AND expires_at IS NOT NULL))
) STRICT;
CREATE INDEX data_exports_of_user ON data_exports (user_id, id);
-- One at a time.
CREATE UNIQUE INDEX data_exports_pending ON data_exports (user_id) WHERE state = 'pending';
CREATE INDEX data_exports_expiry ON data_exports (expires_at) WHERE state = 'ready';

CREATE TABLE account_deletions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    requested_by TEXT NOT NULL CHECK (requested_by IN ('person', 'operator')),
    state TEXT NOT NULL CHECK (state IN ('scheduled', 'cancelled', 'running', 'done')),
    -- When it begins; until then it can be cancelled.
    due_at INTEGER NOT NULL,
    -- Why it has not begun though it is due, or does not go on.
    waits_for TEXT,
    -- Where the last letter goes, sealed; forgotten once it went.
    farewell TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    done_at INTEGER,
    cancelled_at INTEGER,
    -- When it was looked once more for what came in after it was done.
    swept_at INTEGER,
    CHECK ((state = 'done') = (done_at IS NOT NULL)),
    CHECK ((state = 'cancelled') = (cancelled_at IS NOT NULL)),
    CHECK (farewell IS NULL OR state = 'done')
) STRICT;
CREATE INDEX account_deletions_of_user ON account_deletions (user_id, id);
CREATE UNIQUE INDEX account_deletions_alive ON account_deletions (user_id) WHERE state IN ('scheduled', 'running');
CREATE INDEX account_deletions_unfinished ON account_deletions (due_at) WHERE state IN ('scheduled', 'running');
CREATE INDEX account_deletions_unswept ON account_deletions (done_at) WHERE state = 'done' AND swept_at IS NULL;
