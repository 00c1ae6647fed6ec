//! Tickets of guests: about an order without an account, by whoever proved the address that it was delivered to.
//!
//! A ticket belongs to the guest's tenant and has no account. A token opens it, and it alone; the token is in the letters
//! about it, which go to that address. When an account proves the address, the tickets come into it with the orders, and
//! the token opens nothing any more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Asker, Category, NewTicket, Opening, Priority, Ticket, TicketError, find_any_ticket,
    open::{self, general, normal},
};
use crate::{
    accounts::{AttachPurchases, By, Email},
    audit::{Actor, Entry},
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::{
        OrderId, ProductId, TenantId, TicketId,
        seal::{self, Keyring},
    },
};

const PURPOSE: &str = "guest tickets";

/// A guest's ticket to be opened.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGuestTicket {
    /// The token of a link that was mailed to the guest.
    pub token: String,
    /// In a line.
    pub subject: String,
    /// The question.
    pub body: String,
    /// What it is about.
    #[serde(default = "general")]
    pub category: Category,
    /// How much it presses.
    #[serde(default = "normal")]
    pub priority: Priority,
    /// About which order.
    #[serde(default)]
    pub order: Option<OrderId>,
    /// About which product of the order.
    #[serde(default)]
    pub product: Option<ProductId>,
}

/// Opens a guest's ticket, about what they ordered with the address that they have proven.
pub async fn open_guest_ticket(
    tx: &mut Tx,
    (guest, by): (&Email, By),
    new: &NewGuestTicket,
    opening: Opening<'_>,
) -> Result<Ticket, TicketError> {
    let Some(tenant) = hold(tx, guest, new.order).await? else {
        let named = new.order.is_some();
        return Err(if named {
            TicketError::flaw("#/order", "you have no such order")
        } else {
            TicketError::flaw("#/token", "what was ordered with this address is in an account now; sign in")
        });
    };
    let ticket = NewTicket {
        subject: new.subject.clone(),
        body: new.body.clone(),
        category: new.category,
        priority: new.priority,
        order: new.order,
        license: None,
        product: new.product,
        follow_up_of: None,
        attachments: Vec::new(),
    };
    open::open_ticket(tx, &Asker { user: None, tenant, by }, &ticket, opening).await
}

/// The tenant of a guest's order, or of the last one if none is named. It stays a guest's until the transaction ends.
async fn hold(tx: &mut Tx, guest: &Email, order: Option<OrderId>) -> Result<Option<TenantId>, DbError> {
    let text = tx.dialect().pick(
        "SELECT t.id FROM tenants t WHERE t.kind = 'guest' AND t.guest_email = $1 AND t.merged_into IS NULL
             AND ($2 IS NULL OR EXISTS (SELECT 1 FROM orders o WHERE o.tenant_id = t.id AND o.id = $2))
         ORDER BY t.id DESC LIMIT 1",
        "SELECT t.id FROM tenants t WHERE t.kind = 'guest' AND t.guest_email = $1 AND t.merged_into IS NULL
             AND ($2 IS NULL OR EXISTS (SELECT 1 FROM orders o WHERE o.tenant_id = t.id AND o.id = $2))
         ORDER BY t.id DESC LIMIT 1 FOR NO KEY UPDATE OF t",
    );
    fetch_optional!(tx, sqlx::query_scalar(text).bind(guest).bind(order))
}

/// What opens a guest's ticket, and no other.
#[must_use]
pub fn guest_ticket_token(keys: &Keyring, ticket: TicketId) -> String {
    let keys = keys.derive(PURPOSE);
    let (id, key) = keys.current();
    format!("{id}.{}", seal::to_hex(&key.mac(&[ticket.uuid().as_bytes()])))
}

/// A guest's ticket, if this is its token.
pub async fn find_guest_ticket(db: &Db, keys: &Keyring, id: TicketId, token: &str) -> Result<Option<Ticket>, DbError> {
    let Some((name, mac)) = token.split_once('.') else { return Ok(None) };
    let expected = |key: &seal::SubKey| seal::to_hex(&key.mac(&[id.uuid().as_bytes()]));
    let right = keys.derive(PURPOSE).named(name).any(|key| seal::same(expected(key).as_bytes(), mac.as_bytes()));
    if !right {
        return Ok(None);
    }
    Ok(find_any_ticket(db, id).await?.filter(|ticket| ticket.requester_id.is_none()))
}

/// Brings a guest's tickets into the account that has the guest's orders now. Done again, it finds nothing left.
pub async fn attach_tickets(tx: &mut Tx, work: &AttachPurchases) -> Result<(), DbError> {
    let tickets: Vec<TicketId> = fetch_all!(
        tx,
        sqlx::query_scalar("UPDATE tickets SET tenant_id = $2, requester_id = $3 WHERE tenant_id = $1 RETURNING id")
            .bind(work.from)
            .bind(work.to)
            .bind(work.user)
    )?;
    if tickets.is_empty() {
        return Ok(());
    }
    // Whoever writes on one holds it, so all that a guest wrote is there.
    execute!(
        tx,
        sqlx::query(
            "UPDATE ticket_messages SET author_id = $2
             WHERE author_id IS NULL AND ticket_id IN (SELECT id FROM tickets WHERE tenant_id = $1)"
        )
        .bind(work.to)
        .bind(work.user)
    )?;
    for ticket in tickets {
        let entry = Entry::new(Actor::system("support"), "ticket.attached", "ticket", ticket.to_string());
        tx.audit(entry.change(None, json!({ "requester": work.user })));
    }
    Ok(())
}
