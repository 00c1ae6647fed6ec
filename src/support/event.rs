//! What happens to tickets, for those who follow it.

use serde::Serialize;

use super::Status;
use crate::{
    jobs::DomainEvent,
    kernel::{TenantId, TicketId, TicketMessageId},
};

/// Somebody asked.
#[derive(Debug, Serialize)]
pub struct TicketOpened {
    /// Which ticket.
    pub ticket: TicketId,
    /// Whose.
    pub tenant: TenantId,
}

impl DomainEvent for TicketOpened {
    const NAME: &'static str = "ticket.opened";
}

/// Somebody wrote, for all to see.
#[derive(Debug, Serialize)]
pub struct TicketReplied {
    /// On which ticket.
    pub ticket: TicketId,
    /// What.
    pub message: TicketMessageId,
}

impl DomainEvent for TicketReplied {
    const NAME: &'static str = "ticket.replied";
}

/// It stands elsewhere now.
#[derive(Debug, Serialize)]
pub struct TicketStatusChanged {
    /// Which ticket.
    pub ticket: TicketId,
    /// Where.
    pub status: Status,
}

impl DomainEvent for TicketStatusChanged {
    const NAME: &'static str = "ticket.status_changed";
}
