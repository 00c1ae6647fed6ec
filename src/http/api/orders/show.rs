//! `GET /api/orders`, `GET /api/orders/{order}`, `POST /api/orders/{order}/cancel`

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    admin::missing,
    view::{Keys, ListedView, OrderView},
};
use crate::{
    accounts::{Credential, Scope},
    app::App,
    audit::Actor,
    http::{Caller, Json, Kind, NoContent, PageQuery, Path, Problem, Query},
    kernel::{OrderId, Page, TenantId},
    orders::{self, CancelError},
};

/// What opens a guest's order.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct GuestQuery {
    /// What a guest got with the order.
    token: Option<String>,
}

/// `GET /api/orders`: the caller's, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<PageQuery<OrderId>>,
) -> Result<Json<Page<ListedView>>, Problem> {
    caller.require(Scope::OrdersRead)?;
    let page = orders::list(&app.db, caller.tenant, page.request()?).await?;
    Ok(Json(page.map(ListedView::for_buyer)))
}

/// `GET /api/orders/{order}`: the caller's, or a guest's with its token. Keys reach a guest by mail only: that proves
/// the address.
pub(super) async fn show(
    State(app): State<App>,
    caller: Option<Caller>,
    Path(id): Path<OrderId>,
    Query(guest): Query<GuestQuery>,
) -> Result<Json<OrderView>, Problem> {
    let (owner, keys) = admitted(&app, caller.as_ref(), id, guest, Scope::OrdersRead)?;
    let order = match owner {
        Owner::Tenant(tenant) => orders::find_whole(&app.db, tenant, id).await?,
        Owner::Guest => orders::find_any_whole(&app.db, id).await?,
    };
    OrderView::of(&app, order.ok_or_else(missing)?, keys).await.map(Json)
}

/// `POST /api/orders/{order}/cancel`
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Option<Caller>,
    Path(id): Path<OrderId>,
    Query(guest): Query<GuestQuery>,
) -> Result<NoContent, Problem> {
    let (owner, _) = admitted(&app, caller.as_ref(), id, guest, Scope::OrdersWrite)?;
    let order = match owner {
        Owner::Tenant(tenant) => orders::find(&app.db, tenant, id).await?,
        Owner::Guest => orders::find_any(&app.db, id).await?,
    };
    let order = order.ok_or_else(missing)?;
    let actor = caller.map_or(Actor::user("guest"), |caller| caller.actor());
    app.db.write(async |tx| orders::cancel(tx, order.id, actor).await).await?;
    Ok(NoContent)
}

/// Whose the order must be.
enum Owner {
    Tenant(TenantId),
    /// Whoever has its token.
    Guest,
}

/// Whose order may be asked for, and whether its keys may be seen.
fn admitted(
    app: &App,
    caller: Option<&Caller>,
    id: OrderId,
    guest: GuestQuery,
    scope: Scope,
) -> Result<(Owner, Keys), Problem> {
    if let Some(caller) = caller {
        caller.require(scope)?;
        let may_see_keys = match &caller.credential {
            Credential::Session(_) => true,
            Credential::Token(_, scopes) => scopes.contains(Scope::LicensesRead),
        };
        return Ok((Owner::Tenant(caller.tenant), if may_see_keys { Keys::Shown } else { Keys::Hidden }));
    }
    let Some(token) = guest.token else {
        return Err(Problem::new(Kind::Unauthorized).detail("sign in, or add the `token` that came with the order"));
    };
    if orders::is_guest_token(&app.keys, id, &token) { Ok((Owner::Guest, Keys::Hidden)) } else { Err(missing()) }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::NotOpen => Self::new(Kind::Conflict).detail(error.to_string()),
            CancelError::Db(error) => error.into(),
        }
    }
}
