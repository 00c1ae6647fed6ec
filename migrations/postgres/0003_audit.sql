-- Who did what. Rows are added by the transaction that did it, and never updated.
-- Hashes, keys and ciphertexts are lower-case hexadecimal, because appended rows travel as JSON.
CREATE TABLE audit_entries (
    id UUID NOT NULL PRIMARY KEY,
    occurred_at TIMESTAMPTZ NOT NULL,
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
    person UUID,
    personal TEXT,
    CHECK ((person IS NULL) = (personal IS NULL))
);
CREATE INDEX audit_by_actor ON audit_entries (actor_kind, actor_id, id);
CREATE INDEX audit_by_object ON audit_entries (object_type, object_id, id);

-- Those that have no place in the chain yet.
CREATE TABLE audit_unsealed (id UUID NOT NULL PRIMARY KEY);

-- The chain, some entries to a link: the sequence numbers of the first and the last, and for each of them, in order, its
-- identifier (32 characters) and the beginning of its hash (16). A hash is keyed and covers the entry and the hash before it;
-- the last one stands here whole.
CREATE TABLE audit_seals (
    last_seq BIGINT NOT NULL PRIMARY KEY,
    first_seq BIGINT NOT NULL,
    entries TEXT NOT NULL,
    key_id TEXT NOT NULL,
    mac TEXT NOT NULL,
    sealed_at TIMESTAMPTZ NOT NULL,
    CHECK (length(entries) = 48 * (last_seq - first_seq + 1))
);

-- The end of the chain. Its guarded update is what lets one sealer at a time go on.
CREATE TABLE audit_head (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    mac TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, mac) VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- A key per person, sealed under the installation's. Without it what the entries hold of the person is noise; the row
-- stays behind to tell an erased person from a lost key.
CREATE TABLE audit_person_keys (
    person UUID NOT NULL PRIMARY KEY,
    sealed_key TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    erased_at TIMESTAMPTZ,
    CHECK ((sealed_key IS NULL) = (erased_at IS NOT NULL))
);
