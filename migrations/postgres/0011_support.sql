-- Support: tickets with their clocks and messages, the files and mails that belong to them, canned answers, articles.

CREATE TABLE tickets (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    -- Who asks; nobody's account while the tenant is a guest's.
    requester_id UUID REFERENCES users (id),
    -- What it is about, all of it the tenant's own.
    order_id UUID REFERENCES orders (id),
    license_id UUID REFERENCES licenses (id),
    product_id UUID REFERENCES products (id),
    -- Who sells the product: sees the ticket too.
    developer_id UUID REFERENCES developers (id),
    subject TEXT NOT NULL,
    category TEXT NOT NULL
        CHECK (category IN ('general', 'account', 'billing', 'license', 'download', 'technical', 'feature', 'abuse')),
    priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    status TEXT NOT NULL CHECK (status IN ('new', 'open', 'pending', 'on_hold', 'solved', 'closed')),
    assignee_id UUID REFERENCES users (id),
    -- The closed ticket that this one goes on from.
    follow_up_of UUID REFERENCES tickets (id),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- The clocks. A target is met when what it is for happens before it is due; while nobody but the customer can go on
    -- the clocks stand, and when they go on the targets move by as long as they stood.
    first_response_due_at TIMESTAMPTZ NOT NULL,
    first_responded_at TIMESTAMPTZ,
    resolution_due_at TIMESTAMPTZ NOT NULL,
    solved_at TIMESTAMPTZ,
    closed_at TIMESTAMPTZ,
    stopped_at TIMESTAMPTZ,
    stopped_micros BIGINT NOT NULL DEFAULT 0 CHECK (stopped_micros >= 0),
    -- When it was found that the target was missed.
    first_response_breached_at TIMESTAMPTZ,
    resolution_breached_at TIMESTAMPTZ,
    CHECK ((solved_at IS NOT NULL) = (status IN ('solved', 'closed'))),
    CHECK ((closed_at IS NOT NULL) = (status = 'closed')),
    CHECK ((stopped_at IS NOT NULL) = (status IN ('pending', 'solved', 'closed')))
);
CREATE INDEX tickets_of_tenant ON tickets (tenant_id, id);
CREATE INDEX tickets_of_developer ON tickets (developer_id, id);
CREATE INDEX tickets_of_assignee ON tickets (assignee_id, id);
CREATE INDEX tickets_of_order ON tickets (order_id);
CREATE INDEX tickets_first_response ON tickets (first_response_due_at)
    WHERE stopped_at IS NULL AND first_responded_at IS NULL AND first_response_breached_at IS NULL;
CREATE INDEX tickets_resolution ON tickets (resolution_due_at)
    WHERE stopped_at IS NULL AND resolution_breached_at IS NULL;
CREATE INDEX tickets_solved ON tickets (solved_at) WHERE status = 'solved';

CREATE TABLE ticket_messages (
    id UUID NOT NULL PRIMARY KEY,
    ticket_id UUID NOT NULL REFERENCES tickets (id),
    author_id UUID REFERENCES users (id),
    author_kind TEXT NOT NULL CHECK (author_kind IN ('customer', 'developer', 'operator')),
    -- A note among those who answer; the customer never sees it.
    internal BOOLEAN NOT NULL,
    body TEXT NOT NULL,
    via TEXT NOT NULL CHECK (via IN ('web', 'mail')),
    -- The Message-ID of the mail that it came in, without its brackets.
    mail_message_id TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    CHECK (NOT internal OR author_kind <> 'customer'),
    -- A guest has no account.
    CHECK (author_id IS NOT NULL OR author_kind = 'customer')
);
CREATE INDEX ticket_messages_of_ticket ON ticket_messages (ticket_id, id);

-- A file is uploaded first and belongs to nothing; a message takes it. `stored` once its bytes are where they belong.
CREATE TABLE ticket_attachments (
    id UUID NOT NULL PRIMARY KEY,
    uploader_id UUID NOT NULL REFERENCES users (id),
    message_id UUID REFERENCES ticket_messages (id),
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size BIGINT NOT NULL CHECK (size > 0),
    stored BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX ticket_attachments_of_message ON ticket_attachments (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX ticket_attachments_loose ON ticket_attachments (uploader_id, created_at) WHERE message_id IS NULL;

-- Mails that came in: each once, by who sent it, to whom, and its Message-ID.
CREATE TABLE inbound_mails (
    id UUID NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    sender TEXT NOT NULL,
    size BIGINT NOT NULL,
    stored BOOLEAN NOT NULL,
    ticket_id UUID REFERENCES tickets (id),
    outcome TEXT,
    received_at TIMESTAMPTZ NOT NULL,
    handled_at TIMESTAMPTZ,
    CHECK ((outcome IS NULL) = (handled_at IS NULL))
);
CREATE INDEX inbound_mails_handled ON inbound_mails (handled_at);
CREATE INDEX inbound_mails_of_ticket ON inbound_mails (ticket_id, handled_at) WHERE ticket_id IS NOT NULL;

-- `revision` grows with every change: it is the row's ETag.
CREATE TABLE canned_answers (
    id UUID NOT NULL PRIMARY KEY,
    title TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE articles (
    id UUID NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    category TEXT NOT NULL,
    -- Markdown.
    body TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('draft', 'published')),
    revision BIGINT NOT NULL,
    published_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK (status <> 'published' OR published_at IS NOT NULL)
);
CREATE INDEX articles_shown ON articles (status, category, id);
-- What is searched, as for products. SQLite has the table article_search instead.
ALTER TABLE articles ADD COLUMN search TSVECTOR NOT NULL GENERATED ALWAYS AS (
    setweight(to_tsvector('simple', translate(title, '-./_@:+', '       ')), 'A')
    || setweight(to_tsvector('simple', translate(body, '-./_@:+', '       ')), 'D')
) STORED;
CREATE INDEX articles_search ON articles USING GIN (search);

CREATE TABLE article_votes (
    article_id UUID NOT NULL REFERENCES articles (id) ON DELETE CASCADE,
    -- An account, or the keyed hash of an address.
    voter TEXT NOT NULL,
    helpful BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (article_id, voter)
);
