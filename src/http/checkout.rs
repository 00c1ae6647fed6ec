//! `/pay/{order}`: sends the buyer to the provider, and takes them back.

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Redirect, Response},
};
use serde_json::json;

use super::{Json, Kind, Path, Problem};
use crate::{
    app::App,
    kernel::OrderId,
    orders::{self, PayError},
    payments::ProviderError,
};

/// `GET /pay/{order}`: to the provider's session; opens one if none is open. Programs that ask for JSON get its address.
pub(super) async fn pay(
    State(app): State<App>,
    Path(id): Path<OrderId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let payable = orders::payable(&app.db, id).await?;
    let name = payable.order.provider;
    let off = || Problem::new(Kind::CapabilityDisabled).detail(format!("{name} is switched off at the moment"));
    let provider = app.providers.get(name).ok_or_else(off)?;
    let url = orders::open_session(&app.db, provider.as_ref(), &payable, &app.shop.public_url).await?;
    if wants_json(&headers) {
        Ok(Json(json!({ "url": url })).into_response())
    } else {
        Ok(Redirect::to(&url).into_response())
    }
}

/// `GET /pay/{order}/return`: the buyer comes back, before the provider's event or after it. The provider is asked at once,
/// so that nobody waits for an event that is late.
pub(super) async fn returned(State(app): State<App>, Path(id): Path<OrderId>) -> Result<Response, Problem> {
    let order = orders::find_any(&app.db, id).await?.ok_or(PayError::NoOrder)?;
    if order.paid_at.is_none() {
        app.db.write(async |tx| orders::nominate(tx, id).await).await?;
    }
    Ok(Json(json!({ "order": id, "status": order.status() })).into_response())
}

/// `GET /pay/{order}/cancelled`: the buyer turned back; the order stays open.
pub(super) async fn turned_back(State(app): State<App>, Path(id): Path<OrderId>) -> Result<Response, Problem> {
    let order = orders::find_any(&app.db, id).await?.ok_or(PayError::NoOrder)?;
    let pay_url = format!("{}/pay/{id}", app.shop.public_url);
    Ok(Json(json!({ "order": id, "status": order.status(), "pay_url": pay_url })).into_response())
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}

impl From<PayError> for Problem {
    fn from(error: PayError) -> Self {
        let text = error.to_string();
        match error {
            PayError::NoOrder => Self::new(Kind::NotFound).detail(text),
            PayError::NotOpen(_) => Self::new(Kind::Conflict).detail(text),
            PayError::Provider(ProviderError::Unavailable(reason)) => {
                tracing::warn!(reason, "a payment provider cannot be reached");
                Self::new(Kind::ProviderUnavailable)
                    .detail("the payment provider does not answer; nothing was charged, try again in a moment")
                    .retry_after(std::time::Duration::from_secs(5))
            }
            PayError::Provider(error) => {
                tracing::error!(%error, "a payment provider refuses a checkout");
                Self::new(Kind::ProviderUnavailable)
                    .detail("the payment provider refused to open a checkout")
                    .retry_after(std::time::Duration::from_mins(1))
            }
            PayError::Db(error) => error.into(),
        }
    }
}
