//! `/api/products/{slug}/sources` and `/api/products/{slug}/download`: what a buyer may have, and a link to it.

use std::sync::Arc;

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{Operation, ReferenceOr},
};
use axum::{
    Extension,
    body::Bytes,
    extract::{FromRequest, Request, State},
    http::HeaderMap,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Limits, client, who};
use crate::{
    app::App,
    db::DbError,
    downloads::{Link, Offered, SourceId, Wish},
    http::{Caller, Context, IdempotencyKey, Json, Keyed, Kind, Limited, Once, Path, Problem, address_key, unread},
    kernel::Page,
};

/// The most characters of a slug or a version.
const LONGEST: usize = 100;

/// Which file is wanted; without it, the one that is offered first.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DownloadWish")]
pub(super) struct Wanted {
    /// From this source.
    source: Option<SourceId>,
    /// In this version.
    #[schemars(length(max = LONGEST))]
    version: Option<String>,
}

/// A body that may be left out.
pub(super) struct Optionally(Wanted);

impl FromRequest<App> for Optionally {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let limited = Request::from_parts(parts.clone(), body);
        let bytes = Bytes::from_request(limited, app).await.map_err(|rejection| unread(&rejection))?;
        if bytes.is_empty() {
            return Ok(Self(Wanted::default()));
        }
        let Json(wanted) = Json::<Wanted>::from_request(Request::from_parts(parts, bytes.into()), app).await?;
        let sane = |text: &String| text.len() <= LONGEST && !text.contains('\0');
        if !wanted.version.as_ref().is_none_or(sane) {
            let detail = format!("{LONGEST} bytes at most, without NUL");
            return Err(Problem::new(Kind::InvalidInput).error("#/version", detail));
        }
        Ok(Self(wanted))
    }
}

impl OperationInput for Optionally {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Json::<Wanted>::operation_input(ctx, operation);
        if let Some(ReferenceOr::Item(body)) = &mut operation.request_body {
            body.required = false;
        }
    }
}

fn slug(slug: &str) -> Result<&str, Problem> {
    let sane = slug.len() <= LONGEST && !slug.contains('\0');
    if sane { Ok(slug) } else { Err(Problem::new(Kind::NotFound).detail("there is no such product")) }
}

/// `GET /api/products/{slug}/sources`
pub(super) async fn sources(
    State(app): State<App>,
    caller: Option<Caller>,
    Path(product): Path<String>,
) -> Result<Json<Page<Offered>>, Problem> {
    let offered = app.downloads.offered(slug(&product)?, who(caller.as_ref())?).await?;
    Ok(Json(Page::whole(offered)))
}

/// `POST /api/products/{slug}/download`
pub(super) async fn start(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    caller: Option<Caller>,
    context: Context,
    headers: HeaderMap,
    request: (Path<String>, IdempotencyKey, Optionally),
) -> Result<Limited<Once<Link>>, Problem> {
    let (Path(product), key, Optionally(wanted)) = request;
    let (product, who) = (slug(&product)?, who(caller.as_ref())?);
    let asker = who.map_or_else(|| address_key(context.peer()), |who| who.user.to_string());
    let allowance = limits.started.check(&asker)?;
    let keyed = Keyed::new(key, format!("{asker} POST /api/products/{product}/download"), &wanted)?;
    if let Some(answer) = keyed.recall(&app).await? {
        return Ok(Limited::of(allowance, answer));
    }
    let wish = Wish { source: wanted.source, version: wanted.version };
    let chosen = app.downloads.choose(product, who, &wish, &client(&context, &headers)).await?;
    let request = Some(context.request_id().to_owned());
    let answer = keyed.once(&app, async |tx| Ok::<_, DbError>(app.downloads.give(tx, &chosen, who, request.clone())));
    Ok(Limited::of(allowance, answer.await?))
}
