//! `GET /api/invoices`, `GET /api/invoices/{invoice}[.html|.pdf]`, `GET /api/orders/{order}/invoices`

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::view::{ListedView, Named};
use crate::{
    accounts::Scope,
    app::App,
    http::{Caller, Json, Kind, PageQuery, Path, Problem, Query},
    invoices,
    kernel::{InvoiceId, OrderId, TenantId},
    orders,
};

/// What opens a guest's invoices: the token of their order.
#[derive(Debug, Deserialize)]
pub(super) struct GuestQuery {
    token: Option<String>,
}

/// `GET /api/invoices`: the caller's, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<PageQuery<InvoiceId>>,
) -> Result<impl IntoResponse, Problem> {
    caller.require(Scope::OrdersRead)?;
    let page = invoices::list(&app.db, caller.tenant, page.request()?).await?;
    Ok(Json(page.map(ListedView::of)))
}

/// `GET /api/invoices/{invoice}`: the caller's, or a guest's with the order's token.
pub(super) async fn show(
    State(app): State<App>,
    caller: Option<Caller>,
    Path(named): Path<Named>,
    Query(guest): Query<GuestQuery>,
) -> Result<Response, Problem> {
    let who = Who::of(caller.as_ref(), &guest)?;
    let invoice = invoices::find(&app.db, named.id).await?;
    let theirs = invoice.filter(|invoice| who.may_see(&app, invoice.row.order_id, invoice.row.tenant_id));
    named.answer(theirs.ok_or_else(missing)?).await
}

/// `GET /api/orders/{order}/invoices`: an order's, the oldest first.
pub(super) async fn of_order(
    State(app): State<App>,
    caller: Option<Caller>,
    Path(id): Path<OrderId>,
    Query(guest): Query<GuestQuery>,
) -> Result<impl IntoResponse, Problem> {
    let who = Who::of(caller.as_ref(), &guest)?;
    let order = orders::find_any(&app.db, id).await?;
    let theirs = order.filter(|order| who.may_see(&app, order.id, order.tenant_id));
    theirs.ok_or_else(|| Problem::new(Kind::NotFound).detail("there is no such order"))?;
    let papers = invoices::of_order(&app.db, id).await?;
    Ok(Json(json!({ "data": papers.into_iter().map(ListedView::of).collect::<Vec<_>>() })))
}

/// Who asks.
enum Who<'a> {
    Tenant(TenantId),
    Guest(&'a str),
}

impl<'a> Who<'a> {
    fn of(caller: Option<&Caller>, guest: &'a GuestQuery) -> Result<Self, Problem> {
        if let Some(caller) = caller {
            caller.require(Scope::OrdersRead)?;
            return Ok(Self::Tenant(caller.tenant));
        }
        let token = guest.token.as_deref().ok_or_else(|| {
            Problem::new(Kind::Unauthorized).detail("sign in, or add the `token` that came with the order")
        })?;
        Ok(Self::Guest(token))
    }

    fn may_see(&self, app: &App, order: OrderId, tenant: TenantId) -> bool {
        match self {
            Self::Tenant(own) => *own == tenant,
            Self::Guest(token) => orders::is_guest_token(&app.keys, order, token),
        }
    }
}

pub(super) fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such invoice")
}
