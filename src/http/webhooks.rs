//! `/webhooks/{provider}`: verify the raw body, store it and its work in one transaction, answer.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};

use crate::{
    app::App,
    http::{Kind, Path, Problem, extract::unread},
    payments::{Delivery, IntakeError, ProviderName, paypal::Transmission},
};

/// `POST /webhooks/{provider}`
pub(super) async fn receive(
    State(app): State<App>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
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
    Ok(StatusCode::OK)
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
