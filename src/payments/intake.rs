//! The intake: whatever way an event comes in, it is verified, stored together with the work that it means, and only
//! then acknowledged.

use std::{borrow::Cow, sync::Arc};

use serde::Deserialize;

use super::{
    EventRow, ProviderName, inbox,
    paypal::{CertificateError, Transmission, Verifier, VerifyError},
    signature,
};
use crate::{
    db::{Db, DbError, Tx},
    kernel::{Secret, Time},
};

/// What verifies the events of the providers that are on.
#[derive(Debug, Clone, Default)]
pub struct Intake {
    /// Stripe's webhook secrets: several while one replaces another.
    pub stripe: Option<Arc<[Secret<String>]>>,
    /// The sandbox's, the first of which signs.
    pub sandbox: Option<Arc<[Secret<String>]>>,
    /// Checks PayPal's signatures.
    pub paypal: Option<Arc<Verifier>>,
}

/// A delivery as it came.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// `Stripe-Signature`, which the sandbox sends too.
    pub signature: Option<&'a str>,
    /// PayPal's headers.
    pub transmission: Transmission<'a>,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// What became of a verified delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Stored, unless it was there before; its handling is queued.
    Stored,
    /// It cannot be read: kept for an operator.
    Malformed,
}

/// Why a delivery is not accepted. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The provider is off.
    #[error("the provider is off")]
    Off,
    /// Its signature is not the provider's.
    #[error("{0}")]
    Refused(String),
    /// It cannot be verified at the moment.
    #[error("{0}")]
    NotNow(String),
    /// The database does not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Intake {
    /// Verifies a delivery, stores it and queues its handling.
    pub async fn accept(
        &self,
        db: &Db,
        provider: ProviderName,
        delivery: &Delivery<'_>,
    ) -> Result<Accepted, IntakeError> {
        let taken = match self.verify(provider, delivery, db.now()).await {
            Ok(()) => {
                let event = envelope(provider, delivery.body);
                let taken = if event.is_some() { Accepted::Stored } else { Accepted::Malformed };
                let stored = db
                    .write(async |tx| {
                        if let Some(event) = &event {
                            inbox::receive(tx, provider.as_str(), event).await?;
                        } else {
                            inbox::reject(tx, provider.as_str(), delivery.body);
                        }
                        Ok(())
                    })
                    .await;
                stored.map(|()| taken).map_err(IntakeError::Db)
            }
            Err(error) => Err(error),
        };
        count(provider, &taken);
        taken
    }

    /// Accepts an event of the sandbox within the transaction that caused it. What the sandbox signs it verifies, by
    /// the same rules as any delivery.
    pub(super) async fn accept_own(&self, tx: &mut Tx, payload: &str) -> Result<(), IntakeError> {
        let secrets = self.sandbox.as_deref().ok_or(IntakeError::Off)?;
        let secret = secrets.first().ok_or(IntakeError::Off)?;
        let now = tx.now();
        let header = signature::sign(secret.expose(), payload.as_bytes(), now);
        signature::verify_any(secrets, &header, payload.as_bytes(), now)
            .map_err(|error| IntakeError::Refused(error.to_string()))?;
        let event = envelope(ProviderName::Sandbox, payload.as_bytes())
            .ok_or_else(|| IntakeError::Refused("the sandbox made no event".to_owned()))?;
        inbox::receive(tx, ProviderName::Sandbox.as_str(), &event).await?;
        count(ProviderName::Sandbox, &Ok(Accepted::Stored));
        Ok(())
    }

    async fn verify(&self, provider: ProviderName, delivery: &Delivery<'_>, now: Time) -> Result<(), IntakeError> {
        let shared = |secrets: &Option<Arc<[Secret<String>]>>| {
            let secrets = secrets.as_deref().ok_or(IntakeError::Off)?;
            signature::verify_any(secrets, delivery.signature.unwrap_or_default(), delivery.body, now)
                .map_err(|error| IntakeError::Refused(error.to_string()))
        };
        match provider {
            ProviderName::Stripe => shared(&self.stripe),
            ProviderName::Sandbox => shared(&self.sandbox),
            ProviderName::Paypal => {
                let verifier = self.paypal.as_deref().ok_or(IntakeError::Off)?;
                verifier.verify(&delivery.transmission, delivery.body, now).await.map_err(|error| match error {
                    VerifyError::Certificate(CertificateError::Unavailable(why)) => IntakeError::NotNow(why),
                    refused => IntakeError::Refused(refused.to_string()),
                })
            }
        }
    }
}

fn count(provider: ProviderName, taken: &Result<Accepted, IntakeError>) {
    let outcome = match taken {
        Ok(Accepted::Stored) => "stored",
        Ok(Accepted::Malformed) => "malformed",
        Err(IntakeError::Off) => "off",
        Err(IntakeError::Refused(_)) => "refused",
        Err(IntakeError::NotNow(_)) => "not_verified",
        Err(IntakeError::Db(_)) => "failed",
    };
    metrics::counter!("mintreu_webhooks_total", "provider" => provider.as_str(), "outcome" => outcome).increment(1);
}

/// What every event has; PayPal calls the type `event_type`.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_type: Option<Cow<'a, str>>,
}

/// The longest identifier or type of an event, in bytes; real ones are a tenth of it.
const LONGEST_NAME: usize = 255;

/// Reads the envelope of a verified body; none if it is no event.
fn envelope(provider: ProviderName, body: &[u8]) -> Option<EventRow> {
    let body = std::str::from_utf8(body).ok()?;
    let event: Envelope<'_> = serde_json::from_str(body).ok()?;
    let kind = match provider {
        ProviderName::Stripe | ProviderName::Sandbox => event.kind,
        ProviderName::Paypal => event.event_type,
    }?;
    let named = |name: &str| !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    (named(&event.id) && named(&kind)).then(|| EventRow {
        event_id: event.id.into_owned(),
        event_type: kind.into_owned(),
        payload: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_an_identifier_and_a_type_of_bounded_length() {
        let read =
            |body: &str| envelope(ProviderName::Stripe, body.as_bytes()).map(|row| (row.event_id, row.event_type));
        assert_eq!(read(r#"{"id":"evt_1","type":"x","data":{}}"#), Some(("evt_1".to_owned(), "x".to_owned())));
        assert_eq!(read(r#"{"id":"evt_\u0041","type":"x"}"#), Some(("evt_A".to_owned(), "x".to_owned())));
        let long = format!(r#"{{"id":"{}","type":"x"}}"#, "i".repeat(256));
        for body in ["", "[]", "{", r#"{"id":"e"}"#, r#"{"id":"","type":"x"}"#, r#"{"id":"\u0000","type":"x"}"#, &long]
        {
            assert_eq!(read(body), None, "{body}");
        }
        assert!(envelope(ProviderName::Stripe, b"\xff").is_none());
        let paypal = br#"{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED"}"#;
        assert!(envelope(ProviderName::Paypal, paypal).is_some() && envelope(ProviderName::Stripe, paypal).is_none());
    }
}
