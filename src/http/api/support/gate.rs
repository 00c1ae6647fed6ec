//! Who comes to which desk, how often, and whether it is open.

use std::{sync::Arc, time::Duration};

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    accounts::Scope,
    app::App,
    flags::{self, SUPPORT_TICKETS, Switch},
    http::{
        Admin, Caller, Kind, Limiter, Problem, Vendor,
        openapi::{may, signed_in},
    },
    support::Agent,
};

/// Whose desk a route is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Operators,
    Developers,
}

/// Somebody who answers tickets, at their desk; anyone else gets 403.
#[derive(Debug, Clone)]
pub(super) struct AtDesk {
    pub(super) caller: Caller,
    pub(super) agent: Agent,
}

impl FromRequestParts<App> for AtDesk {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let side = parts.extensions.get::<Side>().copied();
        match side.ok_or_else(|| Problem::internal("the route is at no desk"))? {
            Side::Operators => {
                let Admin(caller) = Admin::from_request_parts(parts, app).await?;
                Ok(Self { agent: Agent::operator(caller.user), caller })
            }
            Side::Developers => {
                let Vendor { caller, developer } = Vendor::from_request_parts(parts, app).await?;
                caller.require(if parts.method.is_safe() { Scope::SupportRead } else { Scope::SupportWrite })?;
                Ok(Self { agent: Agent::of(caller.user, developer), caller })
            }
        }
    }
}

/// At which desk, the route says.
impl OperationInput for AtDesk {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        signed_in(operation, &[]);
    }
}

/// That tickets are taken. Old ones are read, and answered, all the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct TakesTickets;

impl FromRequestParts<App> for TakesTickets {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, Problem> {
        let switch = Switch::Support.as_str();
        if app.is_on(Switch::Support) && app.flags.bool(&SUPPORT_TICKETS, &flags::Context::default()) {
            return Ok(Self);
        }
        metrics::counter!("mintreu_http_refused_by_switch_total", "capability" => switch).increment(1);
        let contact = app.support.policy.contact.clone();
        Err(Problem::capability_disabled(switch)
            .detail(format!("tickets are not taken at the moment; write to {contact}, or try again later"))
            .member("contact", contact))
    }
}

impl OperationInput for TakesTickets {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        may(operation, &[Kind::CapabilityDisabled]);
    }
}

/// How often one may do what costs us.
#[derive(Debug, Clone)]
pub(super) struct Limits(Arc<Each>);

#[derive(Debug)]
pub(super) struct Each {
    /// By account, or by a guest's address.
    pub(super) tickets: Limiter,
    /// By account, or by a guest's ticket.
    pub(super) replies: Limiter,
    /// By account.
    pub(super) uploads: Limiter,
    /// By account, or by address.
    pub(super) votes: Limiter,
    /// Mails with links that an address asks for.
    pub(super) links_asked: Limiter,
    /// Mails with links that are asked for to go to one.
    pub(super) links_sent: Limiter,
    /// Tokens that an address shows.
    pub(super) links_tried: Limiter,
}

impl Limits {
    pub(super) fn new(tickets_per_hour: u32) -> Self {
        let hour = Duration::from_hours(1);
        Self(Arc::new(Each {
            tickets: Limiter::new("tickets", tickets_per_hour, hour),
            replies: Limiter::new("ticket-replies", 60, hour),
            uploads: Limiter::new("attachments", 60, hour),
            votes: Limiter::new("article-votes", 30, Duration::from_mins(1)),
            links_asked: Limiter::new("support-links-asked", 20, hour),
            links_sent: Limiter::new("support-links-sent", 5, hour),
            links_tried: Limiter::new("support-links", 30, Duration::from_mins(10)),
        }))
    }
}

impl std::ops::Deref for Limits {
    type Target = Each;
    fn deref(&self) -> &Each {
        &self.0
    }
}
