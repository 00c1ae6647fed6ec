-- Who did what. Rows are added by the transaction that did it, and never updated.
-- Hashes, keys and ciphertexts are lower-case hexadecimal, because appended rows travel as JSON.
CREATE TABLE audit_entries (
    id BLOB NOT NULL PRIMARY KEY,
    occurred_at INTEGER NOT NULL,
    actor_kind TEXT NOT NULL CHECK (actor_kind IN ('user', 'operator', 'system', 'provider')),
    actor_id TEXT NOT NULL,
    action TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    before_json TEXT,
    after_json TEXT,
    reason TEXT,
    request_id TEXT,
    -- Whose personal data the entry holds, and that data under the person's key.
    person BLOB,
    personal TEXT,
    CHECK ((person IS NULL) = (personal IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_by_actor ON audit_entries (actor_kind, actor_id, id);
CREATE INDEX audit_by_object ON audit_entries (object_type, object_id, id);

-- Those that have no place in the chain yet.
CREATE TABLE audit_unsealed (id BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;

-- The chain, some entries to a link: the sequence numbers of the first and the last, and for each of them, in order, its
-- identifier (32 characters) and the beginning of its hash (16). A hash is keyed and covers the entry and the hash before it;
-- the last one stands here whole.
CREATE TABLE audit_seals (
    last_seq INTEGER NOT NULL PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    entries TEXT NOT NULL,
    key_id TEXT NOT NULL,
    mac TEXT NOT NULL,
    sealed_at INTEGER NOT NULL,
    CHECK (length(entries) = 48 * (last_seq - first_seq + 1))
) STRICT;

-- The end of the chain. Its guarded update is what lets one sealer at a time go on.
CREATE TABLE audit_head (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    mac TEXT NOT NULL
) STRICT;
INSERT INTO audit_head (id, seq, mac) VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- A key per person, sealed under the installation's. Without it what the entries hold of the person is noise; the row
-- stays behind to tell an erased person from a lost key.
CREATE TABLE audit_person_keys (
    person BLOB NOT NULL PRIMARY KEY,
    sealed_key TEXT,
    created_at INTEGER NOT NULL,
    erased_at INTEGER,
    CHECK ((sealed_key IS NULL) = (erased_at IS NOT NULL))
) STRICT;
