//! `/pay/{order}`: where a buyer pays. The sandbox pays at once, by sending itself the event that a provider would send.

use axum::{extract::State, http::StatusCode};

use super::webhooks;
use crate::{
    app::App,
    http::{Kind, Path, Problem},
    kernel::OrderId,
    orders,
    payments::sandbox,
};

/// `POST /pay/{order}`
pub(super) async fn pay_in_sandbox(State(app): State<App>, Path(id): Path<OrderId>) -> Result<StatusCode, Problem> {
    let secret = app.sandbox.as_ref().and_then(|secrets| secrets.first());
    let Some(secret) = secret else {
        return Err(Problem::new(Kind::NotFound).detail("the sandbox provider is off"));
    };
    let order = orders::find_any(&app.db, id).await?;
    let order = order.ok_or_else(|| Problem::new(Kind::NotFound).detail("there is no such order"))?;
    let event = sandbox::paid_event(app.db.ids(), id, order.amount, &order.currency);
    let signature = sandbox::sign(secret.expose(), event.as_bytes(), app.db.now());
    webhooks::accept_sandbox(&app, &signature, event.as_bytes()).await?;
    Ok(StatusCode::ACCEPTED)
}
