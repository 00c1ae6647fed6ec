//! Tickets as their customers see them, and as those who answer do.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    kernel::{LicenseId, OrderId, ProductId, TenantId, TicketId, Time, UserId},
    support::{Agent, Category, Priority, Progress, Status, Ticket},
};

/// What a ticket is about.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TicketProduct")]
struct ProductView {
    /// Which one.
    id: ProductId,
    /// What it is called.
    title: Option<String>,
}

/// Somebody who has to do with a ticket.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TicketPerson")]
struct PersonView {
    /// Who; a guest has no account.
    id: Option<UserId>,
    /// What they are called.
    name: Option<String>,
    /// Where they are written to; operators alone are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Head {
    /// Which one.
    id: TicketId,
    /// In a line.
    subject: String,
    /// What it is about.
    category: Category,
    /// About which order.
    order: Option<OrderId>,
    /// About which licence.
    license: Option<LicenseId>,
    /// About which product.
    product: Option<ProductView>,
    /// The closed ticket that it goes on from.
    follow_up_of: Option<TicketId>,
    /// When something happened last.
    updated_at: Time,
}

impl Head {
    fn of(ticket: &Ticket) -> Self {
        Self {
            id: ticket.id,
            subject: ticket.subject.clone(),
            category: ticket.category,
            order: ticket.order_id,
            license: ticket.license_id,
            product: ticket.product_id.map(|id| ProductView { id, title: ticket.product_title.clone() }),
            follow_up_of: ticket.follow_up_of,
            updated_at: ticket.updated_at,
        }
    }
}

/// A ticket as its customer sees it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Ticket")]
pub(super) struct CustomerView {
    #[serde(flatten)]
    head: Head,
    /// Where it stands.
    status: Status,
    /// How much it presses.
    priority: Priority,
    /// When it was opened.
    created_at: Time,
    /// When it was solved last, if it is.
    solved_at: Option<Time>,
    /// Since when nothing can be said on it any more.
    closed_at: Option<Time>,
}

impl CustomerView {
    #[expect(clippy::needless_pass_by_value, reason = "it stands for the ticket from here on")]
    pub(super) fn of(ticket: Ticket) -> Self {
        Self {
            head: Head::of(&ticket),
            status: ticket.progress.status,
            priority: ticket.progress.priority,
            created_at: ticket.progress.created_at,
            solved_at: ticket.progress.solved_at,
            closed_at: ticket.progress.closed_at,
        }
    }
}

/// A ticket as those who answer see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeskTicket")]
pub(super) struct DeskView {
    #[serde(flatten)]
    head: Head,
    #[serde(flatten)]
    progress: Progress,
    /// Whose it is.
    tenant: TenantId,
    /// Who asks.
    requester: PersonView,
    /// Who cares for it.
    assignee: Option<PersonView>,
    /// Whether it waits, or waited, longer than was promised.
    breached: bool,
}

impl DeskView {
    pub(super) fn of(ticket: Ticket, agent: &Agent, now: Time) -> Self {
        Self {
            head: Head::of(&ticket),
            breached: ticket.progress.is_breached(now),
            progress: ticket.progress,
            tenant: ticket.tenant_id,
            requester: PersonView {
                id: ticket.requester_id,
                name: ticket.requester_name,
                email: agent.developer.is_none().then_some(ticket.requester_email),
            },
            assignee: ticket.assignee_id.map(|id| PersonView { id: Some(id), name: ticket.assignee_name, email: None }),
        }
    }
}
