-- What was mailed: who was told what, and what became of it. What a mail says is in no row: it is written anew from the
-- notice, which holds identifiers only.
CREATE TABLE mails (
    id BLOB NOT NULL PRIMARY KEY,
    -- What it tells of, and for a mail to several also whom: there is one mail for it, however often it is asked for.
    cause TEXT NOT NULL UNIQUE,
    template TEXT NOT NULL,
    language TEXT NOT NULL,
    -- A keyed hash of the address, and as much of the address as an operator may see.
    recipient TEXT NOT NULL,
    recipient_hint TEXT NOT NULL,
    user_id BLOB,
    -- A JSON object, and the job that it was first told to.
    notice TEXT NOT NULL,
    job_id BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'refused', 'suppressed', 'unknown')),
    attempts INTEGER NOT NULL,
    -- Counts the times that somebody had it sent once more after it had been sent; part of its Message-ID.
    edition INTEGER NOT NULL,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    sent_at INTEGER
) STRICT;
CREATE INDEX mails_of_recipient ON mails (recipient, id);
CREATE INDEX mails_not_sent ON mails (state, id) WHERE state <> 'sent';

-- Addresses that nothing is sent to.
CREATE TABLE mail_suppressions (
    id BLOB NOT NULL PRIMARY KEY,
    recipient TEXT NOT NULL UNIQUE,
    recipient_hint TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('bounced', 'complained', 'operator')),
    -- What the server said, or the operator.
    detail TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What was told of mails later, by providers and servers: each delivery once.
CREATE TABLE mail_reports (
    id BLOB NOT NULL PRIMARY KEY,
    -- What the delivery is called whenever it comes, and which of those in it.
    delivery TEXT NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('bounced', 'complained')),
    recipient TEXT NOT NULL,
    recipient_hint TEXT NOT NULL,
    -- Which mail, as it was told; there may be none.
    mail_id BLOB,
    status TEXT,
    detail TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('suppressed', 'noted', 'unproven')),
    received_at INTEGER NOT NULL,
    UNIQUE (delivery, position)
) STRICT;
CREATE INDEX mail_reports_of_recipient ON mail_reports (recipient, id);
CREATE INDEX mail_reports_by_age ON mail_reports (received_at);

-- How the owner of an account wants to be written to. No row: nobody has said.
CREATE TABLE mail_settings (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id),
    language TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Who does not want which mails: an account's id or, for somebody without one, the keyed hash of an address.
CREATE TABLE mail_optouts (
    holder TEXT NOT NULL,
    topic TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (holder, topic)
) STRICT;

-- The letter about a guest's order looks for the guest's newest link.
CREATE INDEX mail_proofs_of_tenant ON mail_proofs (tenant_id, id) WHERE tenant_id IS NOT NULL;
