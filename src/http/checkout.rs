//! `/pay/{order}`: sends the buyer to the provider, and takes them back.

use aide::{
    OperationOutput,
    axum::{ApiRouter, routing::get_with},
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Redirect, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Json, Kind, Path, Problem, openapi::Tell, under_switch};
use crate::{
    app::App,
    flags::Switch,
    kernel::OrderId,
    orders::{self, PayError, Status},
    payments::ProviderError,
};

/// The routes. Going to pay is behind the kill switch; coming back is not.
pub(super) fn routes(app: &App) -> ApiRouter<App> {
    let flags = app.flags.clone();
    let pay = ApiRouter::new().api_route(
        "/pay/{order}",
        get_with(pay, |op| {
            op.told("payOrder", "Go to pay an order")
                .description(
                    "Leads to the provider's checkout, which is opened if none is open. Programs that ask for JSON \
                     with `Accept` get its address instead.",
                )
                .may(&[Kind::Conflict, Kind::ProviderUnavailable, Kind::CapabilityDisabled])
        }),
    );
    under_switch(pay, Switch::Payments.as_str(), move || !flags.is_on(Switch::Payments))
        .api_route(
            "/pay/{order}/return",
            get_with(returned, |op| {
                op.told("returnFromPaying", "Come back from the provider after paying").description(
                    "The provider is asked at once whether the order is paid. What it adds to the address is not \
                         looked at.",
                )
            }),
        )
        .api_route(
            "/pay/{order}/cancelled",
            get_with(turned_back, |op| {
                op.told("turnBackFromPaying", "Come back from the provider without paying")
                    .description("The order stays open.")
            }),
        )
        .with_path_items(|item| item.tag("orders"))
}

/// Where an order is paid.
#[derive(Debug, Serialize, JsonSchema)]
struct PayAddress {
    /// The provider's checkout.
    url: String,
}

/// The way to the provider.
#[derive(Debug)]
enum Way {
    Told(Json<PayAddress>),
    Led(Redirect),
}

impl IntoResponse for Way {
    fn into_response(self) -> Response {
        match self {
            Self::Told(address) => address.into_response(),
            Self::Led(redirect) => redirect.into_response(),
        }
    }
}

impl OperationOutput for Way {
    type Inner = PayAddress;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let mut responses = Json::<PayAddress>::inferred_responses(ctx, operation);
        let description = "To the provider's checkout, which `Location` names.".to_owned();
        responses.push((Some(303), Described { description, ..Described::default() }));
        responses
    }
}

/// An order that somebody came back to.
#[derive(Debug, Serialize, JsonSchema)]
struct ReturnedOrder {
    /// Which one.
    order: OrderId,
    /// Where it stands.
    status: Status,
}

/// An order that somebody did not pay after all.
#[derive(Debug, Serialize, JsonSchema)]
struct UnpaidOrder {
    /// Which one.
    order: OrderId,
    /// Where it stands.
    status: Status,
    /// Where it can be paid still.
    pay_url: String,
}

/// `GET /pay/{order}`: to the provider's session; opens one if none is open. Programs that ask for JSON get its address.
async fn pay(State(app): State<App>, Path(id): Path<OrderId>, headers: HeaderMap) -> Result<Way, Problem> {
    let payable = orders::payable(&app.db, id).await?;
    let name = payable.order.provider;
    let off = || Problem::new(Kind::CapabilityDisabled).detail(format!("{name} is switched off at the moment"));
    let provider = app.providers.get(name).ok_or_else(off)?;
    let url = orders::open_session(&app.db, provider.as_ref(), &payable, &app.shop.public_url).await?;
    if wants_json(&headers) { Ok(Way::Told(Json(PayAddress { url }))) } else { Ok(Way::Led(Redirect::to(&url))) }
}

/// `GET /pay/{order}/return`: the buyer comes back, before the provider's event or after it. The provider is asked at once,
/// so that nobody waits for an event that is late.
async fn returned(State(app): State<App>, Path(id): Path<OrderId>) -> Result<Json<ReturnedOrder>, Problem> {
    let order = orders::find_any(&app.db, id).await?.ok_or(PayError::NoOrder)?;
    if order.paid_at.is_none() {
        app.db.write(async |tx| orders::nominate(tx, id).await).await?;
    }
    Ok(Json(ReturnedOrder { order: id, status: order.status() }))
}

/// `GET /pay/{order}/cancelled`: the buyer turned back; the order stays open.
async fn turned_back(State(app): State<App>, Path(id): Path<OrderId>) -> Result<Json<UnpaidOrder>, Problem> {
    let order = orders::find_any(&app.db, id).await?.ok_or(PayError::NoOrder)?;
    let pay_url = format!("{}/pay/{id}", app.shop.public_url);
    Ok(Json(UnpaidOrder { order: id, status: order.status(), pay_url }))
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
