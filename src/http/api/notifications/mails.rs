//! `/api/admin/mails`: what was mailed, what became of it, and sending it once more.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{address, recipients};
use crate::{
    app::App,
    http::{
        Admin, Because, Context, ExportQuery, Exported, Json, Kind, ListFile, PageQuery, Path, Problem, Promised, Query,
    },
    kernel::{ByTime, Page, PageRequest, Sort, Time, UserId},
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
    /// Made at this time or later.
    from: Option<Time>,
    /// Made before this time.
    until: Option<Time>,
    /// The newest first if nothing is said.
    sort: Option<Sort<ByTime>>,
}

impl Filter {
    fn read(self) -> Result<MailFilter, Problem> {
        let Self { state, template, to, user, from, until, sort } = self;
        Ok(MailFilter { state, template, address: address("#/to", to)?, user, from, until, sort })
    }
}

/// `GET /api/admin/mails`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<MailId>>,
) -> Result<Json<Page<Mail>>, Problem> {
    let filter = filter.read()?;
    Ok(Json(notifications::mails(&app.db, &recipients(&app), &filter, page.request()?).await?))
}

const EXPORTED: Exported = Exported {
    name: "mails",
    columns: &[
        "id",
        "template",
        "language",
        "recipient",
        "user",
        "state",
        "attempts",
        "edition",
        "last_error",
        "created_at",
        "updated_at",
        "sent_at",
        "cause",
    ],
};

/// `GET /api/admin/mails/export`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<Filter>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let (filter, shop) = (filter.read()?, app.clone());
    let read = move |page: PageRequest<MailId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(notifications::mails(&app.db, &recipients(&app), &filter, page).await?) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
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
    Json(why): Json<Because>,
) -> Result<Promised, Problem> {
    let why = why.reason()?;
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
