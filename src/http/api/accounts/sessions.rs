//! `/api/account/sessions`

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde::Serialize;

use crate::{
    accounts::{self, Session, SessionId},
    app::App,
    http::{Caller, Context, Json, Kind, PageQuery, Path, Problem, Query},
};

#[derive(Serialize)]
struct SessionView {
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
) -> Result<impl IntoResponse, Problem> {
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
) -> Result<StatusCode, Problem> {
    caller.session()?;
    if accounts::end_session(&app.db, caller.user, session, &caller.by(&context)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(Kind::NotFound).detail("you have no such session"))
    }
}
