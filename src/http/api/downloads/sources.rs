//! `…/products/{product}/sources` and `…/sources` at a desk: where products' files come from.

use axum::extract::State;

use super::desk::AtDesk;
use crate::{
    app::App,
    catalog::EditError,
    downloads::{self, Source, SourceFields, SourceId},
    http::{
        Conditional, FirstRevision, IdempotencyKey, IfMatch, IfNoneMatch, Json, Kind, MergePatch, NoContent, Once,
        Path, Problem, Promised, Tagged, once, tag,
    },
    kernel::{Page, ProductId, Time},
};

fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such source")
}

/// What verification finds makes another representation, but no edit is refused because of it.
fn tag_of(source: &Source) -> String {
    let seen = source.last_verified_at.map_or(0, Time::as_micros);
    tag(source.revision, &[seen, i64::from(source.problem.is_some())])
}

/// `GET …/products/{product}/sources`: all of them, which are few.
pub(super) async fn list(
    State(app): State<App>,
    desk: AtDesk,
    Path(product): Path<ProductId>,
) -> Result<Json<Page<Source>>, Problem> {
    let sources = downloads::managed_sources(&app.db, product, desk.editor.developer).await?;
    let sources = sources.ok_or(EditError::NotFound)?;
    Ok(Json(Page::whole(sources)))
}

/// `GET …/sources/{id}`
pub(super) async fn show(
    State(app): State<App>,
    desk: AtDesk,
    Path(id): Path<SourceId>,
    known: IfNoneMatch,
) -> Result<Conditional<Source>, Problem> {
    let source = downloads::managed_source(&app.db, id, desk.editor.developer).await?.ok_or_else(missing)?;
    Ok(known.answer(tag_of(&source), source))
}

/// `POST …/products/{product}/sources`
pub(super) async fn create(
    State(app): State<App>,
    desk: AtDesk,
    Path(product): Path<ProductId>,
    key: IdempotencyKey,
    Json(fields): Json<SourceFields>,
) -> Result<FirstRevision<Once<Source>>, Problem> {
    let (editor, rules) = (&desk.editor, app.downloads.rules());
    let scope = format!("{} POST products/{product}/sources", desk.caller.user);
    let body = fields.clone();
    let made =
        once(&app, key, scope, &body, async |tx| downloads::create_source(tx, product, fields, rules, editor).await);
    Ok(FirstRevision(made.await?))
}

/// `PATCH …/sources/{id}`
pub(super) async fn change(
    State(app): State<App>,
    desk: AtDesk,
    Path(id): Path<SourceId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<MergePatch<SourceFields>>,
) -> Result<Tagged<Source>, Problem> {
    let (editor, rules) = (&desk.editor, app.downloads.rules());
    let changed =
        app.db.write(async |tx| downloads::patch_source(tx, id, revision, &patch, (rules, editor)).await).await?;
    Ok(Tagged(tag_of(&changed), changed))
}

/// `DELETE …/sources/{id}`
pub(super) async fn remove(
    State(app): State<App>,
    desk: AtDesk,
    Path(id): Path<SourceId>,
    IfMatch(revision): IfMatch,
) -> Result<NoContent, Problem> {
    app.db.write(async |tx| downloads::delete_source(tx, id, revision, &desk.editor).await).await?;
    Ok(NoContent)
}

/// `POST …/sources/{id}/verify`: has somebody look at it now.
pub(super) async fn verify(
    State(app): State<App>,
    desk: AtDesk,
    Path(id): Path<SourceId>,
) -> Result<Promised, Problem> {
    app.db.write(async |tx| downloads::verify_now(tx, id, &desk.editor).await).await?;
    Ok(Promised)
}
