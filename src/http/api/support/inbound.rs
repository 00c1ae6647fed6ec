//! `POST /webhooks/mail/inbound`: a mail as it is (RFC 5322), delivered by whoever receives the shop's mail.
//!
//! Signed like the sandbox's events, in the header `Mintreu-Signature`: `t=<unix>,v1=<hex>`, HMAC-SHA-256 over
//! `{t}.{raw body}`. It is kept before it is answered, also while support is switched off: it is handled when it is on.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::HeaderMap,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::App,
    http::{Json, Kind, Problem, unread},
    payments::signature::{self, Refused},
    support::{self, Delivered, InboundMailId},
};

const HEADER: &str = "mintreu-signature";

/// A mail that is kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KeptMail {
    /// As which it is kept.
    id: InboundMailId,
    /// Whether it was delivered before.
    duplicate: bool,
}

/// `POST /webhooks/mail/inbound`
pub(super) async fn receive(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<KeptMail>, Problem> {
    let secrets = &app.support.policy.inbound_secret;
    if secrets.is_empty() {
        return Err(Problem::new(Kind::NotFound).detail("mail is not taken in here"));
    }
    let body = body.map_err(|rejection| unread(&rejection))?;
    let header = headers.get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    signature::verify_any(secrets, header, &body, app.db.now()).map_err(|why| {
        let detail = match why {
            Refused::Header => "the Mintreu-Signature header is missing or malformed",
            Refused::Stale => "the signature's time is too far away",
            Refused::Signature => "the signature does not match the body",
        };
        Problem::new(Kind::Unauthorized).detail(detail)
    })?;
    let (id, duplicate) = match support::deliver(&app.db, &app.support.files, body).await? {
        Delivered::Kept(id) => (id, false),
        Delivered::Again(id) => (id, true),
    };
    Ok(Json(KeptMail { id, duplicate }))
}
