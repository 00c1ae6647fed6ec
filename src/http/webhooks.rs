//! `/webhooks/{provider}`: verify the raw body, store it and its work in one transaction, answer.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};

use crate::{
    app::App,
    http::{Kind, Problem, extract::unread},
    payments::{self, Received, sandbox},
};

/// `POST /webhooks/sandbox`
pub(super) async fn sandbox(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let body = body.map_err(|rejection| unread(&rejection))?;
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept_sandbox(&app, header, &body).await
}

/// What a signed delivery of the sandbox comes to, wherever it came in.
pub(super) async fn accept_sandbox(app: &App, signature: &str, body: &[u8]) -> Result<StatusCode, Problem> {
    let Some(secrets) = &app.sandbox else {
        return Err(Problem::new(Kind::NotFound).detail("the sandbox provider is off"));
    };
    if let Err(reason) = sandbox::verify_any(secrets, signature, body, app.db.now()) {
        metrics::counter!("mintreu_webhooks_total", "provider" => "sandbox", "outcome" => "refused").increment(1);
        return Err(Problem::new(Kind::Unauthorized).detail(reason.to_string()));
    }
    let Some(event) = sandbox::event(body) else {
        // Signed, so the provider means it and would only send it again.
        app.db.write(async |tx| payments::reject(tx, "sandbox", body).await).await?;
        metrics::counter!("mintreu_webhooks_total", "provider" => "sandbox", "outcome" => "malformed").increment(1);
        return Ok(StatusCode::OK);
    };
    let received = app.db.write(async |tx| payments::receive(tx, "sandbox", &event).await).await?;
    let outcome = match received {
        Received::New(_) => "stored",
        Received::Duplicate => "duplicate",
    };
    metrics::counter!("mintreu_webhooks_total", "provider" => "sandbox", "outcome" => outcome).increment(1);
    Ok(StatusCode::OK)
}
