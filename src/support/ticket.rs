//! Tickets as they are stored, and who may see which.

use sqlx::{AssertSqlSafe, FromRow};

use super::clock::Progress;
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_optional,
    kernel::{DeveloperId, LicenseId, OrderId, ProductId, TenantId, TicketId, Time, UserId},
    text_enum,
};

text_enum! {
    /// What a ticket is about.
    #[schemars(rename = "TicketCategory")]
    pub enum Category {
        /// Anything.
        General = "general",
        /// The account.
        Account = "account",
        /// Orders, payments, refunds, invoices.
        Billing = "billing",
        /// Keys and activations.
        License = "license",
        /// Fetching what was bought.
        Download = "download",
        /// A product that does not do what it should.
        Technical = "technical",
        /// A wish.
        Feature = "feature",
        /// Somebody misuses something.
        Abuse = "abuse",
    }
}

/// Somebody who answers, and which tickets are theirs to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// Who.
    pub user: UserId,
    /// A developer answers the tickets about its own products; an operator, who is none, all.
    pub developer: Option<DeveloperId>,
}

impl Agent {
    /// An operator.
    #[must_use]
    pub const fn operator(user: UserId) -> Self {
        Self { user, developer: None }
    }

    /// Whoever sells as `developer`.
    #[must_use]
    pub const fn of(user: UserId, developer: DeveloperId) -> Self {
        Self { user, developer: Some(developer) }
    }

    /// Whether a ticket is theirs. Nobody answers, or reads notes about, what they asked a developer's desk themselves.
    #[must_use]
    pub fn sees(&self, ticket: &Ticket) -> bool {
        self.developer.is_none_or(|own| ticket.developer_id == Some(own) && ticket.requester_id != Some(self.user))
    }
}

/// A ticket.
#[derive(Debug, Clone, FromRow)]
pub struct Ticket {
    /// Which one.
    pub id: TicketId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Who asks; a guest has no account.
    pub requester_id: Option<UserId>,
    /// What they are called; guests have no name.
    pub requester_name: Option<String>,
    /// Where they are written to.
    pub requester_email: String,
    /// About which order.
    pub order_id: Option<OrderId>,
    /// About which licence.
    pub license_id: Option<LicenseId>,
    /// About which product.
    pub product_id: Option<ProductId>,
    /// What that is called.
    pub product_title: Option<String>,
    /// Who sells it.
    pub developer_id: Option<DeveloperId>,
    /// In a line.
    pub subject: String,
    /// What it is about.
    pub category: Category,
    /// Who cares for it.
    pub assignee_id: Option<UserId>,
    /// What they are called.
    pub assignee_name: Option<String>,
    /// The closed ticket that it goes on from.
    pub follow_up_of: Option<TicketId>,
    /// When something happened last.
    pub updated_at: Time,
    /// Where it stands.
    #[sqlx(flatten)]
    pub progress: Progress,
}

/// All of a ticket, as `t` with its neighbours.
pub(super) const COLUMNS: &str = "t.id, t.tenant_id, t.requester_id, r.name AS requester_name,
    COALESCE(r.email, g.guest_email) AS requester_email, t.order_id, t.license_id, t.product_id, p.title AS product_title, t.developer_id,
    t.subject, t.category, t.assignee_id, a.name AS assignee_name, t.follow_up_of, t.updated_at, t.status, t.priority,
    t.created_at, t.first_response_due_at, t.first_responded_at, t.resolution_due_at, t.solved_at, t.closed_at,
    t.stopped_at, t.stopped_micros, t.first_response_breached_at, t.resolution_breached_at";
/// Where they come from.
pub(super) const FROM: &str =
    "tickets t JOIN tenants g ON g.id = t.tenant_id LEFT JOIN users r ON r.id = t.requester_id
    LEFT JOIN products p ON p.id = t.product_id LEFT JOIN users a ON a.id = t.assignee_id";

/// A ticket, whoever asks.
pub async fn find_any_ticket(db: &Db, id: TicketId) -> Result<Option<Ticket>, DbError> {
    let text = format!("SELECT {COLUMNS} FROM {FROM} WHERE t.id = $1");
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(id))
}

/// A ticket of this tenant's.
pub async fn find_ticket(db: &Db, tenant: TenantId, id: TicketId) -> Result<Option<Ticket>, DbError> {
    Ok(find_any_ticket(db, id).await?.filter(|ticket| ticket.tenant_id == tenant))
}

/// A ticket that this agent answers.
pub async fn find_at_desk(db: &Db, agent: &Agent, id: TicketId) -> Result<Option<Ticket>, DbError> {
    Ok(find_any_ticket(db, id).await?.filter(|ticket| agent.sees(ticket)))
}

/// Who sells as a developer; nobody for the house.
pub async fn seller(db: &Db, developer: DeveloperId) -> Result<Option<UserId>, DbError> {
    let found: Option<Option<UserId>> =
        fetch_optional!(db, sqlx::query_scalar("SELECT user_id FROM developers WHERE id = $1").bind(developer))?;
    Ok(found.flatten())
}

/// A ticket that nobody else changes before the transaction ends.
pub(super) async fn lock(tx: &mut Tx, id: TicketId) -> Result<Option<Ticket>, DbError> {
    let suffix = tx.dialect().pick("", " FOR UPDATE OF t");
    let text = format!("SELECT {COLUMNS} FROM {FROM} WHERE t.id = $1{suffix}");
    fetch_optional!(tx, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(id))
}

/// Writes what can change of a locked ticket.
pub(super) async fn store(tx: &mut Tx, ticket: &Ticket) -> Result<(), DbError> {
    let (now, it) = (tx.now(), &ticket.progress);
    execute!(
        tx,
        sqlx::query(
            "UPDATE tickets SET category = $2, assignee_id = $3, status = $4, priority = $5, first_response_due_at = $6,
                    first_responded_at = $7, resolution_due_at = $8, solved_at = $9, closed_at = $10, stopped_at = $11,
                    stopped_micros = $12, first_response_breached_at = $13, resolution_breached_at = $14,
                    updated_at = $15
             WHERE id = $1"
        )
        .bind(ticket.id)
        .bind(ticket.category)
        .bind(ticket.assignee_id)
        .bind(it.status)
        .bind(it.priority)
        .bind(it.first_response_due_at)
        .bind(it.first_responded_at)
        .bind(it.resolution_due_at)
        .bind(it.solved_at)
        .bind(it.closed_at)
        .bind(it.stopped_at)
        .bind(it.stopped_micros)
        .bind(it.first_response_breached_at)
        .bind(it.resolution_breached_at)
        .bind(now)
    )?;
    Ok(())
}
