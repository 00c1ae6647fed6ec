-- Keys of APIs: what plans let them call, the keys that buyers make for their licences, and credentials of outside APIs
-- that are resold.
CREATE TABLE api_endpoints (
    id UUID NOT NULL PRIMARY KEY,
    -- They go with their plan, which goes only while nobody has bought it.
    plan_id UUID NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    -- `*` for any.
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    -- What a key must be made for to call it; empty for every key of the plan.
    scope TEXT NOT NULL,
    description TEXT NOT NULL,
    position BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (plan_id, method, path)
);

-- The entitlement is the licence: a key has no status of its own but that it was revoked.
CREATE TABLE api_keys (
    id UUID NOT NULL PRIMARY KEY,
    license_id UUID NOT NULL REFERENCES licenses (id),
    created_by UUID REFERENCES users (id),
    name TEXT NOT NULL,
    -- A hash of the secret, and its last characters.
    secret_hash TEXT NOT NULL,
    hint TEXT NOT NULL,
    -- The secret before the last rotation, and until when it is good as well.
    old_hash TEXT,
    old_until TIMESTAMPTZ,
    -- Names separated by spaces; none for all of the plan's.
    scopes TEXT,
    expires_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    rotated_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    revoked_reason TEXT,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK ((old_hash IS NULL) = (old_until IS NULL))
);
CREATE INDEX api_keys_of_license ON api_keys (license_id, id);

-- Where a vendor makes, rotates and revokes credentials of an outside API.
CREATE TABLE credential_hooks (
    product_id UUID NOT NULL PRIMARY KEY REFERENCES products (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    -- What calls are signed with, sealed; and the secret before, while both sign.
    secret_sealed BYTEA NOT NULL,
    old_secret_sealed BYTEA,
    old_until TIMESTAMPTZ,
    -- Whether credentials are made for licences; those that there are can be revoked either way.
    active BOOLEAN NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK ((old_secret_sealed IS NULL) = (old_until IS NULL))
);

-- What a vendor's hook gave for a licence.
CREATE TABLE api_credentials (
    id UUID NOT NULL PRIMARY KEY,
    license_id UUID NOT NULL UNIQUE REFERENCES licenses (id),
    product_id UUID NOT NULL REFERENCES products (id),
    state TEXT NOT NULL CHECK (state IN ('provisioning', 'active', 'revoking', 'revoked')),
    -- Grows when it is provisioned anew after it was revoked; rotations of this epoch, as many as are wanted and done.
    epoch BIGINT NOT NULL,
    wanted_rotation BIGINT NOT NULL DEFAULT 0,
    done_rotation BIGINT NOT NULL DEFAULT 0,
    -- JSON {key, secret}, sealed for the licence's owner; the key's last characters, for people.
    sealed BYTEA,
    hint TEXT,
    -- JSON objects, as the vendor tells them.
    rate_limits TEXT NOT NULL,
    usage_stats TEXT NOT NULL,
    expires_at TIMESTAMPTZ,
    -- An operator or the vendor took it back: it is not made again.
    barred BOOLEAN NOT NULL,
    reason TEXT,
    -- The last thing that went wrong with the hook, and since when a person has to look at it.
    problem TEXT,
    attention_at TIMESTAMPTZ,
    sync_asked_at TIMESTAMPTZ,
    last_synced_at TIMESTAMPTZ,
    provisioned_at TIMESTAMPTZ,
    rotated_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK (done_rotation <= wanted_rotation),
    CHECK (state <> 'active' OR sealed IS NOT NULL)
);
CREATE INDEX api_credentials_of_product ON api_credentials (product_id, id);
CREATE INDEX api_credentials_to_sync ON api_credentials (sync_asked_at) WHERE state = 'active';
