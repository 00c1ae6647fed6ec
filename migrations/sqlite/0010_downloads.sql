-- Where products' files come from, who may fetch them, and who did.

CREATE TABLE product_sources (
    id BLOB NOT NULL PRIMARY KEY,
    product_id BLOB NOT NULL REFERENCES products (id),
    provider TEXT NOT NULL CHECK (provider IN ('local', 's3', 'url', 'github', 'gitlab', 'gitea')),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- A file's name in the storage, or an address. Buyers never see it.
    source_url TEXT NOT NULL,
    -- Whether the vendor named the address: then it is fetched from the public Internet alone.
    by_vendor INTEGER NOT NULL CHECK (by_vendor IN (0, 1)),
    -- What opens a private address, sealed.
    encrypted_token BLOB,
    version TEXT NOT NULL,
    -- What buyers' files are called.
    file_name TEXT NOT NULL,
    file_size INTEGER CHECK (file_size >= 0),
    -- SHA-256 in hexadecimal.
    checksum TEXT CHECK (length(checksum) = 64),
    content_type TEXT,
    -- A JSON object.
    metadata TEXT NOT NULL,
    is_primary INTEGER NOT NULL CHECK (is_primary IN (0, 1)),
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('uploading', 'unverified', 'ok', 'broken')),
    -- Why it is broken.
    problem TEXT,
    -- What the origin tells its versions apart by, when it was verified last.
    origin_tag TEXT,
    last_verified_at INTEGER,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (state <> 'ok' OR (file_size IS NOT NULL AND checksum IS NOT NULL)),
    CHECK ((state = 'broken') = (problem IS NOT NULL))
) STRICT;
CREATE INDEX product_sources_of_product ON product_sources (product_id, id);
CREATE UNIQUE INDEX product_sources_primary ON product_sources (product_id) WHERE is_primary;
CREATE INDEX product_sources_due ON product_sources (last_verified_at) WHERE is_active;

-- Links that were given out. No foreign keys: these rows are appended.
CREATE TABLE download_grants (
    id BLOB NOT NULL PRIMARY KEY,
    product_id BLOB NOT NULL,
    product_source_id BLOB NOT NULL,
    -- Whose it is; nobody's for a product that is free without an account.
    tenant_id BLOB,
    user_id BLOB,
    -- The licence that entitled.
    license_id BLOB,
    uses INTEGER NOT NULL CHECK (uses >= 0),
    max_uses INTEGER NOT NULL,
    -- Ranges fetched of downloads that had begun.
    continuations INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX download_grants_expiry ON download_grants (expires_at);

-- Every attempt. Appended too; deleted in the order of its identifiers, which is that of time.
CREATE TABLE download_logs (
    id BLOB NOT NULL PRIMARY KEY,
    product_id BLOB NOT NULL,
    product_source_id BLOB,
    tenant_id BLOB,
    user_id BLOB,
    license_id BLOB,
    -- The link's row, which is not the link.
    download_token BLOB,
    ip_address TEXT,
    user_agent TEXT,
    status TEXT NOT NULL CHECK (status IN ('started', 'delivered', 'aborted', 'failed', 'redirected', 'refused')),
    -- Why it was refused or failed.
    reason TEXT,
    -- Of the whole file.
    file_size INTEGER,
    range_start INTEGER,
    bytes_sent INTEGER NOT NULL,
    downloaded_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX download_logs_of_product ON download_logs (product_id, id);
CREATE INDEX download_logs_of_tenant ON download_logs (tenant_id, id);
CREATE INDEX download_logs_open ON download_logs (downloaded_at) WHERE status = 'started';
