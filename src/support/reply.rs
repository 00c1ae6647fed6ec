//! Answering: the customer, and those who answer the customer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Agent, AttachmentId, AuthorKind, Status, Ticket, TicketError, TicketReplied, TicketStatusChanged, Via,
    flaw::{Flaws, LONGEST_BODY},
    message::{self, NewMessage},
    open::Asker,
    ticket,
};
use crate::{
    accounts::By,
    db::Tx,
    kernel::{TicketId, TicketMessageId, Time},
    notifications::Notice,
};

/// What somebody writes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TicketReply")]
pub struct Reply {
    /// The text.
    pub body: String,
    /// Files uploaded before.
    #[serde(default)]
    pub attachments: Vec<AttachmentId>,
}

/// What those who answer write.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentReply {
    /// The text.
    pub body: String,
    /// A note among those who answer, which the customer never sees.
    #[serde(default)]
    pub internal: bool,
    /// Where the ticket stands then; an answer waits for the customer unless it says otherwise.
    #[serde(default)]
    pub status: Option<Status>,
    /// Files uploaded before.
    #[serde(default)]
    pub attachments: Vec<AttachmentId>,
}

/// How a reply came, and what it may be.
#[derive(Debug, Clone, Copy)]
pub struct Came<'a> {
    /// How.
    pub via: Via,
    /// The Message-ID of the mail, if it was one.
    pub mail_message_id: Option<&'a str>,
    /// The most attachments.
    pub attachments: usize,
}

/// What was written.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "NewMessage")]
pub struct Replied {
    /// The message.
    pub id: TicketMessageId,
    /// On which ticket.
    pub ticket: TicketId,
    /// Where that stands now.
    pub status: Status,
    /// When.
    pub created_at: Time,
}

fn check(body: &str, attachments: &[AttachmentId], most: usize) -> Result<(), TicketError> {
    let mut flaws = Flaws::default();
    flaws.text("body", body, LONGEST_BODY);
    flaws.must(attachments.len() <= most, "attachments", &format!("at most {most}"));
    flaws.done().map_err(TicketError::Invalid)
}

/// The customer writes: whatever the ticket waited for, it waits for us now. A solved one is opened again.
pub async fn reply_as_customer(
    tx: &mut Tx,
    asker: &Asker,
    id: TicketId,
    reply: &Reply,
    came: Came<'_>,
) -> Result<Replied, TicketError> {
    check(&reply.body, &reply.attachments, came.attachments)?;
    let ticket = ticket::lock(tx, id).await?.filter(|ticket| ticket.tenant_id == asker.tenant);
    let mut ticket = ticket.ok_or(TicketError::NotFound)?;
    let before = ticket.progress.status;
    match before {
        Status::Closed => return Err(TicketError::Closed),
        Status::New => {}
        Status::Open | Status::Pending | Status::OnHold | Status::Solved => {
            let now = tx.now();
            ticket.progress.go_to(Status::Open, now);
        }
    }
    let new = NewMessage {
        ticket: id,
        author: asker.user,
        kind: AuthorKind::Customer,
        internal: false,
        body: &reply.body,
        via: came.via,
        mail_message_id: came.mail_message_id,
    };
    let message = message::insert(tx, &new, &reply.attachments).await?;
    ticket::store(tx, &ticket).await?;
    let after = ticket.progress.status;
    if before == Status::Solved {
        let change = json!({ "status": after });
        tx.audit(asker.by.did("ticket.reopened", "ticket", id).change(json!({ "status": before }), change));
    }
    told(tx, &ticket, before, message)?;
    tx.enqueue(&Notice::TicketReplied { ticket: id, message }).await?;
    Ok(Replied { id: message, ticket: id, status: after, created_at: tx.now() })
}

/// Somebody answers, or makes a note.
pub async fn reply_as_agent(
    tx: &mut Tx,
    (agent, by): (&Agent, &By),
    id: TicketId,
    reply: &AgentReply,
    came: Came<'_>,
) -> Result<Replied, TicketError> {
    check(&reply.body, &reply.attachments, came.attachments)?;
    if reply.status == Some(Status::New) {
        return Err(TicketError::flaw("#/status", "what was answered is not new"));
    }
    let ticket = ticket::lock(tx, id).await?.filter(|ticket| agent.sees(ticket));
    let mut ticket = ticket.ok_or(TicketError::NotFound)?;
    let before = ticket.progress.status;
    if before == Status::Closed {
        return Err(TicketError::Closed);
    }
    let new = NewMessage {
        ticket: id,
        author: Some(agent.user),
        kind: if agent.developer.is_some() { AuthorKind::Developer } else { AuthorKind::Operator },
        internal: reply.internal,
        body: &reply.body,
        via: came.via,
        mail_message_id: came.mail_message_id,
    };
    let message = message::insert(tx, &new, &reply.attachments).await?;
    advance(tx, &mut ticket, (agent, by), reply);
    ticket::store(tx, &ticket).await?;
    let after = ticket.progress.status;
    if after != before {
        let entry = by.did("ticket.status_changed", "ticket", id);
        tx.audit(entry.change(json!({ "status": before }), json!({ "status": after })));
    }
    if reply.internal {
        // Who reads along must not learn of the note from an event.
        if after != before {
            tx.emit(&TicketStatusChanged { ticket: id, status: after })?;
        }
        if after == Status::Solved && before != Status::Solved {
            tx.enqueue(&Notice::TicketSolved { ticket: id }).await?;
        }
    } else {
        told(tx, &ticket, before, message)?;
        tx.enqueue(&Notice::TicketAnswered { ticket: id, message }).await?;
    }
    Ok(Replied { id: message, ticket: id, status: after, created_at: tx.now() })
}

/// An answer to the customer stops the first clock, and makes the ticket its author's if it is nobody's.
fn advance(tx: &mut Tx, ticket: &mut Ticket, (agent, by): (&Agent, &By), reply: &AgentReply) {
    let now = tx.now();
    if !reply.internal {
        ticket.progress.answered(now);
        if ticket.assignee_id.is_none() {
            ticket.assignee_id = Some(agent.user);
            let entry = by.did("ticket.assigned", "ticket", ticket.id);
            tx.audit(entry.change(json!({ "assignee": null }), json!({ "assignee": agent.user })));
        }
    }
    let waits = if ticket.progress.status == Status::Solved { Status::Solved } else { Status::Pending };
    match reply.status {
        Some(status) => ticket.progress.go_to(status, now),
        None if !reply.internal => ticket.progress.go_to(waits, now),
        None => {}
    }
}

fn told(tx: &mut Tx, ticket: &Ticket, before: Status, message: TicketMessageId) -> Result<(), TicketError> {
    tx.emit(&TicketReplied { ticket: ticket.id, message })?;
    if ticket.progress.status != before {
        tx.emit(&TicketStatusChanged { ticket: ticket.id, status: ticket.progress.status })?;
    }
    Ok(())
}
