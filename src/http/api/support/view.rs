//! Tickets as their customers see them, and as those who answer do.

use serde::Serialize;

use crate::{
    kernel::{LicenseId, OrderId, ProductId, TenantId, TicketId, Time, UserId},
    support::{Agent, Category, Priority, Progress, Status, Ticket},
};

#[derive(Debug, Serialize)]
struct ProductView {
    id: ProductId,
    title: Option<String>,
}

#[derive(Debug, Serialize)]
struct PersonView {
    id: UserId,
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

#[derive(Debug, Serialize)]
struct Head {
    id: TicketId,
    subject: String,
    category: Category,
    order: Option<OrderId>,
    license: Option<LicenseId>,
    product: Option<ProductView>,
    follow_up_of: Option<TicketId>,
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

/// What the customer sees: nothing of how it is dealt with but where it stands.
#[derive(Debug, Serialize)]
pub(super) struct CustomerView {
    #[serde(flatten)]
    head: Head,
    status: Status,
    priority: Priority,
    created_at: Time,
    solved_at: Option<Time>,
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

/// What those who answer see. The customer's address is for operators.
#[derive(Debug, Serialize)]
pub(super) struct DeskView {
    #[serde(flatten)]
    head: Head,
    #[serde(flatten)]
    progress: Progress,
    tenant: TenantId,
    requester: PersonView,
    assignee: Option<PersonView>,
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
                name: Some(ticket.requester_name),
                email: agent.developer.is_none().then_some(ticket.requester_email),
            },
            assignee: ticket.assignee_id.map(|id| PersonView { id, name: ticket.assignee_name, email: None }),
        }
    }
}
