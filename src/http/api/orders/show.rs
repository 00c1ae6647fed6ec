//! `GET /api/orders`, `GET /api/orders/{order}`, `POST /api/orders/{order}/cancel`

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::view::{Keys, ListedView, OrderView};
use crate::{
    accounts::{Credential, Scope},
    app::App,
    audit::Actor,
    http::{Caller, Json, Kind, NoContent, PageQuery, Path, Problem, Query},
    kernel::{OrderId, Page},
    orders::{self, CancelError, Order},
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
    let (order, keys) = visible(&app, caller.as_ref(), id, guest, Scope::OrdersRead).await?;
    OrderView::of(&app, &order, keys).await.map(Json)
}

/// `POST /api/orders/{order}/cancel`
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Option<Caller>,
    Path(id): Path<OrderId>,
    Query(guest): Query<GuestQuery>,
) -> Result<NoContent, Problem> {
    let (order, _) = visible(&app, caller.as_ref(), id, guest, Scope::OrdersWrite).await?;
    let actor = caller.map_or(Actor::user("guest"), |caller| caller.actor());
    app.db.write(async |tx| orders::cancel(tx, order.id, actor).await).await?;
    Ok(NoContent)
}

async fn visible(
    app: &App,
    caller: Option<&Caller>,
    id: OrderId,
    guest: GuestQuery,
    scope: Scope,
) -> Result<(Order, Keys), Problem> {
    let missing = || Problem::new(Kind::NotFound).detail("there is no such order");
    if let Some(caller) = caller {
        caller.require(scope)?;
        let order = orders::find(&app.db, caller.tenant, id).await?.ok_or_else(missing)?;
        let may_see_keys = match &caller.credential {
            Credential::Session(_) => true,
            Credential::Token(_, scopes) => scopes.contains(Scope::LicensesRead),
        };
        return Ok((order, if may_see_keys { Keys::Shown } else { Keys::Hidden }));
    }
    let Some(token) = guest.token else {
        return Err(Problem::new(Kind::Unauthorized).detail("sign in, or add the `token` that came with the order"));
    };
    if !orders::is_guest_token(&app.keys, id, &token) {
        return Err(missing());
    }
    Ok((orders::find_any(&app.db, id).await?.ok_or_else(missing)?, Keys::Hidden))
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::NotOpen => Self::new(Kind::Conflict).detail(error.to_string()),
            CancelError::Db(error) => error.into(),
        }
    }
}
