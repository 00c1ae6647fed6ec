//! A support desk under test: customers, a vendor, operators, something that was sold, and a clock that is set by hand.

use std::{path::Path, sync::Arc, time::Duration};

use mintreu::{
    accounts::{By, Role, actor},
    db::Db,
    execute, fetch_all, fetch_one,
    kernel::{
        LicenseId, ManualClock, TicketId, Time,
        seal::{Keyring, Random},
    },
    storage::{LocalStorage, Stores},
    support::{
        self, Agent, AgentReply, Asker, Came, Category, Desk, InboundMailId, MailOutcome, NewTicket, Opening, Policy,
        Priority, Replied, Reply, Status, Targets, Ticket, TicketChange, TicketError, Via,
    },
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Person, TestDb, sign_in, sold::Sold};

pub(crate) const HOUR: Duration = Duration::from_hours(1);
/// The smallest picture that is one.
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

pub(crate) struct Scene {
    pub(crate) db: Db,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) desk: Desk,
    pub(crate) keys: Keyring,
    pub(crate) ada: Person,
    pub(crate) eve: Person,
    pub(crate) vendor: Person,
    pub(crate) grace: Person,
    pub(crate) sold: Sold,
    pub(crate) license: LicenseId,
    _directory: TempDir,
}

/// Gives what is sold as this developer to an account.
pub(crate) async fn give_shop_to(db: &Db, sold: &Sold, vendor: &Person) {
    let developer = sold.entitlement.developer;
    db.write(async |tx| {
        execute!(tx, sqlx::query("UPDATE developers SET user_id = $2 WHERE id = $1").bind(developer).bind(vendor.user))
    })
    .await
    .map(|_: u64| ())
    .map_err(|error: mintreu::db::DbError| error)
    .expect("the vendor is made");
}

pub(crate) fn policy() -> Policy {
    let hours = |hours: u64| Duration::from_hours(hours);
    Policy {
        targets: Targets {
            first_response: [hours(48), hours(24), hours(8), hours(1)],
            resolution: [hours(336), hours(120), hours(48), hours(24)],
        },
        close_after: Duration::from_hours(7 * 24),
        tickets_per_hour: 10,
        attachment_size: 64 << 10,
        attachments_per_message: 2,
        mail_address: "support@example.com".to_owned(),
        contact: "help@example.com".to_owned(),
        inbound_secret: Arc::from([]),
        inbound_size: 1 << 20,
    }
}

/// Files in a directory.
pub(crate) fn files_in(directory: &Path) -> Stores {
    Stores { local: Arc::new(LocalStorage::new(directory)), s3: None, prefers_s3: false }
}

impl Scene {
    pub(crate) async fn on(test: &TestDb) -> Self {
        let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
        let db = test.open_at(clock.clone()).await;
        let ada = sign_in(&db, "ada@example.com", Role::Customer).await;
        let eve = sign_in(&db, "eve@example.com", Role::Customer).await;
        let vendor = sign_in(&db, "vendor@example.com", Role::Developer).await;
        let grace = sign_in(&db, "grace@example.com", Role::Admin).await;
        let sold = Sold::to(&db, &ada).await;
        let license = sold.license(&db).await.id;
        give_shop_to(&db, &sold, &vendor).await;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let desk = Desk { policy: policy(), files: files_in(directory.path()) };
        let keys = Keyring::new([[7; 32]], Random::os()).expect("a key");
        Self { db, clock, desk, keys, ada, eve, vendor, grace, sold, license, _directory: directory }
    }

    pub(crate) fn by(who: &Person, role: Role) -> By {
        By::actor(actor(who.user, role))
    }

    pub(crate) fn asker(who: &Person) -> Asker {
        Asker { user: Some(who.user), tenant: who.tenant, by: Self::by(who, Role::Customer) }
    }

    pub(crate) fn operator(&self) -> Agent {
        Agent::operator(self.grace.user)
    }

    pub(crate) fn developer(&self) -> Agent {
        Agent::of(self.vendor.user, self.sold.entitlement.developer)
    }

    /// A plain question.
    pub(crate) fn question() -> NewTicket {
        NewTicket {
            subject: "It stops".to_owned(),
            body: "Why?".to_owned(),
            category: Category::Technical,
            priority: Priority::Normal,
            order: None,
            license: None,
            product: None,
            follow_up_of: None,
            attachments: Vec::new(),
        }
    }

    pub(crate) async fn try_open(&self, who: &Person, new: &NewTicket) -> Result<Ticket, TicketError> {
        let opening = Opening { targets: &self.desk.policy.targets, attachments: 2, via: Via::Web };
        let asker = Self::asker(who);
        self.db.write(async |tx| support::open_ticket(tx, &asker, new, opening).await).await
    }

    pub(crate) async fn open(&self, who: &Person) -> TicketId {
        self.try_open(who, &Self::question()).await.expect("it is opened").id
    }

    /// A question about what was sold.
    pub(crate) async fn open_about_product(&self, who: &Person) -> TicketId {
        let new = NewTicket { license: Some(self.license), ..Self::question() };
        self.try_open(who, &new).await.expect("it is opened").id
    }

    pub(crate) const CAME: Came<'static> = Came { via: Via::Web, mail_message_id: None, attachments: 2 };

    pub(crate) async fn reply(&self, who: &Person, id: TicketId, body: &str) -> Result<Replied, TicketError> {
        let reply = Reply { body: body.to_owned(), attachments: Vec::new() };
        let asker = Self::asker(who);
        self.db.write(async |tx| support::reply_as_customer(tx, &asker, id, &reply, Self::CAME).await).await
    }

    pub(crate) fn answer_of(body: &str) -> AgentReply {
        AgentReply { body: body.to_owned(), internal: false, status: None, attachments: Vec::new() }
    }

    pub(crate) async fn answer(&self, agent: Agent, id: TicketId, reply: &AgentReply) -> Result<Replied, TicketError> {
        let by = Self::by(&self.grace, Role::Admin);
        self.db.write(async |tx| support::reply_as_agent(tx, (&agent, &by), id, reply, Self::CAME).await).await
    }

    pub(crate) async fn change(
        &self,
        agent: Agent,
        id: TicketId,
        change: &TicketChange,
    ) -> Result<Ticket, TicketError> {
        let by = Self::by(&self.grace, Role::Admin);
        let targets = self.desk.policy.targets;
        self.db.write(async |tx| support::change_ticket(tx, (&agent, &by), id, change, &targets).await).await
    }

    pub(crate) async fn set(&self, id: TicketId, status: Status) {
        let change = TicketChange { status: Some(status), ..TicketChange::default() };
        self.change(self.operator(), id, &change).await.expect("changed");
    }

    pub(crate) async fn ticket(&self, id: TicketId) -> Ticket {
        support::find_any_ticket(&self.db, id).await.expect("answers").expect("there is such a ticket")
    }

    /// The notices that are owed, by name, in their order.
    pub(crate) async fn notices(&self) -> Vec<String> {
        let payloads: Vec<String> = fetch_all!(
            &self.db,
            sqlx::query_scalar("SELECT payload FROM jobs WHERE kind = 'notifications.send' ORDER BY id")
        )
        .expect("the queue can be read");
        let name = |payload: &String| {
            let payload: Value = serde_json::from_str(payload).expect("JSON");
            payload["notice"].as_str().expect("a name").to_owned()
        };
        payloads.iter().map(name).collect()
    }

    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        fetch_one!(&self.db, sqlx::query_scalar(query)).expect("a number")
    }

    /// The address to which somebody answers on a ticket.
    pub(crate) fn address(&self, ticket: TicketId, who: &Person) -> String {
        let token = support::mail_token(&self.keys, ticket, who.user);
        support::reply_address(&self.desk.policy.mail_address, &token).expect("an address")
    }

    /// Delivers a mail and handles it.
    pub(crate) async fn mail(&self, raw: &[u8]) -> MailOutcome {
        let id = match support::deliver(&self.db, &self.desk.files, raw.to_vec().into()).await.expect("kept") {
            support::Delivered::Kept(id) => id,
            support::Delivered::Again(id) => panic!("{id} had come before"),
        };
        self.handle(id).await.expect("it was not handled before")
    }

    pub(crate) async fn handle(&self, id: InboundMailId) -> Option<MailOutcome> {
        support::receive_mail(&self.db, (&self.desk, &self.keys), id).await.expect("handled")
    }
}

/// A mail of one part.
pub(crate) fn mail(from: &str, to: &str, id: &str, body: &str) -> Vec<u8> {
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: Re: It stops\r\nMessage-ID: <{id}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{body}"
    )
    .into_bytes()
}
