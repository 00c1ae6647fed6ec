//! `/api/admin/mails`: what was mailed, what became of it, and sending it once more.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{address, reason, recipients};
use crate::{
    app::App,
    http::{Admin, Json, Kind, PageQuery, Path, Problem, Promised, Query},
    kernel::{Page, UserId},
    notifications::{self, Mail, MailFilter, MailId, MailState, ResendError, Template},
};

/// Which mails.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filter {
    /// Those that stand so.
    state: Option<MailState>,
    /// This letter.
    template: Option<Template>,
    /// To this address.
    to: Option<String>,
    /// To this account's owner.
    user: Option<UserId>,
    /// The newest first if nothing is said.
    sort: Option<Sort>,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MailSort")]
enum Sort {
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
}

/// Why a mail is sent once more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MailResend")]
pub(super) struct Resend {
    /// Why; it is written down.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// `GET /api/admin/mails`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<MailId>>,
) -> Result<Json<Page<Mail>>, Problem> {
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
pub(super) async fn show(State(app): State<App>, _: Admin, Path(id): Path<MailId>) -> Result<Json<Mail>, Problem> {
    notifications::mail(&app.db, id).await?.map(Json).ok_or_else(|| ResendError::Unknown.into())
}

/// `POST /api/admin/mails/{mail}/resend`
pub(super) async fn resend(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<MailId>,
    Json(body): Json<Resend>,
) -> Result<Promised, Problem> {
    let why = reason(&body.reason)?;
    app.db.write(async |tx| notifications::resend(tx, id, why, admin.actor()).await).await?;
    Ok(Promised)
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
