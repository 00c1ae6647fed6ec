-- Taxes: what is kept of them on what is sold, the rates, and the invoices.
ALTER TABLE products ADD COLUMN tax_category TEXT NOT NULL DEFAULT 'standard';
-- Tax that the prices contain; `tax` is what comes on top of them. An order has one or the other.
ALTER TABLE orders ADD COLUMN tax_included BIGINT NOT NULL DEFAULT 0 CHECK (tax_included >= 0);
ALTER TABLE orders ADD COLUMN tax_treatment TEXT NOT NULL DEFAULT 'none'
    CHECK (tax_treatment IN ('none', 'taxed', 'reverse_charge'));
ALTER TABLE order_items ADD COLUMN tax_included BIGINT NOT NULL DEFAULT 0 CHECK (tax_included >= 0);
-- In millionths: 190000 is 19 %.
ALTER TABLE order_items ADD COLUMN tax_rate BIGINT NOT NULL DEFAULT 0 CHECK (tax_rate BETWEEN 0 AND 1000000);
ALTER TABLE order_items ADD COLUMN tax_name TEXT NOT NULL DEFAULT '';

CREATE TABLE tax_rates (
    id UUID NOT NULL PRIMARY KEY,
    -- ISO 3166-1 alpha-2.
    country TEXT NOT NULL CHECK (length(country) = 2),
    -- A part of the country; empty for all of it.
    region TEXT NOT NULL,
    -- The products' tax category.
    category TEXT NOT NULL,
    -- As invoices call it.
    name TEXT NOT NULL,
    rate BIGINT NOT NULL CHECK (rate BETWEEN 0 AND 1000000),
    valid_from TIMESTAMPTZ NOT NULL,
    -- Not from then on; none while nothing is known of an end.
    valid_until TIMESTAMPTZ,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (country, region, category, valid_from),
    CHECK (valid_until IS NULL OR valid_until > valid_from)
);

-- Whom an order is billed to, as it was said when it was ordered, with what speaks for the place.
CREATE TABLE order_billing (
    order_id UUID NOT NULL PRIMARY KEY REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED,
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
    created_at TIMESTAMPTZ NOT NULL
);

-- What is settled and has no paper yet; whoever issues the paper deletes the row in the same transaction.
CREATE TABLE invoices_due (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    -- What the ledger books it under.
    cause TEXT NOT NULL UNIQUE,
    order_id UUID NOT NULL,
    payment_id UUID NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    -- How much of the payment had gone back before.
    before BIGINT NOT NULL CHECK (before >= 0),
    reason TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- The last number that each series has given.
CREATE TABLE invoice_series (
    name TEXT NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL CHECK (last > 0)
);

-- Invoices and credit notes, never changed.
CREATE TABLE invoices (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    series TEXT NOT NULL REFERENCES invoice_series (name),
    number BIGINT NOT NULL CHECK (number > 0),
    -- As it is printed, e.g. INV-2026-000123.
    code TEXT NOT NULL UNIQUE,
    cause TEXT NOT NULL UNIQUE,
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    order_id UUID NOT NULL REFERENCES orders (id),
    payment_id UUID NOT NULL REFERENCES payments (id),
    -- The invoice that a credit note corrects.
    corrects_id UUID REFERENCES invoices (id),
    email TEXT NOT NULL,
    country TEXT,
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    net BIGINT NOT NULL,
    tax BIGINT NOT NULL CHECK (tax >= 0),
    total BIGINT NOT NULL CHECK (total > 0),
    issued_at TIMESTAMPTZ NOT NULL,
    -- Everything that is printed, as JSON, and its SHA-256.
    document TEXT NOT NULL,
    hash TEXT NOT NULL,
    UNIQUE (series, number),
    CHECK (total = net + tax),
    CHECK ((kind = 'credit_note') = (corrects_id IS NOT NULL))
);
CREATE UNIQUE INDEX invoices_of_payment ON invoices (payment_id) WHERE kind = 'invoice';
CREATE INDEX invoices_of_order ON invoices (order_id);
CREATE INDEX invoices_of_tenant ON invoices (tenant_id, id);
CREATE FUNCTION refuse_invoice_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'invoices are corrected by credit notes, never changed or deleted' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER invoices_are_never_changed BEFORE UPDATE OR DELETE ON invoices
    FOR EACH ROW EXECUTE FUNCTION refuse_invoice_change();
CREATE TRIGGER invoices_are_never_truncated BEFORE TRUNCATE ON invoices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_invoice_change();
