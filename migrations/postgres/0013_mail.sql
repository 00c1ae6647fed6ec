-- What was mailed: who was told what, and what became of it. What a mail says is in no row: it is written anew from the
-- notice, which holds identifiers only.
CREATE TABLE mails (
    id UUID NOT NULL PRIMARY KEY,
    -- What it tells of, and for a mail to several also whom: there is one mail for it, however often it is asked for.
    cause TEXT NOT NULL UNIQUE,
    template TEXT NOT NULL,
    language TEXT NOT NULL,
    -- A keyed hash of the address, and as much of the address as an operator may see.
    recipient TEXT NOT NULL,
    recipient_hint TEXT NOT NULL,
    user_id UUID,
    -- A JSON object, and the job that it was first told to.
    notice TEXT NOT NULL,
    job_id UUID NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'refused', 'suppressed', 'unknown')),
    attempts BIGINT NOT NULL,
    -- Counts the times that somebody had it sent once more after it had been sent; part of its Message-ID.
    edition BIGINT NOT NULL,
    last_error TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    sent_at TIMESTAMPTZ
);
CREATE INDEX mails_of_recipient ON mails (recipient, id);
CREATE INDEX mails_not_sent ON mails (state, id) WHERE state <> 'sent';

-- Addresses that nothing is sent to.
CREATE TABLE mail_suppressions (
    id UUID NOT NULL PRIMARY KEY,
    recipient TEXT NOT NULL UNIQUE,
    recipient_hint TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('bounced', 'complained', 'operator')),
    -- What the server said, or the operator.
    detail TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- What was told of mails later, by providers and servers: each delivery once.
CREATE TABLE mail_reports (
    id UUID NOT NULL PRIMARY KEY,
    -- What the delivery is called whenever it comes, and which of those in it.
    delivery TEXT NOT NULL,
    position BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('bounced', 'complained')),
    recipient TEXT NOT NULL,
    recipient_hint TEXT NOT NULL,
    -- Which mail, as it was told; there may be none.
    mail_id UUID,
    status TEXT,
    detail TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('suppressed', 'noted', 'unproven')),
    received_at TIMESTAMPTZ NOT NULL,
    UNIQUE (delivery, position)
);
CREATE INDEX mail_reports_of_recipient ON mail_reports (recipient, id);
CREATE INDEX mail_reports_by_age ON mail_reports (received_at);

-- How the owner of an account wants to be written to. No row: nobody has said.
CREATE TABLE mail_settings (
    user_id UUID NOT NULL PRIMARY KEY REFERENCES users (id),
    language TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- Who does not want which mails: an account's id or, for somebody without one, the keyed hash of an address.
CREATE TABLE mail_optouts (
    holder TEXT NOT NULL,
    topic TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (holder, topic)
);

-- The letter about a guest's order looks for the guest's newest link.
CREATE INDEX mail_proofs_of_tenant ON mail_proofs (tenant_id, id) WHERE tenant_id IS NOT NULL;
