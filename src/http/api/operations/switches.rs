//! `/api/admin/switches`: the kill switches.

use axum::extract::State;

use super::{flags::changes_of, whole};
use crate::{
    app::App,
    audit::{AuditEntryId, Record},
    flags::{ChangedBy, Switch, SwitchState},
    http::{Admin, Because, Context, Json, Kind, PageQuery, Path, Problem, Query},
    kernel::Page,
};

/// `GET /api/admin/switches`
pub(super) async fn list(State(app): State<App>, _: Admin) -> Json<Page<SwitchState>> {
    Json(whole(app.flags.switches().to_vec()))
}

fn named(name: &str) -> Result<Switch, Problem> {
    // What was asked for may be long, and is not said again.
    name.parse().map_err(|_| Problem::new(Kind::NotFound).detail("there is no such switch"))
}

fn state(app: &App, switch: Switch) -> Json<SwitchState> {
    let found = app.flags.switches().into_iter().find(|state| state.switch == switch);
    Json(found.unwrap_or(SwitchState::untouched(switch)))
}

/// `GET /api/admin/switches/{switch}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(name): Path<String>,
) -> Result<Json<SwitchState>, Problem> {
    Ok(state(&app, named(&name)?))
}

fn by(admin: &Admin, context: &Context, why: &Because) -> Result<ChangedBy, Problem> {
    let by = ChangedBy::new(admin.actor(), why.reason()?);
    let by = by.map_err(|error| Problem::new(Kind::InvalidInput).error("#/reason", error.to_string()))?;
    Ok(by.request(context.request_id().to_owned()))
}

/// `POST /api/admin/switches/{switch}/kill`: at once here, and within a second everywhere.
pub(super) async fn kill(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(name): Path<String>,
    Json(why): Json<Because>,
) -> Result<Json<SwitchState>, Problem> {
    let (switch, by) = (named(&name)?, by(&admin, &context, &why)?);
    app.flags.kill(switch, &by).await?;
    Ok(state(&app, switch))
}

/// `POST /api/admin/switches/{switch}/restore`
pub(super) async fn restore(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(name): Path<String>,
    Json(why): Json<Because>,
) -> Result<Json<SwitchState>, Problem> {
    let (switch, by) = (named(&name)?, by(&admin, &context, &why)?);
    app.flags.restore(switch, &by).await?;
    Ok(state(&app, switch))
}

/// `GET /api/admin/switches/{switch}/history`: who flipped it, when and why, the last first.
pub(super) async fn history(
    State(app): State<App>,
    _: Admin,
    Path(name): Path<String>,
    Query(page): Query<PageQuery<AuditEntryId>>,
) -> Result<Json<Page<Record>>, Problem> {
    changes_of(&app, ("switch", named(&name)?.as_str()), page).await
}
