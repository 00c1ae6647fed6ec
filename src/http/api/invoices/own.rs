//! `GET /api/invoices`, `GET /api/invoices/{invoice}[.html|.pdf]`

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::view::{ListedView, Named, Paper};
use crate::{
    accounts::Scope,
    app::App,
    http::{Caller, Json, Kind, PageQuery, Path, Problem, Query},
    invoices::{self, Whose},
    kernel::{InvoiceId, OrderId, Page, TenantId},
    orders,
};

/// What opens a guest's invoices: the token of their order.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct GuestQuery {
    /// The token that came with a guest's order.
    token: Option<String>,
}

/// Which invoices are listed.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filter {
    /// Those of this order.
    order: Option<OrderId>,
}

/// `GET /api/invoices`: the caller's, the newest first; of one order alone if it is named. A guest names it, and adds its
/// token.
pub(super) async fn list(
    State(app): State<App>,
    caller: Option<Caller>,
    Query(filter): Query<Filter>,
    Query(guest): Query<GuestQuery>,
    Query(page): Query<PageQuery<InvoiceId>>,
) -> Result<Json<Page<ListedView>>, Problem> {
    let whose = match (Who::of(caller.as_ref(), &guest)?, filter.order) {
        (Who::Tenant(tenant), order) => Whose { tenant: Some(tenant), order },
        (Who::Guest(token), Some(order)) if orders::is_guest_token(&app.keys, order, token) => {
            Whose { tenant: None, order: Some(order) }
        }
        (Who::Guest(_), Some(_)) => return Err(Problem::new(Kind::NotFound).detail("there is no such order")),
        (Who::Guest(_), None) => {
            return Err(Problem::new(Kind::Unauthorized).detail("sign in, or name the `order` of the `token`"));
        }
    };
    let page = invoices::list(&app.db, whose, page.request()?).await?;
    Ok(Json(page.map(ListedView::of)))
}

/// `GET /api/invoices/{invoice}`: the caller's, or a guest's with the order's token.
pub(super) async fn show(
    State(app): State<App>,
    caller: Option<Caller>,
    Path(named): Path<Named>,
    Query(guest): Query<GuestQuery>,
) -> Result<Paper, Problem> {
    let who = Who::of(caller.as_ref(), &guest)?;
    let invoice = invoices::find(&app.db, named.id).await?;
    let theirs = invoice.filter(|invoice| who.may_see(&app, invoice.row.order_id, invoice.row.tenant_id));
    named.answer(theirs.ok_or_else(missing)?).await
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
