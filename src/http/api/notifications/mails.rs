//! `/api/admin/mails`: what was mailed, what became of it, and sending it once more.

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde::Deserialize;

use super::{address, reason, recipients};
use crate::{
    app::App,
    http::{Admin, Json, Kind, PageQuery, Path, Problem, Query},
    kernel::UserId,
    notifications::{self, MailFilter, MailId, MailState, ResendError, Template},
};

/// Which mails.
#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    state: Option<MailState>,
    template: Option<Template>,
    to: Option<String>,
    user: Option<UserId>,
    sort: Option<Sort>,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sort {
    Newest,
    Oldest,
}

/// Why a mail is sent once more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resend {
    reason: String,
}

/// `GET /api/admin/mails`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<MailId>>,
) -> Result<impl IntoResponse, Problem> {
    let filter = MailFilter {
        state: filter.state,
        template: filter.template,
        address: address("#/to", filter.to)?,
        user: filter.user,
        oldest_first: filter.sort == Some(Sort::Oldest),
    };
    Ok(Json(notifications::mails(&app.db, &recipients(&app), &filter, page.request()?).await?))
}

/// `GET /api/admin/mails/{mail}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<MailId>,
) -> Result<impl IntoResponse, Problem> {
    notifications::mail(&app.db, id).await?.map(Json).ok_or_else(|| ResendError::Unknown.into())
}

/// `POST /api/admin/mails/{mail}/resend`
pub(super) async fn resend(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<MailId>,
    Json(body): Json<Resend>,
) -> Result<StatusCode, Problem> {
    let why = reason(&body.reason)?;
    app.db.write(async |tx| notifications::resend(tx, id, why, admin.actor()).await).await?;
    Ok(StatusCode::ACCEPTED)
}

impl From<ResendError> for Problem {
    fn from(error: ResendError) -> Self {
        let text = error.to_string();
        match error {
            ResendError::Unknown => Self::new(Kind::NotFound).detail(text),
            ResendError::UnderWay => Self::new(Kind::Conflict).detail(text),
            ResendError::Db(error) => error.into(),
        }
    }
}
