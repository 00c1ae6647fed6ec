//! What a mail means: a reply on the ticket that it was sent to, by the person that its address was made for.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Agent, AgentReply, Asker, AttachmentId, Came, Desk, InboundMailId, MailOutcome, MailToken, NewTicket, Opening,
    Priority, Reply, Status, Ticket, TicketError, UploadError, Via,
    flaw::LONGEST_BODY,
    inbound,
    mail::{self, Contents, Envelope},
    open_ticket, reply_as_agent, reply_as_customer, ticket, upload,
};
use crate::{
    accounts::{self, Account, By, Email, Role},
    audit::Actor,
    catalog,
    db::{Db, DbError, Tx},
    execute, fetch_one,
    kernel::{TicketId, UserId, seal::Keyring},
    storage::StorageError,
};

/// How many mails may become part of one ticket within an hour: two programs that answer each other end here.
const MOST_AN_HOUR: i64 = 30;

/// Why a mail is not handled yet.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Its file could not be read, or one of its own not be kept.
    #[error("a file cannot be read or kept: {0}")]
    Storage(#[from] StorageError),
    /// Somebody handled it at the same time.
    #[error("the mail was handled at the same time")]
    Overtaken,
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Handles a mail, once.
pub async fn receive_mail(
    db: &Db,
    (desk, keys): (&Desk, &Keyring),
    id: InboundMailId,
) -> Result<Option<MailOutcome>, ReceiveError> {
    let waits: i64 = fetch_one!(
        db,
        sqlx::query_scalar("SELECT COUNT(*) FROM inbound_mails WHERE id = $1 AND handled_at IS NULL").bind(id)
    )?;
    if waits == 0 {
        return Ok(None);
    }
    let raw = desk.files.load(&inbound::key(id)).await?;
    let outcome = match raw.as_deref().and_then(mail::envelope).zip(raw.as_deref()) {
        Some((envelope, raw)) => handle(db, (desk, keys), (id, raw), &envelope).await?,
        None => close(db, id, MailOutcome::Unreadable).await?,
    };
    desk.files.remove(&inbound::key(id)).await?;
    metrics::counter!("mintreu_support_mails_total", "outcome" => outcome.as_str()).increment(1);
    Ok(Some(outcome))
}

async fn handle(
    db: &Db,
    (desk, keys): (&Desk, &Keyring),
    (id, raw): (InboundMailId, &[u8]),
    envelope: &Envelope,
) -> Result<MailOutcome, ReceiveError> {
    if envelope.automatic {
        return close(db, id, MailOutcome::Automatic).await;
    }
    let Some(token) = &envelope.token else { return close(db, id, MailOutcome::NoTicket).await };
    let Some(ticket) = ticket::find_any_ticket(db, token.ticket).await? else {
        return close(db, id, MailOutcome::NoTicket).await;
    };
    let sender = sender(db, keys, &ticket, (token, envelope.from.as_ref())).await?;
    let Some(Sender { part, by }) = sender else { return close(db, id, MailOutcome::Stranger).await };
    let Some(contents) =
        mail::contents(raw, LONGEST_BODY).filter(|read| !read.text.is_empty() || !read.files.is_empty())
    else {
        return close(db, id, MailOutcome::Unreadable).await;
    };
    let (body, attachments) = take_files(db, desk, part.user(), contents).await?;
    let written = Written { ticket, part, by, body, attachments, message_id: envelope.message_id.clone() };
    db.write(async |tx| {
        let (outcome, ticket) = write(tx, desk, &written).await?;
        mark(tx, id, outcome, Some(ticket)).await?;
        Ok(outcome)
    })
    .await
}

/// Who a mail is from.
struct Sender {
    part: Part,
    /// As the audit trail names them.
    by: By,
}

/// Whoever the mail is from, if its address was made for them: somebody with an account, or the guest who asked.
async fn sender(
    db: &Db,
    keys: &Keyring,
    ticket: &Ticket,
    (token, from): (&MailToken, Option<&Email>),
) -> Result<Option<Sender>, DbError> {
    let Some(from) = from else { return Ok(None) };
    let account = accounts::find_any_account_by_email(db, from).await?;
    let account = account.filter(|account| account.disabled_at.is_none());
    // What was mailed to a guest is good still when the ticket has come into an account.
    let asked = token.is_of_guest(keys) && from.as_str() == ticket.requester_email;
    if asked && ticket.requester_id.is_none() {
        return Ok(Some(Sender { part: Part::Customer(None), by: By::actor(Actor::user("guest")) }));
    }
    let Some(account) = account.filter(|account| asked || token.is_of(keys, account.id)) else { return Ok(None) };
    let by = By::actor(accounts::actor(account.id, account.role));
    Ok(part_in(db, ticket, &account).await?.map(|part| Sender { part, by }))
}

/// What somebody is on a ticket.
#[derive(Clone, Copy)]
enum Part {
    /// Who asked, with an account or as a guest.
    Customer(Option<UserId>),
    Agent(Agent),
}

impl Part {
    const fn user(self) -> Option<UserId> {
        match self {
            Self::Customer(user) => user,
            Self::Agent(agent) => Some(agent.user),
        }
    }
}

async fn part_in(db: &Db, ticket: &Ticket, sender: &Account) -> Result<Option<Part>, DbError> {
    if ticket.requester_id == Some(sender.id) {
        return Ok(Some(Part::Customer(Some(sender.id))));
    }
    let agent = match sender.role {
        Role::Admin => Some(Agent::operator(sender.id)),
        Role::Customer | Role::Developer | Role::Affiliate => {
            catalog::developer_of(db, sender.id).await?.map(|developer| Agent::of(sender.id, developer))
        }
    };
    Ok(agent.filter(|agent| agent.sees(ticket)).map(Part::Agent))
}

/// A mail that is understood.
struct Written {
    ticket: Ticket,
    part: Part,
    by: By,
    body: String,
    attachments: Vec<AttachmentId>,
    message_id: Option<String>,
}

/// Keeps the files that are taken; of the others the text says so. A file is an account's: guests' are left out.
async fn take_files(
    db: &Db,
    desk: &Desk,
    sender: Option<UserId>,
    contents: Contents,
) -> Result<(String, Vec<AttachmentId>), ReceiveError> {
    let (mut body, mut kept, mut left_out) = (contents.text, Vec::new(), 0);
    for (name, bytes) in &contents.files {
        let policy = &desk.policy;
        let fits = kept.len() < policy.attachments_per_message && bytes.len() <= policy.attachment_size;
        let Some(sender) = sender.filter(|_| fits) else {
            left_out += 1;
            continue;
        };
        match upload(db, &desk.files, sender, (name, Bytes::copy_from_slice(bytes))).await {
            Ok(file) => kept.push(file.id),
            Err(UploadError::Unwelcome(_) | UploadError::TooMany) => left_out += 1,
            Err(UploadError::Storage(error)) => return Err(error.into()),
            Err(UploadError::Db(error)) => return Err(error.into()),
        }
    }
    if left_out > 0 {
        let why =
            if sender.is_some() { "because of their kind, size or number" } else { "since files need an account" };
        let note = format!("\n\n[files left out, {why}: {left_out}]");
        let room = LONGEST_BODY - note.chars().count();
        body = body.chars().take(room).collect::<String>() + &note;
    } else if body.is_empty() {
        "[no text]".clone_into(&mut body);
    }
    Ok((body.trim().to_owned(), kept))
}

async fn write(tx: &mut Tx, desk: &Desk, written: &Written) -> Result<(MailOutcome, TicketId), ReceiveError> {
    let id = written.ticket.id;
    // Whoever writes at the same time waits here, and counts this mail.
    let status = ticket::lock(tx, id).await?.map(|ticket| ticket.progress.status);
    if came_lately(tx, id).await? >= MOST_AN_HOUR {
        return Ok((MailOutcome::TooMany, id));
    }
    let by = written.by.clone();
    let came = Came {
        via: Via::Mail,
        mail_message_id: written.message_id.as_deref(),
        attachments: desk.policy.attachments_per_message,
    };
    let (body, attachments) = (written.body.clone(), written.attachments.clone());
    let done = match written.part {
        Part::Customer(user) => {
            let asker = Asker { user, tenant: written.ticket.tenant_id, by };
            if status == Some(Status::Closed) {
                return Ok((MailOutcome::FollowUp, follow_up(tx, desk, &asker, written).await?));
            }
            reply_as_customer(tx, &asker, id, &Reply { body, attachments }, came).await
        }
        Part::Agent(agent) => {
            let reply = AgentReply { body, internal: false, status: None, attachments };
            reply_as_agent(tx, (&agent, &by), id, &reply, came).await
        }
    };
    match done {
        Ok(_) => Ok((MailOutcome::Accepted, id)),
        Err(TicketError::Db(error)) => Err(error.into()),
        Err(TicketError::NotFound | TicketError::Closed | TicketError::Forbidden(_)) => Ok((MailOutcome::NoTicket, id)),
        Err(TicketError::Invalid(_)) => Ok((MailOutcome::Unreadable, id)),
    }
}

/// Goes on from a closed ticket with a new one, about the same.
async fn follow_up(tx: &mut Tx, desk: &Desk, asker: &Asker, written: &Written) -> Result<TicketId, ReceiveError> {
    let before = &written.ticket;
    let mut new = NewTicket {
        subject: before.subject.clone(),
        body: written.body.clone(),
        category: before.category,
        priority: Priority::Normal,
        order: before.order_id,
        license: before.license_id,
        product: before.product_id,
        follow_up_of: Some(before.id),
        attachments: written.attachments.clone(),
    };
    let opening =
        Opening { targets: &desk.policy.targets, attachments: desk.policy.attachments_per_message, via: Via::Mail };
    let mut opened = open_ticket(tx, asker, &new, opening).await;
    if matches!(opened, Err(TicketError::Invalid(_))) {
        // What the first one was about is not the asker's any more.
        (new.order, new.license, new.product) = (None, None, None);
        opened = open_ticket(tx, asker, &new, opening).await;
    }
    match opened {
        Ok(ticket) => Ok(ticket.id),
        Err(TicketError::Db(error)) => Err(error.into()),
        Err(error) => Err(DbError::Aborted(format!("a follow-up was refused: {error}")).into()),
    }
}

async fn came_lately(tx: &mut Tx, ticket: TicketId) -> Result<i64, DbError> {
    let since = tx.now() - Duration::from_hours(1);
    fetch_one!(
        tx,
        sqlx::query_scalar("SELECT COUNT(*) FROM inbound_mails WHERE ticket_id = $1 AND handled_at > $2")
            .bind(ticket)
            .bind(since)
    )
}

async fn close(db: &Db, id: InboundMailId, outcome: MailOutcome) -> Result<MailOutcome, ReceiveError> {
    db.write(async |tx| mark(tx, id, outcome, None).await.map(|()| outcome)).await
}

async fn mark(
    tx: &mut Tx,
    id: InboundMailId,
    outcome: MailOutcome,
    ticket: Option<TicketId>,
) -> Result<(), ReceiveError> {
    let now = tx.now();
    let marked = execute!(
        tx,
        sqlx::query(
            "UPDATE inbound_mails SET outcome = $2, ticket_id = $3, handled_at = $4
             WHERE id = $1 AND handled_at IS NULL"
        )
        .bind(id)
        .bind(outcome)
        .bind(ticket)
        .bind(now)
    )?;
    if marked == 1 { Ok(()) } else { Err(ReceiveError::Overtaken) }
}
