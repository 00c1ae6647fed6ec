//! `/webhooks/{provider}`: verify the raw body, store it and its work in one transaction, answer.

use std::time::Duration;

use aide::{
    OperationOutput,
    axum::{ApiRouter, routing::post_with},
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use crate::{
    app::App,
    http::{Kind, Path, Problem, extract::unread, openapi::Tell},
    payments::{Delivery, IntakeError, ProviderName, paypal::Transmission},
};

/// The route.
pub(super) fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/webhooks/{provider}",
            post_with(receive, |op| {
                op.told("receiveWebhook", "Take in what a payment provider sends")
                    .description(
                        "For `stripe`, `paypal` and `sandbox`, which sign what they send: in `Stripe-Signature`, or \
                         in PayPal's `Paypal-Transmission-…` headers. It is kept before it is answered, and handled \
                         once, however often it is sent.",
                    )
                    .body(&["application/json"])
                    .may(&[Kind::MalformedBody, Kind::BodyTooLarge, Kind::Unauthorized])
            }),
        )
        .with_path_items(|item| item.tag("webhooks"))
}

/// 200: it is kept.
#[derive(Debug, Clone, Copy)]
struct Kept;

impl IntoResponse for Kept {
    fn into_response(self) -> Response {
        StatusCode::OK.into_response()
    }
}

impl OperationOutput for Kept {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let description = "It is kept, and will be handled.".to_owned();
        vec![(Some(200), Described { description, ..Described::default() })]
    }
}

/// `POST /webhooks/{provider}`
async fn receive(
    State(app): State<App>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Kept, Problem> {
    let Ok(provider) = provider.parse::<ProviderName>() else {
        // Not the name that was sent: it could be anything.
        metrics::counter!("mintreu_webhooks_total", "provider" => "unknown", "outcome" => "refused").increment(1);
        return Err(Problem::new(Kind::NotFound).detail("there is no such payment provider"));
    };
    let body = body.map_err(|rejection| unread(&rejection))?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let transmission = Transmission {
        id: header("paypal-transmission-id"),
        time: header("paypal-transmission-time"),
        signature: header("paypal-transmission-sig"),
        certificate: header("paypal-cert-url"),
        algorithm: header("paypal-auth-algo"),
    };
    let delivery = Delivery { signature: header("stripe-signature"), transmission, body: &body };
    app.webhooks.accept(&app.db, provider, &delivery).await?;
    Ok(Kept)
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Off => Self::new(Kind::NotFound).detail("this payment provider is off"),
            IntakeError::Refused(why) => Self::new(Kind::Unauthorized).detail(why),
            IntakeError::NotNow(why) => {
                tracing::warn!(%why, "a delivery cannot be verified at the moment");
                Self::new(Kind::TemporaryReducedCapacity)
                    .detail("the signature cannot be verified at the moment; send it again")
                    .retry_after(Duration::from_mins(1))
            }
            IntakeError::Db(error) => error.into(),
        }
    }
}
