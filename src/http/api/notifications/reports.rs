//! `POST /webhooks/mail/reports`: mails that did not arrive, or were not wanted, as providers and servers tell of them.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, header},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{address, recipients};
use crate::{
    app::App,
    http::{Admin, Json, Kind, PageQuery, Problem, Query, unread},
    kernel::{
        Page,
        hook::{self, HookRefused, Signed},
    },
    notifications::{
        self, Heard, MailReport, MailReportId, ReportFilter, ReportKind, ReportOutcome, Reported, Trust, Unreadable,
    },
};

/// `POST /webhooks/mail/reports`
pub(super) async fn receive(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Heard>, Problem> {
    if app.report_secrets.is_empty() {
        return Err(Problem::new(Kind::NotFound).detail("reports about mails are not heard here"));
    }
    let body = body.map_err(|rejection| unread(&rejection))?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = header("webhook-id");
    let signed = Signed { id, timestamp: header("webhook-timestamp"), signature: header("webhook-signature") };
    hook::verify(&app.report_secrets, signed, &body, app.db.now())?;
    let (trust, told) = read(header(header::CONTENT_TYPE.as_str()), &body)?;
    let recipients = recipients(&app);
    let heard =
        app.db.write(async |tx| notifications::hear_reports(tx, &recipients, (id, trust), &told.mails).await).await?;
    Ok(Json(heard))
}

/// Reads a body by what it calls itself.
fn read(kind: &str, body: &[u8]) -> Result<(Trust, Reported), Problem> {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok((Trust::Provider, notifications::read_event(body)?)),
        "message/rfc822" => Ok((Trust::Mail, notifications::read_report(body)?)),
        // A mail without its headers: what separates its parts stands in the request's.
        "multipart/report" => {
            let mail = [b"Content-Type: ", kind.as_bytes(), b"\r\n\r\n", body].concat();
            Ok((Trust::Mail, notifications::read_report(&mail)?))
        }
        _ => Err(Problem::new(Kind::UnsupportedMediaType)
            .detail("expected application/json, message/rfc822 or multipart/report")),
    }
}

/// Which reports.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "MailReportFilter")]
pub(super) struct Filter {
    /// Of this address.
    address: Option<String>,
    /// That tell this.
    kind: Option<ReportKind>,
    /// That came to this.
    outcome: Option<ReportOutcome>,
}

/// `GET /api/admin/mail-reports`: the newest first.
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<MailReportId>>,
) -> Result<Json<Page<MailReport>>, Problem> {
    let Filter { address: of, kind, outcome } = filter;
    let filter = ReportFilter { address: address("#/address", of)?, kind, outcome };
    Ok(Json(notifications::mail_reports(&app.db, &recipients(&app), &filter, page.request()?).await?))
}

impl From<HookRefused> for Problem {
    fn from(refused: HookRefused) -> Self {
        match refused {
            HookRefused::Header | HookRefused::Stale | HookRefused::Signature => {
                Self::new(Kind::Unauthorized).detail(refused.to_string())
            }
        }
    }
}

impl From<Unreadable> for Problem {
    fn from(error: Unreadable) -> Self {
        match error {
            Unreadable::Event | Unreadable::Mail => Self::new(Kind::MalformedBody).detail(error.to_string()),
            Unreadable::Recipient => Self::new(Kind::InvalidInput).error("#/data/recipient", error.to_string()),
        }
    }
}
