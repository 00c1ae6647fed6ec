-- Orders. What is independent is kept apart; the status that people see is derived from it.

CREATE TABLE orders (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    -- Who ordered; none for a guest.
    user_id BLOB REFERENCES users (id),
    email TEXT NOT NULL,
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    -- In minor units: total = subtotal - discount + tax.
    subtotal INTEGER NOT NULL CHECK (subtotal >= 0),
    discount INTEGER NOT NULL CHECK (discount >= 0),
    tax INTEGER NOT NULL CHECK (tax >= 0),
    total INTEGER NOT NULL CHECK (total >= 0),
    refunded INTEGER NOT NULL DEFAULT 0,
    coupon_id BLOB REFERENCES coupons (id),
    provider TEXT NOT NULL,
    payment_state TEXT NOT NULL
        CHECK (payment_state IN ('pending', 'awaiting_payment', 'paid', 'partially_refunded', 'refunded', 'expired', 'cancelled')),
    fulfilment_state TEXT NOT NULL CHECK (fulfilment_state IN ('unfulfilled', 'fulfilled', 'revoked')),
    dispute_state TEXT NOT NULL CHECK (dispute_state IN ('none', 'open', 'won', 'lost')),
    -- Why an operator should look, e.g. a payment of another amount.
    attention TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    paid_at INTEGER,
    fulfilled_at INTEGER,
    -- When the reconciler asked the provider last.
    reconciled_at INTEGER,
    CHECK (total = subtotal - discount + tax),
    CHECK (refunded BETWEEN 0 AND total)
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_of_tenant ON orders (tenant_id, id);
CREATE INDEX orders_unpaid ON orders (expires_at) WHERE payment_state IN ('pending', 'awaiting_payment');
CREATE INDEX orders_unfulfilled ON orders (paid_at) WHERE payment_state = 'paid' AND fulfilment_state = 'unfulfilled';
CREATE INDEX orders_attention ON orders (id) WHERE attention IS NOT NULL;

-- As it was when it was ordered: later changes to the catalogue change no order.
CREATE TABLE order_items (
    id BLOB NOT NULL PRIMARY KEY,
    order_id BLOB NOT NULL REFERENCES orders (id),
    position INTEGER NOT NULL,
    product_id BLOB NOT NULL REFERENCES products (id),
    plan_id BLOB NOT NULL REFERENCES plans (id),
    developer_id BLOB NOT NULL,
    title TEXT NOT NULL,
    plan_name TEXT NOT NULL,
    billing_cycle TEXT NOT NULL CHECK (billing_cycle IN ('one_time', 'monthly', 'yearly', 'trial')),
    trial_days INTEGER,
    license_type TEXT NOT NULL CHECK (license_type IN ('regular', 'extended', 'developer')),
    limits TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    unit_amount INTEGER NOT NULL CHECK (unit_amount >= 0),
    discount INTEGER NOT NULL CHECK (discount >= 0),
    tax INTEGER NOT NULL CHECK (tax >= 0),
    total INTEGER NOT NULL CHECK (total >= 0),
    commission_bps INTEGER NOT NULL CHECK (commission_bps BETWEEN 0 AND 10000),
    UNIQUE (order_id, position),
    CHECK (total = quantity * unit_amount - discount + tax)
) STRICT, WITHOUT ROWID;

-- The timeline: every change of an order, in order of its ids.
CREATE TABLE order_events (
    id BLOB NOT NULL,
    order_id BLOB NOT NULL,
    event TEXT NOT NULL,
    -- A JSON object.
    detail TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE coupon_redemptions (
    -- The order's own row is written with the commit.
    order_id BLOB NOT NULL PRIMARY KEY REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED,
    coupon_id BLOB NOT NULL REFERENCES coupons (id),
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX coupon_redemptions_by_customer ON coupon_redemptions (coupon_id, tenant_id);

CREATE TABLE subscriptions (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    order_id BLOB NOT NULL REFERENCES orders (id),
    order_item_id BLOB NOT NULL UNIQUE REFERENCES order_items (id),
    plan_id BLOB NOT NULL REFERENCES plans (id),
    provider TEXT NOT NULL,
    -- The provider's own subscription.
    provider_ref TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'trialing', 'past_due', 'cancelled', 'expired')),
    -- What one period costs, in minor units.
    amount INTEGER NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    cancel_at_period_end INTEGER NOT NULL CHECK (cancel_at_period_end IN (0, 1)),
    -- How many reminders of an unpaid renewal went out, and when the next step is due.
    dunning_step INTEGER NOT NULL DEFAULT 0,
    dunning_at INTEGER,
    -- The provider's unpaid invoice.
    unpaid_invoice TEXT,
    cancelled_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX subscriptions_of_provider ON subscriptions (provider, provider_ref);
CREATE INDEX subscriptions_of_tenant ON subscriptions (tenant_id, id);
CREATE INDEX subscriptions_dunning ON subscriptions (dunning_at) WHERE dunning_at IS NOT NULL;
CREATE INDEX subscriptions_period ON subscriptions (period_end) WHERE status IN ('active', 'trialing', 'past_due');
