-- Where products' files come from, who may fetch them, and who did.

CREATE TABLE product_sources (
    id UUID NOT NULL PRIMARY KEY,
    product_id UUID NOT NULL REFERENCES products (id),
    provider TEXT NOT NULL CHECK (provider IN ('local', 's3', 'url', 'github', 'gitlab', 'gitea')),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- A file's name in the storage, or an address. Buyers never see it.
    source_url TEXT NOT NULL,
    -- Whether the vendor named the address: then it is fetched from the public Internet alone.
    by_vendor BOOLEAN NOT NULL,
    -- What opens a private address, sealed.
    encrypted_token BYTEA,
    version TEXT NOT NULL,
    -- What buyers' files are called.
    file_name TEXT NOT NULL,
    file_size BIGINT CHECK (file_size >= 0),
    -- SHA-256 in hexadecimal.
    checksum TEXT CHECK (length(checksum) = 64),
    content_type TEXT,
    -- A JSON object.
    metadata TEXT NOT NULL,
    is_primary BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('uploading', 'unverified', 'ok', 'broken')),
    -- Why it is broken.
    problem TEXT,
    -- What the origin tells its versions apart by, when it was verified last.
    origin_tag TEXT,
    last_verified_at TIMESTAMPTZ,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK (state <> 'ok' OR (file_size IS NOT NULL AND checksum IS NOT NULL)),
    CHECK ((state = 'broken') = (problem IS NOT NULL))
);
CREATE INDEX product_sources_of_product ON product_sources (product_id, id);
CREATE UNIQUE INDEX product_sources_primary ON product_sources (product_id) WHERE is_primary;
CREATE INDEX product_sources_due ON product_sources (last_verified_at) WHERE is_active;

-- Links that were given out. No foreign keys: these rows are appended.
CREATE TABLE download_grants (
    id UUID NOT NULL PRIMARY KEY,
    product_id UUID NOT NULL,
    product_source_id UUID NOT NULL,
    -- Whose it is; nobody's for a product that is free without an account.
    tenant_id UUID,
    user_id UUID,
    -- The licence that entitled.
    license_id UUID,
    uses BIGINT NOT NULL CHECK (uses >= 0),
    max_uses BIGINT NOT NULL,
    -- Ranges fetched of downloads that had begun.
    continuations BIGINT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX download_grants_expiry ON download_grants (expires_at);

-- Every attempt. Appended too; deleted in the order of its identifiers, which is that of time.
CREATE TABLE download_logs (
    id UUID NOT NULL PRIMARY KEY,
    product_id UUID NOT NULL,
    product_source_id UUID,
    tenant_id UUID,
    user_id UUID,
    license_id UUID,
    -- The link's row, which is not the link.
    download_token UUID,
    ip_address TEXT,
    user_agent TEXT,
    status TEXT NOT NULL CHECK (status IN ('started', 'delivered', 'aborted', 'failed', 'redirected', 'refused')),
    -- Why it was refused or failed.
    reason TEXT,
    -- Of the whole file.
    file_size BIGINT,
    range_start BIGINT,
    bytes_sent BIGINT NOT NULL,
    downloaded_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ
);
CREATE INDEX download_logs_of_product ON download_logs (product_id, id);
CREATE INDEX download_logs_of_tenant ON download_logs (tenant_id, id);
CREATE INDEX download_logs_open ON download_logs (downloaded_at) WHERE status = 'started';
