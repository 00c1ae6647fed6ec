-- What is for sale. `revision` grows with every change: it is the row's ETag.
CREATE TABLE developers (
    id UUID NOT NULL PRIMARY KEY,
    -- None for the house, which sells the platform's own products.
    user_id UUID UNIQUE REFERENCES users (id),
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- The platform's share in hundredths of a percent; none for the configured one. The house keeps all of it.
    commission_bps BIGINT CHECK (commission_bps BETWEEN 0 AND 10000),
    is_house BOOLEAN NOT NULL DEFAULT FALSE,
    revision BIGINT NOT NULL DEFAULT 1,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX developers_house ON developers (is_house) WHERE is_house;
-- The house is there from the start, so that nobody has to make it first and no two can.
INSERT INTO developers (id, slug, name, is_house, revision, created_at, updated_at)
VALUES ('019b0000-0000-7000-8000-000000000001', 'house', 'House', TRUE, 1, now(), now());

CREATE TABLE categories (
    id UUID NOT NULL PRIMARY KEY,
    parent_id UUID REFERENCES categories (id),
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    position BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX categories_children ON categories (parent_id, position);

CREATE TABLE products (
    id UUID NOT NULL PRIMARY KEY,
    developer_id UUID NOT NULL REFERENCES developers (id),
    category_id UUID REFERENCES categories (id),
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
    featured BOOLEAN NOT NULL,
    downloads BIGINT NOT NULL DEFAULT 0,
    rating_sum BIGINT NOT NULL DEFAULT 0,
    rating_count BIGINT NOT NULL DEFAULT 0,
    demo_url TEXT,
    github_url TEXT,
    documentation_url TEXT,
    requires_auth BOOLEAN NOT NULL,
    default_license TEXT NOT NULL CHECK (default_license IN ('regular', 'extended', 'developer')),
    -- JSON objects.
    meta TEXT NOT NULL,
    api_config TEXT NOT NULL,
    revision BIGINT NOT NULL,
    published_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX products_of_developer ON products (developer_id);
CREATE INDEX products_of_category ON products (category_id);
CREATE INDEX products_newest ON products (status, published_at, id);

-- What is searched: words as they are, in no language in particular, a hyphen or a dot between them parting them.
-- SQLite has the table product_search instead.
ALTER TABLE products ADD COLUMN search TSVECTOR NOT NULL GENERATED ALWAYS AS (
    setweight(to_tsvector('simple', translate(title, '-./_@:+', '       ')), 'A')
    || setweight(to_tsvector('simple', translate(short_description, '-./_@:+', '       ')), 'B')
    || setweight(to_tsvector('simple', translate(description, '-./_@:+', '       ')), 'C')
    || setweight(to_tsvector('simple', translate(content, '-./_@:+', '       ')), 'D')
) STORED;
CREATE INDEX products_search ON products USING GIN (search);

CREATE TABLE plans (
    id UUID NOT NULL PRIMARY KEY,
    product_id UUID NOT NULL REFERENCES products (id),
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    billing_cycle TEXT NOT NULL CHECK (billing_cycle IN ('one_time', 'monthly', 'yearly', 'trial')),
    -- How long a trial lasts.
    trial_days BIGINT CHECK (trial_days > 0),
    license_type TEXT NOT NULL CHECK (license_type IN ('regular', 'extended', 'developer')),
    -- JSON: a list of texts, and an object {activations, uses, domains, ips, api_calls}, each a number or absent for no limit.
    features TEXT NOT NULL,
    limits TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    position BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (product_id, slug),
    CHECK ((trial_days IS NOT NULL) = (billing_cycle = 'trial'))
);

CREATE TABLE plan_prices (
    plan_id UUID NOT NULL REFERENCES plans (id),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    -- In minor units, for one.
    amount BIGINT NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (plan_id, currency)
);

-- The lowest price that a product's active plans have in a currency, trials aside: what lists show, filter and sort by.
-- Kept by whoever writes plans and prices, in the same transaction.
CREATE TABLE product_prices (
    product_id UUID NOT NULL REFERENCES products (id),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    amount BIGINT NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (product_id, currency)
);
CREATE INDEX product_prices_by_amount ON product_prices (currency, amount, product_id);

-- Either a percentage or an amount of one currency, off the items in scope.
CREATE TABLE coupons (
    id UUID NOT NULL PRIMARY KEY,
    -- In upper case.
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    percent_bps BIGINT CHECK (percent_bps BETWEEN 1 AND 10000),
    amount BIGINT CHECK (amount > 0),
    currency TEXT CHECK (length(currency) = 3),
    starts_at TIMESTAMPTZ,
    ends_at TIMESTAMPTZ,
    max_uses BIGINT CHECK (max_uses > 0),
    max_uses_per_customer BIGINT CHECK (max_uses_per_customer > 0),
    used BIGINT NOT NULL DEFAULT 0,
    active BOOLEAN NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK ((percent_bps IS NULL) <> (amount IS NULL)),
    CHECK ((amount IS NULL) = (currency IS NULL)),
    CHECK (used >= 0 AND (max_uses IS NULL OR used <= max_uses))
);
-- What a coupon is good for; without rows, everything.
CREATE TABLE coupon_products (
    coupon_id UUID NOT NULL REFERENCES coupons (id),
    product_id UUID NOT NULL REFERENCES products (id),
    PRIMARY KEY (coupon_id, product_id)
);
CREATE TABLE coupon_categories (
    coupon_id UUID NOT NULL REFERENCES coupons (id),
    category_id UUID NOT NULL REFERENCES categories (id),
    PRIMARY KEY (coupon_id, category_id)
);
