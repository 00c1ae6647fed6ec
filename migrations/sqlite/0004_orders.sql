-- Orders and what a paid one gives. What people see as an order's status is derived from its independent states.
CREATE TABLE order_payment_states (state TEXT NOT NULL PRIMARY KEY) STRICT;
INSERT INTO order_payment_states (state) VALUES ('awaiting_payment'), ('paid');

CREATE TABLE orders (
    id BLOB NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    product TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    payment_state TEXT NOT NULL REFERENCES order_payment_states (state),
    created_at INTEGER NOT NULL,
    paid_at INTEGER,
    fulfilled_at INTEGER
) STRICT;

-- Events of payment providers, each kept once, with what became of it.
CREATE TABLE webhook_inbox (
    id BLOB NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    outcome TEXT,
    received_at INTEGER NOT NULL,
    handled_at INTEGER,
    UNIQUE (provider, event_id)
) STRICT;

CREATE TABLE licenses (
    id BLOB NOT NULL PRIMARY KEY,
    order_id BLOB NOT NULL UNIQUE REFERENCES orders (id),
    product TEXT NOT NULL,
    license_key TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;
