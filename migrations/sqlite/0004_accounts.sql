-- People, what proves who they are, and the tenants that own what they buy.

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    -- In lower case; one account an address.
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- Argon2id in PHC form; none for an account that has no password yet, as every one whose address is not proven.
    password_hash TEXT,
    role TEXT NOT NULL CHECK (role IN ('customer', 'developer', 'affiliate', 'admin')),
    email_verified_at INTEGER,
    disabled_at INTEGER,
    -- Sealed. In force once enabled.
    totp_secret TEXT,
    totp_enabled_at INTEGER,
    -- The last time step that was accepted: a code is good once.
    totp_last_step INTEGER,
    last_login_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Everything bought belongs to a tenant. A guest's has no owner until its address is proven.
CREATE TABLE tenants (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('personal', 'organisation', 'guest')),
    owner_id BLOB REFERENCES users (id),
    name TEXT NOT NULL,
    guest_email TEXT,
    -- Whose a guest's purchases became, once the address was proven.
    merged_into BLOB REFERENCES tenants (id),
    created_at INTEGER NOT NULL,
    CHECK ((owner_id IS NULL) = (kind = 'guest'))
) STRICT;
CREATE UNIQUE INDEX tenants_personal ON tenants (owner_id) WHERE kind = 'personal';
CREATE INDEX tenants_guest ON tenants (guest_email) WHERE kind = 'guest';

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    token_hash TEXT NOT NULL UNIQUE,
    ip TEXT,
    user_agent TEXT,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Personal access tokens. The token itself is shown once and never kept.
CREATE TABLE access_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    -- Its last characters, so that people can tell their tokens apart.
    hint TEXT NOT NULL,
    -- Names separated by spaces.
    scopes TEXT NOT NULL,
    -- Given at a login in place of a session: ends with the sessions when the password changes.
    from_login INTEGER NOT NULL DEFAULT 0 CHECK (from_login IN (0, 1)),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX access_tokens_of_user ON access_tokens (user_id);

CREATE TABLE recovery_codes (
    user_id BLOB NOT NULL REFERENCES users (id),
    code_hash TEXT NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (user_id, code_hash)
) STRICT;

-- What a link in a mail proves: that its reader reads this address. The link's token is made from the id when the mail
-- is written, so nothing here opens anything.
CREATE TABLE mail_proofs (
    id BLOB NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('verify_email', 'reset_password', 'claim_purchases', 'guest_support')),
    user_id BLOB REFERENCES users (id),
    tenant_id BLOB REFERENCES tenants (id),
    email TEXT NOT NULL,
    -- What a registration chose. It comes into force with the proof that was mailed for it and with no other, so that
    -- nobody can slip a password of theirs under an address that somebody else proves.
    name TEXT,
    password_hash TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE INDEX mail_proofs_of_user ON mail_proofs (user_id);
CREATE INDEX mail_proofs_expiry ON mail_proofs (expires_at);

-- Answers to requests that carried an Idempotency-Key; the answers are sealed.
CREATE TABLE idempotency_keys (
    -- Caller and route.
    scope TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    -- Of the request's body.
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    response TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, idempotency_key)
) STRICT;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
