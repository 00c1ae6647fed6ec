//! `/api/admin/checks`: what `mintreu doctor` finds in the database.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::{
    app::{App, Finding, Weight, checkup},
    http::{Admin, Json, Problem},
};

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CheckReport")]
pub(super) struct Report {
    /// Whether nothing is to be mended.
    well: bool,
    /// What was found.
    findings: Vec<Finding>,
}

/// One look at a time: it reads all of the books and papers.
static LOOKING: Mutex<()> = Mutex::const_new(());

/// `GET /api/admin/checks`: jobs, queues, switches, books, papers and orders. The trail has a check of its own.
pub(super) async fn run(State(app): State<App>, _: Admin) -> Result<Json<Report>, Problem> {
    let _turn = LOOKING.lock().await;
    let findings = checkup(&app.db).await?;
    let well = findings.iter().all(|finding| finding.weight != Weight::Wrong);
    Ok(Json(Report { well, findings }))
}
