//! Opening a ticket, tied to what its asker has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    AttachmentId, AuthorKind, Category, Priority, Progress, Targets, Ticket, TicketError, TicketOpened, Via,
    flaw::{Flaws, LONGEST_BODY, LONGEST_SUBJECT},
    message::{self, NewMessage},
    ticket,
};
use crate::{
    accounts::By,
    db::{DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::{DeveloperId, LicenseId, OrderId, ProductId, TenantId, TicketId, UserId},
    notifications::Notice,
};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Who; a guest has no account.
    pub user: Option<UserId>,
    /// For whom.
    pub tenant: TenantId,
    /// As the audit trail names them.
    pub by: By,
}

/// A ticket to be opened.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTicket {
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
    /// About which licence.
    #[serde(default)]
    pub license: Option<LicenseId>,
    /// About which product.
    #[serde(default)]
    pub product: Option<ProductId>,
    /// The ticket that it goes on from.
    #[serde(default)]
    pub follow_up_of: Option<TicketId>,
    /// Files uploaded before.
    #[serde(default)]
    pub attachments: Vec<AttachmentId>,
}

pub(super) const fn general() -> Category {
    Category::General
}

pub(super) const fn normal() -> Priority {
    Priority::Normal
}

impl NewTicket {
    /// What can be told without the database.
    fn check(&self, most_attachments: usize) -> Result<(), TicketError> {
        let mut flaws = Flaws::default();
        flaws.line("subject", &self.subject, LONGEST_SUBJECT);
        flaws.text("body", &self.body, LONGEST_BODY);
        let detail = format!("at most {most_attachments}");
        flaws.must(self.attachments.len() <= most_attachments, "attachments", &detail);
        flaws.done().map_err(TicketError::Invalid)
    }
}

/// The rules for a new ticket, and the way it came.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// How soon it is to be answered and solved.
    pub targets: &'a Targets,
    /// The most attachments.
    pub attachments: usize,
    /// How it came.
    pub via: Via,
}

/// Opens a ticket.
pub async fn open_ticket(
    tx: &mut Tx,
    asker: &Asker,
    new: &NewTicket,
    opening: Opening<'_>,
) -> Result<Ticket, TicketError> {
    new.check(opening.attachments)?;
    let ties = tie(tx, asker.tenant, new).await?;
    let (id, now): (TicketId, _) = (tx.new_id(), tx.now());
    let progress = Progress::begin(new.priority, opening.targets, now);
    insert(tx, (id, asker), new, (&ties, &progress)).await?;
    let message = NewMessage {
        ticket: id,
        author: asker.user,
        kind: AuthorKind::Customer,
        internal: false,
        body: &new.body,
        via: opening.via,
        mail_message_id: None,
    };
    message::insert(tx, &message, &new.attachments).await?;
    tx.audit(asker.by.did("ticket.opened", "ticket", id).change(
        None,
        json!({ "category": new.category, "priority": new.priority, "order": ties.order, "license": ties.license,
                "product": ties.product }),
    ));
    tx.emit(&TicketOpened { ticket: id, tenant: asker.tenant })?;
    tx.enqueue(&Notice::TicketOpened { ticket: id }).await?;
    metrics::counter!("mintreu_tickets_opened_total", "category" => new.category.as_str()).increment(1);
    ticket::lock(tx, id).await?.ok_or(TicketError::NotFound)
}

/// What a ticket is about.
#[derive(Debug, Default)]
struct Ties {
    order: Option<OrderId>,
    license: Option<LicenseId>,
    product: Option<ProductId>,
    developer: Option<DeveloperId>,
}

/// Holds what a ticket names against what its tenant has. What follows is filled in: a licence's order and product, the
/// product of an order that has but one.
async fn tie(tx: &mut Tx, tenant: TenantId, new: &NewTicket) -> Result<Ties, TicketError> {
    let mut flaws = Flaws::default();
    let mut ties = Ties { order: new.order, product: new.product, ..Ties::default() };
    if let Some(license) = new.license {
        match license_of(tx, tenant, license).await? {
            Some((order, product)) => {
                flaws.must(new.order.is_none_or(|named| named == order), "order", "not the licence's order");
                flaws.must(new.product.is_none_or(|named| named == product), "product", "not the licence's product");
                ties.license = Some(license);
                (ties.order, ties.product) = (Some(order), Some(product));
            }
            None => flaws.add("license", "you have no such licence"),
        }
    } else if let Some(order) = new.order {
        let items = items_of(tx, tenant, order).await?;
        flaws.must(!items.is_empty(), "order", "you have no such order");
        if let [only] = items.as_slice() {
            ties.product = ties.product.or(Some(*only));
        }
        let named = ties.product;
        let in_order = items.is_empty() || named.is_none_or(|named| items.contains(&named));
        flaws.must(in_order, "product", "not in this order");
    }
    if let Some(product) = ties.product {
        ties.developer = seller_to(tx, tenant, product).await?;
        // Said of the licence or the order already, where one of them is wrong.
        let told = new.license.is_some() || new.order.is_some();
        flaws.must(ties.developer.is_some() || told, "product", "you have not bought this product");
    }
    if let Some(before) = new.follow_up_of {
        let own = ticket::lock(tx, before).await?.is_some_and(|ticket| ticket.tenant_id == tenant);
        flaws.must(own, "follow_up_of", "you have no such ticket");
    }
    flaws.done().map_err(TicketError::Invalid)?;
    Ok(ties)
}

async fn license_of(tx: &mut Tx, tenant: TenantId, id: LicenseId) -> Result<Option<(OrderId, ProductId)>, DbError> {
    fetch_optional!(
        tx,
        sqlx::query_as("SELECT order_id, product_id FROM licenses WHERE tenant_id = $1 AND id = $2")
            .bind(tenant)
            .bind(id)
    )
}

async fn items_of(tx: &mut Tx, tenant: TenantId, order: OrderId) -> Result<Vec<ProductId>, DbError> {
    fetch_all!(
        tx,
        sqlx::query_scalar(
            "SELECT DISTINCT i.product_id FROM order_items i JOIN orders o ON o.id = i.order_id
             WHERE o.tenant_id = $1 AND o.id = $2"
        )
        .bind(tenant)
        .bind(order)
    )
}

/// Who sells a product that the tenant has ordered; nobody if it has not.
async fn seller_to(tx: &mut Tx, tenant: TenantId, product: ProductId) -> Result<Option<DeveloperId>, DbError> {
    fetch_optional!(
        tx,
        sqlx::query_scalar(
            "SELECT p.developer_id FROM products p WHERE p.id = $2 AND EXISTS (SELECT 1 FROM order_items i
                 JOIN orders o ON o.id = i.order_id WHERE o.tenant_id = $1 AND i.product_id = p.id)"
        )
        .bind(tenant)
        .bind(product)
    )
}

async fn insert(
    tx: &mut Tx,
    (id, asker): (TicketId, &Asker),
    new: &NewTicket,
    (ties, progress): (&Ties, &Progress),
) -> Result<(), DbError> {
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO tickets (id, tenant_id, requester_id, order_id, license_id, product_id, developer_id, subject,
                 category, priority, status, follow_up_of, created_at, updated_at, first_response_due_at,
                 resolution_due_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15)"
        )
        .bind(id)
        .bind(asker.tenant)
        .bind(asker.user)
        .bind(ties.order)
        .bind(ties.license)
        .bind(ties.product)
        .bind(ties.developer)
        .bind(&new.subject)
        .bind(new.category)
        .bind(progress.priority)
        .bind(progress.status)
        .bind(new.follow_up_of)
        .bind(progress.created_at)
        .bind(progress.first_response_due_at)
        .bind(progress.resolution_due_at)
    )?;
    Ok(())
}
