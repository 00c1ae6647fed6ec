-- Taxes: what is kept of them on what is sold, the rates, and the invoices.
ALTER TABLE products ADD COLUMN tax_category TEXT NOT NULL DEFAULT 'standard';
-- Tax that the prices contain; `tax` is what comes on top of them. An order has one or the other.
ALTER TABLE orders ADD COLUMN tax_included INTEGER NOT NULL DEFAULT 0 CHECK (tax_included >= 0);
ALTER TABLE orders ADD COLUMN tax_treatment TEXT NOT NULL DEFAULT 'none'
    CHECK (tax_treatment IN ('none', 'taxed', 'reverse_charge'));
ALTER TABLE order_items ADD COLUMN tax_included INTEGER NOT NULL DEFAULT 0 CHECK (tax_included >= 0);
-- In millionths: 190000 is 19 %.
ALTER TABLE order_items ADD COLUMN tax_rate INTEGER NOT NULL DEFAULT 0 CHECK (tax_rate BETWEEN 0 AND 1000000);
ALTER TABLE order_items ADD COLUMN tax_name TEXT NOT NULL DEFAULT '';

CREATE TABLE tax_rates (
    id BLOB NOT NULL PRIMARY KEY,
    -- ISO 3166-1 alpha-2.
    country TEXT NOT NULL CHECK (length(country) = 2),
    -- A part of the country; empty for all of it.
    region TEXT NOT NULL,
    -- The products' tax category.
    category TEXT NOT NULL,
    -- As invoices call it.
    name TEXT NOT NULL,
    rate INTEGER NOT NULL CHECK (rate BETWEEN 0 AND 1000000),
    valid_from INTEGER NOT NULL,
    -- Not from then on; none while nothing is known of an end.
    valid_until INTEGER,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (country, region, category, valid_from),
    CHECK (valid_until IS NULL OR valid_until > valid_from)
) STRICT;

-- Whom an order is billed to, as it was said when it was ordered, with what speaks for the place.
CREATE TABLE order_billing (
    order_id BLOB NOT NULL PRIMARY KEY REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED,
    name TEXT,
    company TEXT,
    line1 TEXT,
    line2 TEXT,
    city TEXT,
    region TEXT,
    postcode TEXT,
    country TEXT NOT NULL CHECK (length(country) = 2),
    vat_id TEXT,
    -- A JSON object.
    evidence TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What is settled and has no paper yet; whoever issues the paper deletes the row in the same transaction.
CREATE TABLE invoices_due (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    -- What the ledger books it under.
    cause TEXT NOT NULL UNIQUE,
    order_id BLOB NOT NULL,
    payment_id BLOB NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    -- How much of the payment had gone back before.
    before INTEGER NOT NULL CHECK (before >= 0),
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- The last number that each series has given.
CREATE TABLE invoice_series (
    name TEXT NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL CHECK (last > 0)
) STRICT;

-- Invoices and credit notes, never changed.
CREATE TABLE invoices (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    series TEXT NOT NULL REFERENCES invoice_series (name),
    number INTEGER NOT NULL CHECK (number > 0),
    -- As it is printed, e.g. INV-2026-000123.
    code TEXT NOT NULL UNIQUE,
    cause TEXT NOT NULL UNIQUE,
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    order_id BLOB NOT NULL REFERENCES orders (id),
    payment_id BLOB NOT NULL REFERENCES payments (id),
    -- The invoice that a credit note corrects.
    corrects_id BLOB REFERENCES invoices (id),
    email TEXT NOT NULL,
    country TEXT,
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    net INTEGER NOT NULL,
    tax INTEGER NOT NULL CHECK (tax >= 0),
    total INTEGER NOT NULL CHECK (total > 0),
    issued_at INTEGER NOT NULL,
    -- Everything that is printed, as JSON, and its SHA-256.
    document TEXT NOT NULL,
    hash TEXT NOT NULL,
    UNIQUE (series, number),
    CHECK (total = net + tax),
    CHECK ((kind = 'credit_note') = (corrects_id IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX invoices_of_payment ON invoices (payment_id) WHERE kind = 'invoice';
CREATE INDEX invoices_of_order ON invoices (order_id);
CREATE INDEX invoices_of_tenant ON invoices (tenant_id, id);
CREATE TRIGGER invoices_are_never_changed BEFORE UPDATE ON invoices
BEGIN SELECT RAISE(ABORT, 'invoices are corrected by credit notes, never changed'); END;
CREATE TRIGGER invoices_are_never_deleted BEFORE DELETE ON invoices
BEGIN SELECT RAISE(ABORT, 'invoices are corrected by credit notes, never deleted'); END;
