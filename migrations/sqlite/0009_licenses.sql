-- Licences, what was activated under them, and what happened to them.

CREATE TABLE licenses (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL,
    user_id BLOB,
    order_id BLOB NOT NULL REFERENCES orders (id),
    order_item_id BLOB NOT NULL,
    -- Which of the item's quantity, from 1.
    seat INTEGER NOT NULL CHECK (seat > 0),
    product_id BLOB NOT NULL,
    plan_id BLOB NOT NULL,
    developer_id BLOB NOT NULL,
    type TEXT NOT NULL CHECK (type IN ('regular', 'extended', 'developer')),
    status TEXT NOT NULL CHECK (status IN ('pending', 'active', 'suspended', 'expired', 'cancelled', 'revoked')),
    -- The key, sealed for its owner; its keyed hash, by which it is found; its last characters, for people.
    key_sealed TEXT NOT NULL,
    key_hash TEXT NOT NULL UNIQUE,
    key_hint TEXT NOT NULL,
    usage_count INTEGER NOT NULL DEFAULT 0,
    max_usage INTEGER CHECK (max_usage > 0),
    activation_count INTEGER NOT NULL DEFAULT 0,
    max_activations INTEGER CHECK (max_activations > 0),
    max_domains INTEGER CHECK (max_domains > 0),
    max_ips INTEGER CHECK (max_ips > 0),
    api_calls INTEGER CHECK (api_calls > 0),
    -- JSON lists of rules: `example.com`, `*.example.com`; addresses and networks. Empty for anywhere.
    domains TEXT NOT NULL,
    ips TEXT NOT NULL,
    -- JSON objects.
    server_info TEXT NOT NULL,
    meta TEXT NOT NULL,
    -- Why it is suspended or revoked.
    reason TEXT,
    expires_at INTEGER,
    -- The last reminder that went out, in days before the expiry.
    reminded_days INTEGER,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (order_item_id, seat),
    CHECK (activation_count >= 0 AND (max_activations IS NULL OR activation_count <= max_activations)),
    CHECK (usage_count >= 0 AND (max_usage IS NULL OR usage_count <= max_usage))
) STRICT;
CREATE INDEX licenses_of_tenant ON licenses (tenant_id, id);
CREATE INDEX licenses_of_order ON licenses (order_id);
CREATE INDEX licenses_of_product ON licenses (product_id);
CREATE INDEX licenses_expiry ON licenses (expires_at) WHERE status = 'active' AND expires_at IS NOT NULL;

CREATE TABLE license_activations (
    id BLOB NOT NULL PRIMARY KEY,
    license_id BLOB NOT NULL REFERENCES licenses (id),
    name TEXT NOT NULL,
    fingerprint TEXT,
    domain TEXT,
    ip TEXT,
    server_info TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    deactivated_at INTEGER
) STRICT;
CREATE INDEX license_activations_of_license ON license_activations (license_id, created_at);
CREATE UNIQUE INDEX license_activations_fingerprint ON license_activations (license_id, fingerprint)
    WHERE fingerprint IS NOT NULL AND deactivated_at IS NULL;

CREATE TABLE license_log (
    id BLOB NOT NULL,
    license_id BLOB NOT NULL,
    action TEXT NOT NULL,
    -- A JSON object.
    detail TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (license_id, id)
) STRICT, WITHOUT ROWID;

-- What caches must forget, in the order in which it became true.
CREATE TABLE license_changes (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    license_id BLOB NOT NULL,
    -- What caches know it by.
    key_hash TEXT NOT NULL,
    -- The writing transaction on PostgreSQL, where numbers are not taken in the order of commits; 0 on SQLite, where they are.
    transaction_id INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX license_changes_by_transaction ON license_changes (transaction_id);
