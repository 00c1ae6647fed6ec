//! `/api/account/sessions`

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    accounts::{self, Session, SessionId},
    app::App,
    http::{Caller, Context, Json, Kind, NoContent, PageQuery, Path, Problem, Query},
    kernel::Page,
};

/// A session of yours.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OwnSession")]
pub struct SessionView {
    #[serde(flatten)]
    session: Session,
    /// Whether it is the one that asks.
    current: bool,
}

/// `GET /api/account/sessions`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<PageQuery<SessionId>>,
) -> Result<Json<Page<SessionView>>, Problem> {
    let own = caller.session()?;
    let page = accounts::sessions(&app.db, caller.user, &page.request()?).await?;
    Ok(Json(page.map(|session| SessionView { current: session.id.uuid() == own, session })))
}

/// `DELETE /api/account/sessions/{session}`
pub async fn end(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path(session): Path<SessionId>,
) -> Result<NoContent, Problem> {
    caller.session()?;
    if accounts::end_session(&app.db, caller.user, session, &caller.by(&context)).await? {
        Ok(NoContent)
    } else {
        Err(Problem::new(Kind::NotFound).detail("you have no such session"))
    }
}
