//! What is written on a ticket, with its files.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::{Attachment, AttachmentId, TicketError, attachment};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::{Page, PageFrom, PageRequest, TicketId, TicketMessageId, Time, UserId},
    text_enum,
};

text_enum! {
    /// Who wrote.
    pub enum AuthorKind {
        /// Whoever asks.
        Customer = "customer",
        /// Whoever sells the product.
        Developer = "developer",
        /// Whoever runs the shop.
        Operator = "operator",
    }
}

text_enum! {
    /// How it came.
    #[schemars(rename = "MessageVia")]
    pub enum Via {
        /// Over the API.
        Web = "web",
        /// By mail.
        Mail = "mail",
    }
}

/// A message.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "TicketMessage")]
pub struct Message {
    /// Which one.
    pub id: TicketMessageId,
    /// On which ticket.
    #[serde(rename = "ticket")]
    pub ticket_id: TicketId,
    /// Who wrote it; a guest has no account.
    #[serde(rename = "author")]
    pub author_id: Option<UserId>,
    /// What they are called; guests have no name.
    pub author_name: Option<String>,
    /// What they are on this ticket.
    pub author_kind: AuthorKind,
    /// Whether it is a note that the customer does not see.
    pub internal: bool,
    /// What it says.
    pub body: String,
    /// How it came.
    pub via: Via,
    /// The Message-ID of the mail that it came in.
    #[serde(skip)]
    pub mail_message_id: Option<String>,
    /// When.
    pub created_at: Time,
    /// Its files.
    #[sqlx(skip)]
    pub attachments: Vec<Attachment>,
}

/// Which messages of a ticket somebody may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// What is written to and by the customer.
    Customer,
    /// The notes too.
    Agent,
}

impl Reader {
    /// Where the notes are left out.
    const fn condition(self) -> &'static str {
        match self {
            Self::Customer => "AND NOT m.internal",
            Self::Agent => "",
        }
    }
}

const SELECT: &str = "SELECT m.id, m.ticket_id, m.author_id, u.name AS author_name, m.author_kind, m.internal, m.body,
        m.via, m.mail_message_id, m.created_at
     FROM ticket_messages m LEFT JOIN users u ON u.id = m.author_id";

/// The messages of a ticket, the first first. That the reader may read the ticket has been looked at before.
pub async fn messages(
    db: &Db,
    ticket: TicketId,
    reader: Reader,
    page: PageRequest<TicketMessageId>,
) -> Result<Page<Message>, DbError> {
    let (sign, order, cursor) = match page.from {
        PageFrom::Start => (">", "ASC", None),
        PageFrom::After(id) => (">", "ASC", Some(id)),
        PageFrom::Before(id) => ("<", "DESC", Some(id)),
    };
    let condition = reader.condition();
    let text = format!(
        "{SELECT} WHERE m.ticket_id = $1 {condition} AND ($2 IS NULL OR m.id {sign} $2) ORDER BY m.id {order} LIMIT $3"
    );
    let rows: Vec<Message> =
        fetch_all!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(ticket).bind(cursor).bind(page.fetch()))?;
    let mut page = Page::of(rows, &page, |message| message.id);
    let (Some(first), Some(last)) = (page.data.first(), page.data.last()) else { return Ok(page) };
    for (message, file) in attachment::between(db, ticket, first.id, last.id).await? {
        if let Some(message) = page.data.iter_mut().find(|it| it.id == message) {
            message.attachments.push(file);
        }
    }
    Ok(page)
}

/// A message, whoever asks, without its files.
pub async fn find_any_message(db: &Db, id: TicketMessageId) -> Result<Option<Message>, DbError> {
    let text = format!("{SELECT} WHERE m.id = $1");
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(id))
}

/// The last mail that the customer wrote on a ticket, by its Message-ID: what an answer answers.
pub async fn last_mail(db: &Db, ticket: TicketId) -> Result<Option<String>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_scalar(
            "SELECT mail_message_id FROM ticket_messages
             WHERE ticket_id = $1 AND author_kind = 'customer' AND mail_message_id IS NOT NULL ORDER BY id DESC LIMIT 1"
        )
        .bind(ticket)
    )
}

/// The first message of a ticket.
pub async fn first_message(db: &Db, ticket: TicketId) -> Result<Option<Message>, DbError> {
    let text = format!("{SELECT} WHERE m.ticket_id = $1 ORDER BY m.id LIMIT 1");
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(ticket))
}

/// A message to be written; its text has been looked at.
#[derive(Debug)]
pub(super) struct NewMessage<'a> {
    pub(super) ticket: TicketId,
    /// Nobody's account: a guest's.
    pub(super) author: Option<UserId>,
    pub(super) kind: AuthorKind,
    pub(super) internal: bool,
    pub(super) body: &'a str,
    pub(super) via: Via,
    pub(super) mail_message_id: Option<&'a str>,
}

/// Writes a message, and gives it its files.
pub(super) async fn insert(
    tx: &mut Tx,
    new: &NewMessage<'_>,
    attachments: &[AttachmentId],
) -> Result<TicketMessageId, TicketError> {
    let (id, now): (TicketMessageId, _) = (tx.new_id(), tx.now());
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO ticket_messages (id, ticket_id, author_id, author_kind, internal, body, via, mail_message_id,
                 created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        )
        .bind(id)
        .bind(new.ticket)
        .bind(new.author)
        .bind(new.kind)
        .bind(new.internal)
        .bind(new.body)
        .bind(new.via)
        .bind(new.mail_message_id)
        .bind(now)
    )?;
    for (place, file) in attachments.iter().enumerate() {
        let given = match new.author {
            Some(author) => attachment::give_to(tx, *file, author, id).await?,
            None => false,
        };
        if !given {
            let detail = "no file of yours that waits for a message; upload it first";
            return Err(TicketError::flaw(format!("#/attachments/{place}"), detail));
        }
    }
    metrics::counter!("mintreu_ticket_messages_total", "author" => new.kind.as_str(), "via" => new.via.as_str())
        .increment(1);
    Ok(id)
}
