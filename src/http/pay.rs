//! `/pay/{order}`: where a buyer pays. The sandbox pays at once, by sending itself the event that a provider would send.

use axum::{extract::State, http::StatusCode};
use serde_json::json;

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
    let event = json!({
        "id": format!("evt_{}", app.db.ids().next_uuid().simple()),
        "object": "event",
        "type": "checkout.session.completed",
        "created": app.db.now().as_secs(),
        "data": { "object": {
            "object": "checkout.session",
            "client_reference_id": id,
            "metadata": { "order_id": id },
            "amount_total": order.amount,
            "currency": order.currency.to_ascii_lowercase(),
            "payment_status": "paid",
        }},
    })
    .to_string();
    let signature = sandbox::sign(secret.expose(), event.as_bytes(), app.db.now());
    webhooks::accept_sandbox(&app, &signature, event.as_bytes()).await?;
    Ok(StatusCode::ACCEPTED)
}
