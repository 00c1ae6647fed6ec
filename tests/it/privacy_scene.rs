//! Somebody of whom the shop keeps something in every table there is, written straight into the tables.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use mintreu::{
    accounts::{By, Role},
    audit::{self, Actor, Entry, People, Person as AuditPerson},
    db::{Db, DbError, Dialect},
    execute, fetch_all, fetch_one,
    jobs::{Attempt, JobId},
    kernel::{
        Clock, ManualClock, Time,
        seal::{Keyring, Random},
    },
    notifications::{self, MailId, MailTo, Mailer, Recipients, ReportKind, ReportedMail, Trust},
    privacy::{
        AccountDeletion, AccountDeletionId, DataExport, Eraser, Policy, Privacy, RequestedBy, Scheduling,
        build_archive, request_export, schedule_deletion,
    },
    storage::{ByteStream, LocalStorage, ObjectKey, Opened, Presented, Reply, Stat, Storage, StorageError, Stores},
    support,
};
use serde_json::json;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    invoices_numbers::desk,
    support::{Person, TestDb, sign_in, sold::Sold},
};

pub(crate) const EMAIL: &str = "ada.lovelace@example.com";
pub(crate) const NAME: &str = "Ada Lovelace-Byron";
pub(crate) const ADDRESS: &str = "203.0.113.77";
/// What must be in no archive.
pub(crate) const SECRETS: [&str; 9] = [
    "hash-of-a-session",
    "hash-of-a-token",
    "hash-of-a-password",
    "sealed-totp",
    "hash-of-a-recovery-code",
    "hash-of-a-key",
    "hash-of-an-old-key",
    "note among agents",
    "hash-of-a-registration",
];

pub(crate) fn keys() -> Keyring {
    Keyring::new([[7; 32]], Random::seeded(7)).expect("a key")
}

/// A storage that may be away.
#[derive(Debug)]
pub(crate) struct Fickle {
    inner: LocalStorage,
    away: AtomicBool,
}

impl Fickle {
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), StorageError> {
        if self.away.load(Ordering::SeqCst) { Err(StorageError::Unavailable("it is away".to_owned())) } else { Ok(()) }
    }
}

impl Storage for Fickle {
    fn put<'a>(&'a self, key: &'a ObjectKey, content: ByteStream) -> Reply<'a, u64> {
        Box::pin(async move {
            self.check()?;
            self.inner.put(key, content).await
        })
    }

    fn get<'a>(&'a self, key: &'a ObjectKey, range: Option<std::ops::Range<u64>>) -> Reply<'a, Opened> {
        Box::pin(async move {
            self.check()?;
            self.inner.get(key, range).await
        })
    }

    fn head<'a>(&'a self, key: &'a ObjectKey) -> Reply<'a, Stat> {
        self.inner.head(key)
    }

    fn delete<'a>(&'a self, key: &'a ObjectKey) -> Reply<'a, ()> {
        Box::pin(async move {
            self.check()?;
            self.inner.delete(key).await
        })
    }

    fn presign<'a>(&'a self, _: &'a ObjectKey, _: &'a Presented, _: Duration) -> Reply<'a, Option<String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

pub(crate) struct Scene {
    pub(crate) db: Db,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) privacy: Privacy,
    pub(crate) storage: Arc<Fickle>,
    pub(crate) ada: Person,
    /// Somebody else, of whom nothing may be lost.
    pub(crate) eve: Person,
    pub(crate) files: TempDir,
    pub(crate) mails: TempDir,
}

pub(crate) fn job(number: u128) -> JobId {
    JobId::from_uuid(Uuid::from_u128(number))
}

impl Scene {
    /// A shop with two people in it, about whom nothing more is known.
    pub(crate) async fn bare(test: &TestDb) -> Self {
        let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
        let db = test.open_at(clock.clone()).await;
        let (files, mails) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let storage = Arc::new(Fickle { inner: LocalStorage::new(files.path()), away: AtomicBool::new(false) });
        let mailer = Mailer::new("shop@example.com", MailTo::Directory(mails.path().into())).expect("a mailer");
        let policy = Policy { export_ttl: Duration::from_hours(7 * 24), deletion_grace: Duration::from_hours(14 * 24) };
        let stores = Stores { local: storage.clone(), s3: None, prefers_s3: false };
        let privacy = Privacy { db: db.clone(), keys: keys(), files: stores, mailer, policy };
        let ada = sign_in(&db, EMAIL, Role::Customer).await;
        let eve = sign_in(&db, "eve@example.com", Role::Customer).await;
        Self { db, clock, privacy, storage, ada, eve, files, mails }
    }

    /// The same with something in every table.
    pub(crate) async fn full(test: &TestDb) -> Self {
        let scene = Self::bare(test).await;
        scene.furnish().await;
        scene
    }

    /// A statement in which `{x:…}` are literals: `{id:…}` of a UUID, `{now}`, `{yes}`, `{no}`.
    pub(crate) async fn run(&self, text: &str, ids: &[(&str, Uuid)]) {
        let now = self.db.now();
        let mut text = text.replace("{email}", EMAIL).replace("{name}", NAME).replace("{ip}", ADDRESS);
        let (id, now): (fn(Uuid) -> String, String) = match self.db.dialect() {
            Dialect::Sqlite => (|id| format!("x'{}'", id.simple()), now.as_micros().to_string()),
            Dialect::Postgres => (|id| format!("'{id}'::uuid"), format!("'{now}'::timestamptz")),
        };
        for (name, value) in ids {
            text = text.replace(&format!("{{{name}}}"), &id(*value));
        }
        while let Some(at) = text.find("{new}") {
            text.replace_range(at..at + 5, &id(self.db.ids().next_uuid()));
        }
        text = text.replace("{now}", &now).replace("{yes}", "(1 = 1)").replace("{no}", "(1 = 0)");
        let done = self.db.write(async |tx| execute!(tx, sqlx::query(AssertSqlSafe(text.as_str())))).await;
        done.unwrap_or_else(|error: DbError| panic!("{error}: {text}"));
    }

    async fn furnish(&self) {
        let sold = Sold::to(&self.db, &self.ada).await;
        let license = sold.license(&self.db).await.id.uuid();
        let theirs = Sold::to(&self.db, &self.eve).await;
        theirs.issue(&self.db).await;
        let next = || self.db.ids().next_uuid();
        let (guest, payment, ticket, message, note) = (next(), next(), next(), next(), next());
        let (article, subscription, vendor, category, source) = (next(), next(), next(), next(), next());
        let (coupon, guest_order) = (next(), next());
        let ids = [
            ("user", self.ada.user.uuid()),
            ("tenant", self.ada.tenant.uuid()),
            ("order", sold.entitlement.order.uuid()),
            ("item", sold.entitlement.item.uuid()),
            ("plan", sold.entitlement.plan.uuid()),
            ("product", sold.entitlement.product.uuid()),
            ("license", license),
            ("guest", guest),
            ("guest_order", guest_order),
            ("payment", payment),
            ("ticket", ticket),
            ("message", message),
            ("note", note),
            ("article", article),
            ("subscription", subscription),
            ("vendor", vendor),
            ("shelf", category),
            ("source", source),
            ("coupon", coupon),
            ("eve", self.eve.user.uuid()),
        ];
        for text in ROWS {
            self.run(text, &ids).await;
        }
        let user = self.ada.user.to_string();
        let scopes = [format!("{user} POST /api/orders"), format!("guest {EMAIL} POST /api/orders")];
        for scope in scopes {
            let text = format!(
                "INSERT INTO idempotency_keys (scope, idempotency_key, fingerprint, status, response, created_at)
                 VALUES ('{scope}', 'k', 'f', 201, 's', {{now}})"
            );
            self.run(&text, &ids).await;
        }
        let order = sold.entitlement.order;
        self.run(
            &format!(
                "INSERT INTO webhook_inbox (id, provider, event_id, event_type, payload, received_at, handled_at, detail)
                 VALUES ({{new}}, 'stripe', 'evt_1', 'x', '{{\"order\":\"{order}\",\"customer\":\"{{name}}\"}}', {{now}},
                         {{now}}, '{{name}}'),
                        ({{new}}, 'stripe', 'evt_2', 'x', '{{\"to\":\"Ada.Lovelace@Example.com\"}}', {{now}}, {{now}}, NULL),
                        ({{new}}, 'stripe', 'evt_3', 'x', '{{\"charge\":\"ch_of_ada_1\",\"name\":\"{{name}}\"}}', {{now}},
                         {{now}}, NULL),
                        ({{new}}, 'stripe', 'evt_4', 'x', '{{\"to\":\"eve@example.com\"}}', {{now}}, {{now}}, NULL)"
            ),
            &ids,
        )
        .await;
        self.run(
            &format!(
                "INSERT INTO article_votes (article_id, voter, helpful, created_at)
                 VALUES ({{article}}, '{user}', {{yes}}, {{now}})"
            ),
            &ids,
        )
        .await;
        self.run(
            &format!(
                "INSERT INTO mail_optouts (holder, topic, created_at) VALUES ('{user}', 'product_updates', {{now}})"
            ),
            &ids,
        )
        .await;
        let licensed = mintreu::kernel::prefixed("lic", license);
        self.run(
            &format!(
                "INSERT INTO usage_summaries (subject, metric, period, period_start, endpoint, count)
                 VALUES ('{licensed}', 'calls', 'day', {{now}}, 'GET /', 3)"
            ),
            &ids,
        )
        .await;
        self.run(
            &format!(
                "INSERT INTO api_usage_logs (id, at, subject, metric, endpoint, amount, status, duration_micros,
                                             request_id, meta)
                 VALUES ({{new}}, {{now}}, '{licensed}', 'calls', 'GET /', 1, 200, 5, 'req_1', '{{\"ip\":\"{{ip}}\"}}')"
            ),
            &ids,
        )
        .await;
        self.write_mails().await;
        self.write_files(&ids).await;
        self.write_trail().await;
        assert_eq!(desk(&self.db).issue().await.expect("issued").invoices, 1);
    }

    /// Mails to her, one that quotes her to an operator, and one of somebody else; an address that bounced.
    async fn write_mails(&self) {
        let recipients = Recipients::new(&keys());
        let tickets: Uuid =
            fetch_one!(&self.db, sqlx::query_scalar("SELECT id FROM tickets ORDER BY id LIMIT 1")).expect("one");
        let ticket = mintreu::kernel::prefixed("tkt", tickets);
        let (ada, eve) = (self.ada.user.uuid(), self.eve.user.uuid());
        for (to, user, notice, edition) in [
            (EMAIL, Some(ada), "{}".to_owned(), 1),
            (EMAIL, None, "{}".to_owned(), 0),
            ("operator@example.com", None, format!("{{\"ticket\":\"{ticket}\"}}"), 0),
            ("eve@example.com", Some(eve), "{}".to_owned(), 0),
        ] {
            let id = MailId::from_uuid(self.db.ids().next_uuid());
            let (hash, error) = (recipients.hash(to), format!("550 <{to}> is unknown"));
            let user = user.map_or("NULL".to_owned(), |_| "{owner}".to_owned());
            let text = format!(
                "INSERT INTO mails (id, cause, template, language, recipient, recipient_hint, user_id, notice, job_id,
                                    state, attempts, edition, last_error, created_at, updated_at)
                 VALUES ({{mail}}, '{id}', 'verify_email', 'en', '{hash}', 'a…', {user}, '{notice}', {{new}}, 'sent', 1,
                         {edition}, '{error}', {{now}}, {{now}})"
            );
            let owner = if to == EMAIL { ada } else { eve };
            self.run(&text, &[("mail", id.uuid()), ("owner", owner)]).await;
            let write = |name: String| {
                std::fs::write(self.mails.path().join(name), format!("To: {to}\r\n\r\nHello {NAME}")).expect("written");
            };
            write(format!("{id}.eml"));
            (edition > 0).then(|| write(format!("{id}.1.eml")));
        }
        self.db
            .write(async |tx| {
                notifications::suppress(tx, &recipients, (EMAIL, "it bounced"), Actor::system("test")).await
            })
            .await
            .expect("suppressed");
        // What a server says stands in the row alone.
        self.run("UPDATE mail_suppressions SET detail = '550 <{email}> is unknown'", &[]).await;
        let told = ReportedMail {
            kind: ReportKind::Complained,
            recipient: EMAIL.to_owned(),
            status: None,
            detail: format!("554 <{EMAIL}> complains"),
            mail: None,
        };
        let heard = self.db.write(async |tx| {
            let delivery = ("a delivery", Trust::Provider);
            notifications::hear_reports(tx, &recipients, delivery, std::slice::from_ref(&told)).await
        });
        heard.await.map_err(|error: DbError| error).expect("heard");
    }

    /// A file on her ticket, one that waits for its message, one of somebody else; a mail that she sent.
    async fn write_files(&self, ids: &[(&str, Uuid)]) {
        let files = &self.privacy.files;
        let text = |text: &'static str| Bytes::from_static(text.as_bytes());
        let upload = async |who, name, bytes| support::upload(&self.db, files, who, (name, bytes)).await.expect("kept");
        let given = upload(self.ada.user, "Ada Lovelace-Byron.txt", text("what she wrote")).await;
        upload(self.ada.user, "loose.txt", text("what waits")).await;
        upload(self.eve.user, "eve.txt", text("what eve wrote")).await;
        let ids: Vec<_> = ids.iter().copied().chain([("file", given.id.uuid())]).collect();
        self.run("UPDATE ticket_attachments SET message_id = {message} WHERE id = {file}", &ids).await;
        let raw = format!("From: {EMAIL}\r\nTo: support@localhost\r\nMessage-ID: <1@x>\r\n\r\nHello from {NAME}");
        support::deliver(&self.db, files, raw.into()).await.expect("kept");
        self.run("UPDATE inbound_mails SET sender = 'Ada.Lovelace@Example.com'", &ids).await;
    }

    /// What the trail keeps of her, sealed under her key.
    async fn write_trail(&self) {
        let people = People::new(self.db.clone(), keys());
        let personal = json!({ "email": EMAIL, "address": ADDRESS, "name": NAME });
        let sealed = people.seal(AuditPerson::known(self.ada.user), &personal).await.expect("sealed");
        self.db
            .write(async |tx| {
                let actor = Actor::user(self.ada.user.to_string());
                tx.audit(Entry::new(actor, "user.did", "thing", "one").personal(sealed));
                Ok::<_, DbError>(())
            })
            .await
            .expect("written");
        audit::seal(&self.db, &keys()).await.expect("chained");
    }

    pub(crate) fn by(&self) -> By {
        By::actor(Actor::user(self.ada.user.to_string()))
    }

    pub(crate) async fn request(&self) -> DataExport {
        let by = self.by();
        let user = self.ada.user;
        let asked = self.db.write(async |tx| request_export(tx, user, (&by, RequestedBy::Person), None).await).await;
        asked.expect("asked for")
    }

    pub(crate) async fn build(&self, export: &DataExport, number: i32) -> Result<(), mintreu::jobs::Failure> {
        build_archive(&self.privacy, export.id, Attempt { job: job(1), number, max: 5 }).await
    }

    pub(crate) async fn schedule(&self) -> AccountDeletion {
        let (by, due_at) = (self.by(), self.db.now() + self.privacy.policy.deletion_grace);
        let wanted = Scheduling { user: self.ada.user, requested_by: RequestedBy::Person, due_at, reason: None };
        self.db.write(async |tx| schedule_deletion(tx, wanted, &by).await).await.expect("scheduled")
    }

    /// Lets the time come at which it can be done.
    pub(crate) fn grace_is_over(&self) {
        self.clock.advance(self.privacy.policy.deletion_grace);
    }

    pub(crate) async fn erase(&self, id: AccountDeletionId) {
        Eraser(&self.privacy).run(id).await.expect("erased");
    }

    /// The columns in which this is found, whatever its case.
    pub(crate) async fn found_in(&self, needle: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (table, column) in text_columns(&self.db).await {
            let text = match self.db.dialect() {
                Dialect::Sqlite => {
                    format!("SELECT COUNT(*) FROM {table} WHERE instr(lower(CAST({column} AS TEXT)), lower($1)) > 0")
                }
                Dialect::Postgres => {
                    format!("SELECT COUNT(*) FROM {table} WHERE strpos(lower({column}::text), lower($1)) > 0")
                }
            };
            let count: i64 =
                fetch_one!(&self.db, sqlx::query_scalar(AssertSqlSafe(text.as_str())).bind(needle)).expect("counted");
            if count > 0 {
                found.insert(format!("{table}.{column}"));
            }
        }
        found
    }

    /// Files below a directory that hold this.
    pub(crate) fn files_with(directory: &TempDir, needle: &str) -> usize {
        fn walk(path: &std::path::Path, needle: &str) -> usize {
            let entries = std::fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path());
            entries
                .map(|path| {
                    if path.is_dir() {
                        return walk(&path, needle);
                    }
                    let bytes = std::fs::read(&path).expect("a file");
                    usize::from(String::from_utf8_lossy(&bytes).contains(needle))
                })
                .sum()
        }
        walk(directory.path(), needle)
    }

    pub(crate) async fn number(&self, text: &'static str) -> i64 {
        fetch_one!(&self.db, sqlx::query_scalar(text)).expect("a number")
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }
}

/// All columns that can hold a text, as the database itself lists them.
pub(crate) async fn text_columns(db: &Db) -> Vec<(String, String)> {
    let text = db.dialect().pick(
        "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '%\\_search%' ESCAPE '\\'
               AND c.type IN ('TEXT', 'BLOB')",
        "SELECT table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND data_type IN ('text', 'tsvector', 'bytea', 'jsonb', 'json', 'character varying')",
    );
    fetch_all!(db, sqlx::query_as(text)).expect("listed")
}

/// Rows that hold her address, her name or where she was.
const ROWS: &[&str] = &[
    "UPDATE users SET name = '{name}', password_hash = 'hash-of-a-password', totp_secret = 'sealed-totp',
            totp_enabled_at = {now}, last_login_at = {now} WHERE id = {user}",
    "UPDATE tenants SET name = '{name}' WHERE id = {tenant}",
    "UPDATE sessions SET ip = '{ip}', user_agent = 'Browser of {name}', token_hash = 'hash-of-a-session' WHERE user_id = {user}",
    "INSERT INTO access_tokens (id, user_id, name, token_hash, hint, scopes, created_at)
     VALUES ({new}, {user}, 'laptop of {name}', 'hash-of-a-token', 'abcd', 'orders:read', {now})",
    "INSERT INTO recovery_codes (user_id, code_hash) VALUES ({user}, 'hash-of-a-recovery-code')",
    "INSERT INTO mail_proofs (id, purpose, user_id, email, name, password_hash, created_at, expires_at)
     VALUES ({new}, 'verify_email', {user}, '{email}', '{name}', 'hash-of-a-registration', {now}, {now})",
    "INSERT INTO tenants (id, kind, name, guest_email, created_at) VALUES ({guest}, 'guest', '{email}', '{email}', {now})",
    "INSERT INTO mail_proofs (id, purpose, tenant_id, email, created_at, expires_at)
     VALUES ({new}, 'claim_purchases', {guest}, '{email}', {now}, {now})",
    // Ordered as a guest, and never claimed.
    "INSERT INTO orders (id, tenant_id, email, currency, subtotal, discount, tax, total, provider, payment_state,
                         fulfilment_state, dispute_state, created_at, expires_at)
     VALUES ({guest_order}, {guest}, '{email}', 'USD', 100, 0, 0, 100, 'sandbox', 'awaiting_payment', 'unfulfilled', 'none',
             {now}, {now})",
    "INSERT INTO order_items (id, order_id, position, product_id, plan_id, developer_id, title, plan_name, billing_cycle,
                              license_type, limits, quantity, unit_amount, discount, tax, total, commission_bps)
     SELECT {new}, {guest_order}, 1, product_id, plan_id, developer_id, title, plan_name, billing_cycle, license_type, limits,
            1, 100, 0, 0, 100, 0 FROM order_items WHERE id = {item}",
    "UPDATE orders SET fulfilment_state = 'fulfilled', fulfilled_at = {now} WHERE id = {order}",
    "INSERT INTO order_billing (order_id, name, company, line1, line2, city, region, postcode, country, vat_id, evidence,
                                created_at)
     VALUES ({order}, '{name}', '{name} Ltd', 'House of {name}', 'l2', 'London', 'r', 'pc', 'GB', 'vat',
             '{\"billing_country\":\"GB\",\"ip\":\"{ip}\"}', {now})",
    "INSERT INTO coupons (id, code, name, percent_bps, active, revision, created_at, updated_at)
     VALUES ({coupon}, 'C', 'c', 100, {yes}, 1, {now}, {now})",
    "INSERT INTO coupon_redemptions (order_id, coupon_id, tenant_id, created_at) VALUES ({order}, {coupon}, {tenant}, {now})",
    "INSERT INTO order_events (id, order_id, event, detail, created_at) VALUES ({new}, {order}, 'paid', '{}', {now})",
    "INSERT INTO payments (id, order_id, provider, provider_ref, charge_ref, url, state, amount, currency, created_at,
                           settled_at)
     VALUES ({payment}, {order}, 'sandbox', 'cs_of_ada_1', 'ch_of_ada_1', 'https://pay.example.com/?prefilled={email}',
             'succeeded', 1999, 'USD', {now}, {now})",
    "INSERT INTO refunds (id, order_id, payment_id, provider, amount, currency, state, reason, created_at)
     VALUES ({new}, {order}, {payment}, 'sandbox', 5, 'USD', 'failed', 'asked by {name}', {now})",
    "INSERT INTO disputes (id, order_id, payment_id, provider, provider_ref, amount, currency, state, reason, opened_at)
     VALUES ({new}, {order}, {payment}, 'sandbox', 'dp_1', 5, 'USD', 'won', 'fraudulent', {now})",
    "INSERT INTO sandbox_sessions (id, order_id, description, amount, currency, email, success_url, cancel_url,
                                   idempotency_key, state, created_at, expires_at)
     VALUES ('cs_of_ada_1', {order}, 'A thing', 1999, 'USD', '{email}', 's', 'c', 'i', 'paid', {now}, {now})",
    "INSERT INTO subscriptions (id, tenant_id, order_id, order_item_id, plan_id, provider, provider_ref, status, amount,
                                currency, period_start, period_end, cancel_at_period_end, created_at, updated_at)
     VALUES ({subscription}, {tenant}, {order}, {item}, {plan}, 'sandbox', 'sub_of_ada_1', 'active', 1999, 'USD', {now},
             {now}, {no}, {now}, {now})",
    "INSERT INTO invoices_due (id, kind, cause, order_id, payment_id, amount, before, reason, created_at)
     VALUES ({new}, 'invoice', 'sale:1', {order}, {payment}, 1999, 0, '', {now})",
    "UPDATE licenses SET domains = '[\"ada-lovelace-byron.example.com\"]', ips = '[\"{ip}\"]',
            server_info = '{\"host\":\"{name}\"}', meta = '{\"by\":\"{email}\"}', reason = 'asked by {name}',
            activation_count = 1 WHERE id = {license}",
    "INSERT INTO license_activations (id, license_id, name, fingerprint, domain, ip, server_info, created_at)
     VALUES ({new}, {license}, 'laptop of {name}', 'fp-{name}', 'ada-lovelace-byron.example.com', '{ip}',
             '{\"user\":\"{email}\"}', {now})",
    "INSERT INTO license_log (id, license_id, action, detail, created_at)
     VALUES ({new}, {license}, 'activated', '{\"name\":\"laptop of {name}\",\"ip\":\"{ip}\"}', {now})",
    "INSERT INTO download_grants (id, product_id, product_source_id, tenant_id, user_id, uses, max_uses, continuations,
                                  expires_at, created_at)
     VALUES ({new}, {product}, {new}, {tenant}, {user}, 0, 1, 0, {now}, {now})",
    "INSERT INTO download_logs (id, product_id, tenant_id, user_id, ip_address, user_agent, status, bytes_sent,
                                downloaded_at)
     VALUES ({new}, {product}, {tenant}, {user}, '{ip}', 'Browser of {name}', 'delivered', 1, {now})",
    "INSERT INTO download_logs (id, product_id, user_id, ip_address, user_agent, status, bytes_sent, downloaded_at)
     VALUES ({new}, {product}, {eve}, '198.51.100.9', 'Browser of Eve', 'delivered', 1, {now})",
    "INSERT INTO tickets (id, tenant_id, requester_id, order_id, subject, category, priority, status, created_at,
                          updated_at, first_response_due_at, resolution_due_at)
     VALUES ({ticket}, {tenant}, {user}, {order}, '{name} asks', 'general', 'normal', 'open', {now}, {now}, {now}, {now})",
    "INSERT INTO ticket_messages (id, ticket_id, author_id, author_kind, internal, body, via, mail_message_id, created_at)
     VALUES ({message}, {ticket}, {user}, 'customer', {no}, 'Write to {email}', 'mail', '1.{email}', {now}),
            ({new}, {ticket}, {eve}, 'operator', {no}, 'Dear {name}', 'web', NULL, {now}),
            ({note}, {ticket}, {eve}, 'operator', {yes}, 'note among agents: {name} calls', 'web', NULL, {now})",
    "INSERT INTO articles (id, slug, title, category, body, status, revision, created_at, updated_at)
     VALUES ({article}, 'a', 'A', 'c', 'b', 'draft', 1, {now}, {now})",
    "INSERT INTO api_keys (id, license_id, created_by, name, secret_hash, hint, old_hash, old_until, revision, created_at,
                           updated_at)
     VALUES ({new}, {license}, {user}, 'server of {name}', 'hash-of-a-key', 'abcd', 'hash-of-an-old-key', {now}, 1, {now},
             {now})",
    "INSERT INTO api_credentials (id, license_id, product_id, state, epoch, rate_limits, usage_stats, barred, revision,
                                  created_at, updated_at)
     VALUES ({new}, {license}, {product}, 'revoked', 1, '{}', '{\"user\":\"{email}\"}', {no}, 1, {now}, {now})",
    "INSERT INTO mail_settings (user_id, language, updated_at) VALUES ({user}, 'de', {now})",
    "INSERT INTO jobs (id, queue, kind, payload, state, priority, run_at, max_attempts, errors, created_at, finished_at)
     VALUES ({new}, 'q', 'k', '{\"to\":\"{email}\"}', 'discarded', 2, {now}, 1, '[\"550 <{email}>\"]', {now}, {now})",
    "INSERT INTO domain_events (id, name, payload, occurred_at) VALUES ({new}, 'x', '{\"to\":\"{email}\"}', {now})",
    // She has sold something once.
    "INSERT INTO developers (id, user_id, slug, name, created_at, updated_at)
     VALUES ({vendor}, {user}, 'ada-lovelace-byron', '{name}', {now}, {now})",
    "INSERT INTO products (id, developer_id, slug, title, short_description, description, content, type, version, status,
         featured, requires_auth, default_license, meta, api_config, revision, created_at, updated_at)
     VALUES ({shelf}, {vendor}, 'old', 'Old', '', '', '', 'license', '1.0', 'archived', {no}, {no}, 'regular', '{}', '{}', 1,
             {now}, {now})",
    "INSERT INTO product_sources (id, product_id, provider, name, description, source_url, by_vendor, version, file_name,
         metadata, is_primary, is_active, state, revision, created_at, updated_at)
     VALUES ({source}, {shelf}, 'local', 'n', '', 'a/b', {yes}, '1', 'f', '{}', {no}, {no}, 'unverified', 1, {now}, {now})",
];
