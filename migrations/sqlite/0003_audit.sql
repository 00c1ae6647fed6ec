-- Who did what. Rows are added by the transaction that did it; the sealer later gives each a sequence number without
-- gaps and a keyed hash that covers the row and its predecessor's hash. Nothing else is ever updated.
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
    seq INTEGER,
    key_id TEXT,
    mac TEXT,
    CHECK ((person IS NULL) = (personal IS NULL)),
    CHECK ((seq IS NULL) = (mac IS NULL)),
    CHECK ((seq IS NULL) = (key_id IS NULL))
) STRICT, WITHOUT ROWID;
-- Two indexes, each of the rows that the other has not: an entry moves from one to the other when it is sealed.
CREATE UNIQUE INDEX audit_by_seq ON audit_entries (seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_unsealed ON audit_entries (id) WHERE seq IS NULL;
CREATE INDEX audit_by_actor ON audit_entries (actor_kind, actor_id, id);
CREATE INDEX audit_by_object ON audit_entries (object_type, object_id, id);

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
