-- Keys of APIs: what plans let them call, the keys that buyers make for their licences, and credentials of outside APIs
-- that are resold.
CREATE TABLE api_endpoints (
    id BLOB NOT NULL PRIMARY KEY,
    -- They go with their plan, which goes only while nobody has bought it.
    plan_id BLOB NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    -- `*` for any.
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    -- What a key must be made for to call it; empty for every key of the plan.
    scope TEXT NOT NULL,
    description TEXT NOT NULL,
    position INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (plan_id, method, path)
) STRICT;

-- The entitlement is the licence: a key has no status of its own but that it was revoked.
CREATE TABLE api_keys (
    id BLOB NOT NULL PRIMARY KEY,
    license_id BLOB NOT NULL REFERENCES licenses (id),
    created_by BLOB REFERENCES users (id),
    name TEXT NOT NULL,
    -- A hash of the secret, and its last characters.
    secret_hash TEXT NOT NULL,
    hint TEXT NOT NULL,
    -- The secret before the last rotation, and until when it is good as well.
    old_hash TEXT,
    old_until INTEGER,
    -- Names separated by spaces; none for all of the plan's.
    scopes TEXT,
    expires_at INTEGER,
    last_used_at INTEGER,
    rotated_at INTEGER,
    revoked_at INTEGER,
    revoked_reason TEXT,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((old_hash IS NULL) = (old_until IS NULL))
) STRICT;
CREATE INDEX api_keys_of_license ON api_keys (license_id, id);

-- Where a vendor makes, rotates and revokes credentials of an outside API.
CREATE TABLE credential_hooks (
    product_id BLOB NOT NULL PRIMARY KEY REFERENCES products (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    -- What calls are signed with, sealed; and the secret before, while both sign.
    secret_sealed BLOB NOT NULL,
    old_secret_sealed BLOB,
    old_until INTEGER,
    -- Whether credentials are made for licences; those that there are can be revoked either way.
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((old_secret_sealed IS NULL) = (old_until IS NULL))
) STRICT;

-- What a vendor's hook gave for a licence.
CREATE TABLE api_credentials (
    id BLOB NOT NULL PRIMARY KEY,
    license_id BLOB NOT NULL UNIQUE REFERENCES licenses (id),
    product_id BLOB NOT NULL REFERENCES products (id),
    state TEXT NOT NULL CHECK (state IN ('provisioning', 'active', 'revoking', 'revoked')),
    -- Grows when it is provisioned anew after it was revoked; rotations of this epoch, as many as are wanted and done.
    epoch INTEGER NOT NULL,
    wanted_rotation INTEGER NOT NULL DEFAULT 0,
    done_rotation INTEGER NOT NULL DEFAULT 0,
    -- JSON {key, secret}, sealed for the licence's owner; the key's last characters, for people.
    sealed BLOB,
    hint TEXT,
    -- JSON objects, as the vendor tells them.
    rate_limits TEXT NOT NULL,
    usage_stats TEXT NOT NULL,
    expires_at INTEGER,
    -- An operator or the vendor took it back: it is not made again.
    barred INTEGER NOT NULL CHECK (barred IN (0, 1)),
    reason TEXT,
    -- The last thing that went wrong with the hook, and since when a person has to look at it.
    problem TEXT,
    attention_at INTEGER,
    sync_asked_at INTEGER,
    last_synced_at INTEGER,
    provisioned_at INTEGER,
    rotated_at INTEGER,
    revoked_at INTEGER,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (done_rotation <= wanted_rotation),
    CHECK (state <> 'active' OR sealed IS NOT NULL)
) STRICT;
CREATE INDEX api_credentials_of_product ON api_credentials (product_id, id);
CREATE INDEX api_credentials_to_sync ON api_credentials (sync_asked_at) WHERE state = 'active';
