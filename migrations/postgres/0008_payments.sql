-- Events of payment providers, each kept once, with what became of it.
CREATE TABLE webhook_inbox (
    id UUID NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    handled_at TIMESTAMPTZ,
    outcome TEXT,
    -- What else there is to say about the outcome.
    detail TEXT,
    replays BIGINT NOT NULL DEFAULT 0,
    UNIQUE (provider, event_id)
);

-- Sessions that were opened with a provider, and the money that came of them.
CREATE TABLE payments (
    id UUID NOT NULL PRIMARY KEY,
    order_id UUID NOT NULL REFERENCES orders (id),
    subscription_id UUID REFERENCES subscriptions (id),
    provider TEXT NOT NULL,
    -- The provider's checkout session or order; for a renewal, its invoice.
    provider_ref TEXT NOT NULL,
    -- The provider's name of the money itself: payment intent, capture.
    charge_ref TEXT,
    -- Where the buyer pays.
    url TEXT,
    state TEXT NOT NULL CHECK (state IN ('open', 'succeeded', 'failed', 'cancelled')),
    amount BIGINT NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    refunded BIGINT NOT NULL DEFAULT 0,
    -- Whether it settles nothing (another amount, paid twice, paid too late) and waits in suspense.
    unmatched BOOLEAN NOT NULL DEFAULT FALSE,
    -- What the provider kept, once it told.
    fee BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    settled_at TIMESTAMPTZ,
    UNIQUE (provider, provider_ref),
    CHECK (refunded BETWEEN 0 AND amount)
);
CREATE INDEX payments_of_order ON payments (order_id);
CREATE INDEX payments_open ON payments (created_at) WHERE state = 'open';
CREATE INDEX payments_of_charge ON payments (provider, charge_ref) WHERE charge_ref IS NOT NULL;

CREATE INDEX payments_without_fee ON payments (settled_at) WHERE fee IS NULL AND state = 'succeeded';

CREATE TABLE refunds (
    id UUID NOT NULL PRIMARY KEY,
    order_id UUID NOT NULL REFERENCES orders (id),
    -- None while the payment that it refunds is not known yet.
    payment_id UUID REFERENCES payments (id),
    provider TEXT NOT NULL,
    provider_ref TEXT,
    charge_ref TEXT,
    amount BIGINT NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    state TEXT NOT NULL CHECK (state IN ('requested', 'pending', 'succeeded', 'failed')),
    reason TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- When it was taken from the order and the ledger.
    applied_at TIMESTAMPTZ,
    UNIQUE (provider, provider_ref)
);
CREATE INDEX refunds_of_order ON refunds (order_id);

CREATE TABLE disputes (
    id UUID NOT NULL PRIMARY KEY,
    order_id UUID NOT NULL REFERENCES orders (id),
    payment_id UUID NOT NULL REFERENCES payments (id),
    provider TEXT NOT NULL,
    provider_ref TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    state TEXT NOT NULL CHECK (state IN ('open', 'won', 'lost')),
    reason TEXT NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,
    UNIQUE (provider, provider_ref)
);
CREATE INDEX disputes_of_order ON disputes (order_id);

-- The double-entry ledger. Debits are positive, credits negative; the entries of a transaction sum to zero per currency.
-- Nothing here is ever changed: a mistake is reversed by another transaction.
CREATE TABLE ledger_transactions (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    -- What it books, so that nothing is booked twice, e.g. `refund:rfd_…`.
    cause TEXT NOT NULL UNIQUE,
    order_id UUID,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX ledger_transactions_of_order ON ledger_transactions (order_id);

CREATE TABLE ledger_entries (
    id UUID NOT NULL PRIMARY KEY,
    transaction_id UUID NOT NULL,
    account TEXT NOT NULL,
    -- Whose payable it is.
    developer_id UUID,
    amount BIGINT NOT NULL CHECK (amount <> 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    -- When a vendor's share can be paid out.
    available_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX ledger_entries_of_transaction ON ledger_entries (transaction_id);
CREATE INDEX ledger_entries_balance ON ledger_entries (account, developer_id, currency);
CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger entries are reversed, never changed or deleted' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER ledger_entries_are_never_changed BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_ledger_change();

-- The sandbox provider's side of the world: what a real one would remember of its sessions, charges and refunds. It knows
-- of the shop's orders by name alone, as a real one does.
CREATE TABLE sandbox_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    order_id UUID NOT NULL,
    description TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    -- How often it is charged again.
    recurring TEXT CHECK (recurring IN ('month', 'year')),
    email TEXT NOT NULL,
    success_url TEXT NOT NULL,
    cancel_url TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('open', 'pending', 'paid', 'expired')),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE sandbox_subscriptions (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE REFERENCES sandbox_sessions (id),
    state TEXT NOT NULL CHECK (state IN ('active', 'past_due', 'cancelled')),
    period_end TIMESTAMPTZ NOT NULL,
    cancel_at_period_end BOOLEAN NOT NULL DEFAULT FALSE,
    -- What could not be charged last.
    unpaid_invoice TEXT UNIQUE
);

CREATE TABLE sandbox_charges (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sandbox_sessions (id),
    -- Of which invoice of a subscription.
    invoice TEXT UNIQUE,
    amount BIGINT NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    fee BIGINT NOT NULL,
    refunded BIGINT NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
    dispute TEXT,
    dispute_state TEXT CHECK (dispute_state IN ('open', 'won', 'lost')),
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX sandbox_charges_of_session ON sandbox_charges (session_id);

CREATE TABLE sandbox_refunds (
    id TEXT NOT NULL PRIMARY KEY,
    charge_id TEXT NOT NULL REFERENCES sandbox_charges (id),
    amount BIGINT NOT NULL CHECK (amount > 0),
    idempotency_key TEXT NOT NULL UNIQUE
);
CREATE INDEX sandbox_refunds_of_charge ON sandbox_refunds (charge_id);
