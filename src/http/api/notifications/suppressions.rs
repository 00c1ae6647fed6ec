//! `/api/admin/mail-suppressions`: addresses that nothing is sent to.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{address, recipients};
use crate::{
    accounts::Email,
    app::App,
    http::{
        Admin, Context, Created, ExportQuery, Exported, Json, Kind, ListFile, NoContent, PageQuery, Path, Problem,
        Query, reason,
    },
    kernel::{Page, PageRequest},
    notifications::{self, Suppression, SuppressionFilter, SuppressionId, SuppressionReason},
};

/// Which ones.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filter {
    /// This address.
    address: Option<String>,
    /// Those for this reason.
    reason: Option<SuppressionReason>,
}

/// An address that nothing is to be sent to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewMailSuppression", transform = crate::http::because::must_be_given)]
pub(super) struct New {
    /// The address.
    #[schemars(extend("format" = "email"))]
    address: String,
    /// Why: it is kept in the audit trail.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// `GET /api/admin/mail-suppressions`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<SuppressionId>>,
) -> Result<Json<Page<Suppression>>, Problem> {
    let filter = SuppressionFilter { address: address("#/address", filter.address)?, reason: filter.reason };
    Ok(Json(notifications::suppressions(&app.db, &recipients(&app), &filter, page.request()?).await?))
}

const EXPORTED: Exported =
    Exported { name: "mail-suppressions", columns: &["id", "recipient", "reason", "detail", "created_at"] };

/// `GET /api/admin/mail-suppressions/export`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<Filter>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let filter = SuppressionFilter { address: address("#/address", filter.address)?, reason: filter.reason };
    let shop = app.clone();
    let read = move |page: PageRequest<SuppressionId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(notifications::suppressions(&app.db, &recipients(&app), &filter, page).await?) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

/// An address that nothing is sent to: from now on, or as before.
#[derive(Debug)]
pub(super) enum Added {
    New(Created<Suppression>),
    Known(Json<Suppression>),
}

impl IntoResponse for Added {
    fn into_response(self) -> Response {
        match self {
            Self::New(suppression) => suppression.into_response(),
            Self::Known(suppression) => suppression.into_response(),
        }
    }
}

impl OperationOutput for Added {
    type Inner = Suppression;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let mut responses = Created::<Suppression>::inferred_responses(ctx, operation);
        let known = Json::<Suppression>::inferred_responses(ctx, operation).into_iter();
        responses.extend(known.map(|(status, response)| {
            (status, Described { description: "It is there already, and stays as it is.".to_owned(), ..response })
        }));
        responses
    }
}

/// `POST /api/admin/mail-suppressions`: an address that is there already stays as it is.
pub(super) async fn add(State(app): State<App>, admin: Admin, Json(new): Json<New>) -> Result<Added, Problem> {
    let wrong =
        |error: crate::accounts::InvalidEmail| Problem::new(Kind::InvalidInput).error("#/address", error.to_string());
    let address: Email = new.address.parse().map_err(wrong)?;
    let (address, why, recipients) = (address.to_string(), reason(&new.reason)?, recipients(&app));
    let (suppression, is_new) =
        app.db.write(async |tx| notifications::suppress(tx, &recipients, (&address, why), admin.actor()).await).await?;
    Ok(if is_new { Added::New(Created(suppression)) } else { Added::Known(Json(suppression)) })
}

/// `DELETE /api/admin/mail-suppressions/{suppression}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<SuppressionId>,
) -> Result<NoContent, Problem> {
    if app.db.write(async |tx| notifications::unsuppress(tx, id, admin.actor()).await).await? {
        return Ok(NoContent);
    }
    Err(Problem::new(Kind::NotFound).detail("there is no such suppression"))
}
