//! `/api/admin/audit`: who did what, and why.

use axum::{
    body::{Body, Bytes},
    extract::State,
};
use futures::stream;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    audit::{self, Actor, AuditEntryId, AuditError, Disclosure, Exporting, Filter, Head, Part, Record},
    http::{Admin, Context, Exported, Format, Json, Kind, ListFile, PageQuery, Path, Problem, Query, sought},
    kernel::{ByTime, Page, PageRequest, Sort, Time},
};

/// Which entries.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Which {
    /// `operator:usr_…` as entries name them, or a kind alone.
    actor: Option<String>,
    /// What was done, e.g. `order.cancelled`.
    action: Option<String>,
    /// To things of this type.
    object_type: Option<String>,
    /// To this thing.
    object: Option<String>,
    /// On this request.
    request: Option<String>,
    /// Done at this time or later.
    from: Option<Time>,
    /// Done before this time.
    until: Option<Time>,
    /// In which order; the newest first if nothing is said.
    sort: Option<Sort<ByTime>>,
}

impl Which {
    fn filter(&self) -> Result<Filter, Problem> {
        let text = |pointer: &str, text: &Option<String>| {
            Ok::<_, Problem>(sought(pointer, text.as_deref())?.map(str::to_owned))
        };
        let mut filter = Filter {
            action: text("#/action", &self.action)?,
            object_type: text("#/object_type", &self.object_type)?,
            object_id: text("#/object", &self.object)?,
            request_id: text("#/request", &self.request)?,
            since: self.from,
            until: self.until,
            sort: self.sort,
            ..Filter::default()
        };
        if let Some(actor) = text("#/actor", &self.actor)? {
            let (kind, id) =
                actor.split_once(':').map_or((actor.as_str(), None), |(kind, id)| (kind, Some(id.to_owned())));
            match (kind, id) {
                ("user", Some(id)) => filter.actor = Some(Actor::user(id)),
                ("operator", Some(id)) => filter.actor = Some(Actor::operator(id)),
                ("system", Some(id)) => filter.actor = Some(Actor::System(id.into())),
                ("provider", Some(id)) => filter.actor = Some(Actor::provider(id)),
                ("user" | "operator" | "system" | "provider", None) => filter.actor_kind = Some(kind.to_owned()),
                _ => {
                    let detail = "expected user, operator, system or provider, and perhaps a colon and which of them";
                    return Err(Problem::new(Kind::InvalidParameter).error("#/actor", detail));
                }
            }
        }
        Ok(filter)
    }
}

/// `GET /api/admin/audit`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(which): Query<Which>,
    Query(page): Query<PageQuery<AuditEntryId>>,
) -> Result<Json<Page<Record>>, Problem> {
    let (filter, page) = (which.filter()?, page.request()?);
    Ok(Json(audit::list_page(&app.db, &app.keys, Disclosure::Opened, &filter, page).await?))
}

/// `GET /api/admin/audit/{entry}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<AuditEntryId>,
) -> Result<Json<Record>, Problem> {
    let found = audit::find(&app.db, &app.keys, Disclosure::Opened, id).await?;
    found.map(Json).ok_or_else(|| Problem::new(Kind::NotFound).detail("there is no such entry"))
}

const EXPORTED: Exported = Exported {
    name: "audit",
    columns: &[
        "id",
        "occurred_at",
        "actor_kind",
        "actor_id",
        "action",
        "object_type",
        "object_id",
        "before",
        "after",
        "reason",
        "request_id",
        "sealed",
    ],
};

/// How the trail is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ExportWish {
    /// JSON lines if nothing is said.
    format: Option<Format>,
    /// Open personal data whose person was not erased; only in JSON lines.
    #[serde(default)]
    disclose: bool,
}

/// `GET /api/admin/audit/export`: as JSON lines, which is what is meant if nothing is said, the sealed entries in the
/// order of the chain, its head in the last line; as a table all entries in the order of the list.
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(which): Query<Which>,
    Query(wish): Query<ExportWish>,
) -> Result<ListFile, Problem> {
    let (filter, shop) = (which.filter()?, app.clone());
    if wish.format == Some(Format::Csv) {
        let read = move |page: PageRequest<AuditEntryId>| {
            let (app, filter) = (shop.clone(), filter.clone());
            async move { Ok(audit::list_page(&app.db, &app.keys, Disclosure::Sealed, &filter, page).await?) }
        };
        return EXPORTED.answer(&app, (&admin, &context), Format::Csv.into(), read).await;
    }
    let export = Exporting::begin(&app.db, filter).await?;
    EXPORTED.note(&app, &admin, &context, Format::Jsonl).await?;
    let disclose = wish.disclose;
    let pieces = stream::try_unfold(export, move |mut export| {
        let app = shop.clone();
        async move {
            let opener = disclose.then_some(&app.keys);
            let lines = export.next(&app.db, opener).await.map_err(|error| {
                tracing::warn!(%error, "an export of the trail broke off");
                axum::BoxError::from("the export broke off")
            })?;
            Ok::<_, axum::BoxError>(lines.map(|(lines, _)| (Bytes::from(lines), export)))
        }
    });
    Ok(EXPORTED.file(Format::Jsonl, Body::from_stream(pieces)))
}

/// From where on the chain is verified, and against what.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct VerifyQuery {
    /// `SEQUENCE:MAC`, the last that the part before verified.
    after: Option<String>,
    /// `SEQUENCE:MAC` of a head that was kept elsewhere.
    head: Option<String>,
    /// How many entries at most.
    #[schemars(range(min = 1, max = 50_000))]
    limit: Option<u32>,
}

/// The most entries that one request walks.
const MOST: u32 = 50_000;

/// `GET /api/admin/audit/verify`: walks a part of the chain; `verified` goes into the next request as `after`.
pub(super) async fn verify(
    State(app): State<App>,
    _: Admin,
    Query(query): Query<VerifyQuery>,
) -> Result<Json<Part>, Problem> {
    let head = |pointer: &str, text: Option<String>| match text.map(|text| text.parse::<Head>()) {
        None => Ok(None),
        Some(Ok(head)) if head.sequence >= 0 => Ok(Some(head)),
        Some(_) => Err(Problem::new(Kind::InvalidParameter).error(pointer, "expected SEQUENCE:MAC")),
    };
    let (after, published) = (head("#/after", query.after)?, head("#/head", query.head)?);
    let most = query.limit.unwrap_or(MOST);
    if most == 0 || most > MOST {
        return Err(Problem::new(Kind::InvalidParameter).error("#/limit", format!("expected 1 to {MOST}")));
    }
    let walk = (after.as_ref(), published.as_ref());
    Ok(Json(audit::verify_part(&app.db, &app.keys, walk, i64::from(most)).await?))
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Db(error) => error.into(),
            AuditError::Seal(_) | AuditError::NoHead | AuditError::Vanished { .. } => Self::internal(error),
        }
    }
}
