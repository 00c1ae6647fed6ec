//! `/api/admin/schedules`: what the clock sets going.

use axum::extract::State;

use super::{did, whole};
use crate::{
    app::App,
    db::DbError,
    http::{Admin, Because, Context, Json, Kind, Path, Problem, Promised, sought},
    jobs::admin::{self, ScheduleView},
    kernel::Page,
};

/// `GET /api/admin/schedules`
pub(super) async fn list(State(app): State<App>, _: Admin) -> Result<Json<Page<ScheduleView>>, Problem> {
    Ok(Json(whole(admin::schedules(&app.db).await?)))
}

/// `POST /api/admin/schedules/{schedule}/run`: at once, besides its times.
pub(super) async fn run(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(schedule): Path<String>,
    Json(why): Json<Because>,
) -> Result<Promised, Problem> {
    let why = why.reason()?;
    sought("#/schedule", Some(&schedule))?;
    let entry = did((&admin, &context), "schedule.run", ("schedule", &schedule), why);
    let found = app
        .db
        .write(async |tx| {
            let found = admin::run_schedule(tx, &schedule).await?;
            if found {
                tx.audit(entry);
            }
            Ok::<_, DbError>(found)
        })
        .await?;
    if found { Ok(Promised) } else { Err(Problem::new(Kind::NotFound).detail("there is no such schedule")) }
}
