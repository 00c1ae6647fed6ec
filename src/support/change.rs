//! Changing where a ticket stands, how much it presses, what it is about, and who cares for it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Agent, Category, Priority, Status, Targets, Ticket, TicketError, TicketStatusChanged, open::Asker, ticket,
};
use crate::{
    accounts::By,
    db::{DbError, Tx},
    fetch_one,
    kernel::{TicketId, UserId},
    notifications::Notice,
};

/// What to change; what is not named stays.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketChange {
    /// Where it stands.
    #[serde(default)]
    pub status: Option<Status>,
    /// How much it presses. For operators.
    #[serde(default)]
    pub priority: Option<Priority>,
    /// What it is about. For operators.
    #[serde(default)]
    pub category: Option<Category>,
    /// Who cares for it: an operator, or the developer of its product; `null` for nobody. For operators.
    #[serde(default, deserialize_with = "named")]
    #[schemars(with = "Option<UserId>")]
    pub assignee: Option<Assign>,
}

/// Who shall care for a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assign {
    /// Nobody in particular.
    Nobody,
    /// This one.
    To(UserId),
}

/// Tells a field that is `null` from one that is not there.
fn named<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Assign>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.map_or(Assign::Nobody, Assign::To)))
}

/// Changes a ticket. Whatever differs afterwards is in the audit trail.
pub async fn change_ticket(
    tx: &mut Tx,
    (agent, by): (&Agent, &By),
    id: TicketId,
    change: &TicketChange,
    targets: &Targets,
) -> Result<Ticket, TicketError> {
    let for_operators = change.priority.is_some() || change.category.is_some() || change.assignee.is_some();
    if agent.developer.is_some() && for_operators {
        return Err(TicketError::Forbidden("priority, category and assignee are for operators to change"));
    }
    let ticket = ticket::lock(tx, id).await?.filter(|ticket| agent.sees(ticket));
    let mut ticket = ticket.ok_or(TicketError::NotFound)?;
    if ticket.progress.status == Status::Closed {
        return Err(TicketError::Closed);
    }
    let before = facts(&ticket);
    let stood = ticket.progress.status;
    if let Some(Assign::To(assignee)) = change.assignee
        && !may_care(tx, assignee, &ticket).await?
    {
        return Err(TicketError::flaw("#/assignee", "neither an operator nor the developer of the ticket's product"));
    }
    if change.status == Some(Status::New) && stood != Status::New {
        return Err(TicketError::flaw("#/status", "what was looked at is not new"));
    }
    let now = tx.now();
    match change.assignee {
        Some(Assign::To(assignee)) => ticket.assignee_id = Some(assignee),
        Some(Assign::Nobody) => ticket.assignee_id = None,
        None => {}
    }
    ticket.category = change.category.unwrap_or(ticket.category);
    if let Some(priority) = change.priority {
        ticket.progress.press(priority, targets, now);
    }
    if let Some(status) = change.status {
        ticket.progress.go_to(status, now);
    }
    ticket::store(tx, &ticket).await?;
    note(tx, by, &ticket, before);
    moved(tx, &ticket, stood).await?;
    ticket::lock(tx, id).await?.ok_or(TicketError::NotFound)
}

/// The customer needs no more help.
pub async fn solve_as_customer(tx: &mut Tx, asker: &Asker, id: TicketId) -> Result<Ticket, TicketError> {
    let ticket = ticket::lock(tx, id).await?.filter(|ticket| ticket.tenant_id == asker.tenant);
    let mut ticket = ticket.ok_or(TicketError::NotFound)?;
    let stood = ticket.progress.status;
    match stood {
        Status::Closed => return Err(TicketError::Closed),
        Status::Solved => return Ok(ticket),
        Status::New | Status::Open | Status::Pending | Status::OnHold => {}
    }
    let (before, now) = (facts(&ticket), tx.now());
    ticket.progress.go_to(Status::Solved, now);
    ticket::store(tx, &ticket).await?;
    note(tx, &asker.by, &ticket, before);
    tx.emit(&TicketStatusChanged { ticket: id, status: Status::Solved })?;
    Ok(ticket)
}

async fn moved(tx: &mut Tx, ticket: &Ticket, stood: Status) -> Result<(), DbError> {
    let status = ticket.progress.status;
    if status == stood {
        return Ok(());
    }
    tx.emit(&TicketStatusChanged { ticket: ticket.id, status })?;
    if status.is_over() && !stood.is_over() {
        tx.enqueue(&Notice::TicketSolved { ticket: ticket.id }).await?;
    }
    Ok(())
}

/// What the audit trail keeps of a ticket.
fn facts(ticket: &Ticket) -> Map<String, Value> {
    let facts = [
        ("status", json!(ticket.progress.status)),
        ("priority", json!(ticket.progress.priority)),
        ("category", json!(ticket.category)),
        ("assignee", json!(ticket.assignee_id)),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One entry for each thing that differs.
fn note(tx: &mut Tx, by: &By, ticket: &Ticket, mut before: Map<String, Value>) {
    let actions = [
        ("status", "ticket.status_changed"),
        ("priority", "ticket.priority_changed"),
        ("category", "ticket.category_changed"),
        ("assignee", "ticket.assigned"),
    ];
    let mut after = facts(ticket);
    for (name, action) in actions {
        let (old, new) = (before.remove(name), after.remove(name));
        if old != new {
            tx.audit(by.did(action, "ticket", ticket.id).change(json!({ name: old }), json!({ name: new })));
        }
    }
}

async fn may_care(tx: &mut Tx, user: UserId, ticket: &Ticket) -> Result<bool, DbError> {
    let found: i64 = fetch_one!(
        tx,
        sqlx::query_scalar(
            "SELECT COUNT(*) FROM users u WHERE u.id = $1 AND u.disabled_at IS NULL AND (u.role = 'admin'
                 OR EXISTS (SELECT 1 FROM developers d WHERE d.user_id = u.id AND d.id = $2))"
        )
        .bind(user)
        .bind(ticket.developer_id)
    )?;
    Ok(found > 0)
}
