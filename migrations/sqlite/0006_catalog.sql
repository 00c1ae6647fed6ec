-- What is for sale. `revision` grows with every change: it is the row's ETag.
CREATE TABLE developers (
    id BLOB NOT NULL PRIMARY KEY,
    -- None for the house, which sells the platform's own products.
    user_id BLOB UNIQUE REFERENCES users (id),
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- The platform's share in hundredths of a percent; none for the configured one. The house keeps all of it.
    commission_bps INTEGER CHECK (commission_bps BETWEEN 0 AND 10000),
    is_house INTEGER NOT NULL DEFAULT 0 CHECK (is_house IN (0, 1)),
    revision INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX developers_house ON developers (is_house) WHERE is_house;
-- The house is there from the start, so that nobody has to make it first and no two can.
INSERT INTO developers (id, slug, name, is_house, revision, created_at, updated_at)
VALUES (x'019b0000000070008000000000000001', 'house', 'House', 1, 1,
        CAST(strftime('%s', 'now') AS INTEGER) * 1000000,
        CAST(strftime('%s', 'now') AS INTEGER) * 1000000);

CREATE TABLE categories (
    id BLOB NOT NULL PRIMARY KEY,
    parent_id BLOB REFERENCES categories (id),
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    position INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX categories_children ON categories (parent_id, position);

CREATE TABLE products (
    id BLOB NOT NULL PRIMARY KEY,
    developer_id BLOB NOT NULL REFERENCES developers (id),
    category_id BLOB REFERENCES categories (id),
    module_key TEXT,
    slug TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    short_description TEXT NOT NULL,
    description TEXT NOT NULL,
    content TEXT NOT NULL,
    image TEXT,
    type TEXT NOT NULL CHECK (type IN ('download', 'package', 'license', 'api', 'saas')),
    version TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('draft', 'published', 'archived')),
    featured INTEGER NOT NULL CHECK (featured IN (0, 1)),
    downloads INTEGER NOT NULL DEFAULT 0,
    rating_sum INTEGER NOT NULL DEFAULT 0,
    rating_count INTEGER NOT NULL DEFAULT 0,
    demo_url TEXT,
    github_url TEXT,
    documentation_url TEXT,
    requires_auth INTEGER NOT NULL CHECK (requires_auth IN (0, 1)),
    default_license TEXT NOT NULL CHECK (default_license IN ('regular', 'extended', 'developer')),
    -- JSON objects.
    meta TEXT NOT NULL,
    api_config TEXT NOT NULL,
    revision INTEGER NOT NULL,
    published_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX products_of_developer ON products (developer_id);
CREATE INDEX products_of_category ON products (category_id);
CREATE INDEX products_newest ON products (status, published_at, id);

-- What is searched. FTS5 knows rows by number, and a table without a number of its own may be renumbered by VACUUM: the
-- numbers are kept here. The texts themselves are not kept twice. PostgreSQL has the column products.search instead.
CREATE TABLE product_search_rows (
    number INTEGER NOT NULL PRIMARY KEY,
    product_id BLOB NOT NULL UNIQUE REFERENCES products (id)
) STRICT;
CREATE VIRTUAL TABLE product_search USING fts5 (
    title, short_description, description, content,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 0', prefix = '2 3'
);
CREATE TRIGGER product_search_insert AFTER INSERT ON products BEGIN
    INSERT INTO product_search_rows (product_id) VALUES (NEW.id);
    INSERT INTO product_search (rowid, title, short_description, description, content)
    SELECT number, NEW.title, NEW.short_description, NEW.description, NEW.content
    FROM product_search_rows WHERE product_id = NEW.id;
END;
CREATE TRIGGER product_search_update AFTER UPDATE OF title, short_description, description, content ON products BEGIN
    UPDATE product_search
    SET title = NEW.title, short_description = NEW.short_description, description = NEW.description,
        content = NEW.content
    WHERE rowid = (SELECT number FROM product_search_rows WHERE product_id = NEW.id);
END;
CREATE TRIGGER product_search_delete BEFORE DELETE ON products BEGIN
    DELETE FROM product_search WHERE rowid = (SELECT number FROM product_search_rows WHERE product_id = OLD.id);
    DELETE FROM product_search_rows WHERE product_id = OLD.id;
END;

CREATE TABLE plans (
    id BLOB NOT NULL PRIMARY KEY,
    product_id BLOB NOT NULL REFERENCES products (id),
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    billing_cycle TEXT NOT NULL CHECK (billing_cycle IN ('one_time', 'monthly', 'yearly', 'trial')),
    -- How long a trial lasts.
    trial_days INTEGER CHECK (trial_days > 0),
    license_type TEXT NOT NULL CHECK (license_type IN ('regular', 'extended', 'developer')),
    -- JSON: a list of texts, and an object {activations, uses, domains, ips, api_calls}, each a number or absent for no limit.
    features TEXT NOT NULL,
    limits TEXT NOT NULL,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    position INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (product_id, slug),
    CHECK ((trial_days IS NOT NULL) = (billing_cycle = 'trial'))
) STRICT;

CREATE TABLE plan_prices (
    plan_id BLOB NOT NULL REFERENCES plans (id),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    -- In minor units, for one.
    amount INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (plan_id, currency)
) STRICT;

-- The lowest price that a product's active plans have in a currency, trials aside: what lists show, filter and sort by.
-- Kept by whoever writes plans and prices, in the same transaction.
CREATE TABLE product_prices (
    product_id BLOB NOT NULL REFERENCES products (id),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (product_id, currency)
) STRICT;
CREATE INDEX product_prices_by_amount ON product_prices (currency, amount, product_id);

-- Either a percentage or an amount of one currency, off the items in scope.
CREATE TABLE coupons (
    id BLOB NOT NULL PRIMARY KEY,
    -- In upper case.
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    percent_bps INTEGER CHECK (percent_bps BETWEEN 1 AND 10000),
    amount INTEGER CHECK (amount > 0),
    currency TEXT CHECK (length(currency) = 3),
    starts_at INTEGER,
    ends_at INTEGER,
    max_uses INTEGER CHECK (max_uses > 0),
    max_uses_per_customer INTEGER CHECK (max_uses_per_customer > 0),
    used INTEGER NOT NULL DEFAULT 0,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((percent_bps IS NULL) <> (amount IS NULL)),
    CHECK ((amount IS NULL) = (currency IS NULL)),
    CHECK (used >= 0 AND (max_uses IS NULL OR used <= max_uses))
) STRICT;
-- What a coupon is good for; without rows, everything.
CREATE TABLE coupon_products (
    coupon_id BLOB NOT NULL REFERENCES coupons (id),
    product_id BLOB NOT NULL REFERENCES products (id),
    PRIMARY KEY (coupon_id, product_id)
) STRICT;
CREATE TABLE coupon_categories (
    coupon_id BLOB NOT NULL REFERENCES coupons (id),
    category_id BLOB NOT NULL REFERENCES categories (id),
    PRIMARY KEY (coupon_id, category_id)
) STRICT;
