//! `/api/admin/actors`: who does the work in the process that answers.

use axum::extract::State;

use super::{did, whole};
use crate::{
    app::{ActorStatus, App, UnknownChild},
    http::{Admin, Because, Context, Json, Kind, Path, Problem, Promised},
    kernel::Page,
};

/// `GET /api/admin/actors`: in the order of their start, each shard for itself.
pub(super) async fn list(State(app): State<App>, _: Admin) -> Json<Page<ActorStatus>> {
    Json(whole(app.crew.status()))
}

/// `POST /api/admin/actors/{actor}/restart`: the capability or service begins anew, with full credit.
pub(super) async fn restart(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(actor): Path<String>,
    Json(why): Json<Because>,
) -> Result<Promised, Problem> {
    let why = why.reason()?;
    if !app.crew.status().iter().any(|status| status.capability == actor) {
        return Err(UnknownChild(actor).into());
    }
    // Written down first: a restart that nobody wrote down would be worse than one that did not come.
    let entry = did((&admin, &context), "actor.restarted", ("actor", &actor), why);
    app.db
        .write(async |tx| {
            tx.audit(entry);
            Ok::<_, Problem>(())
        })
        .await?;
    app.crew.restart(&actor).await?;
    Ok(Promised)
}

impl From<UnknownChild> for Problem {
    fn from(_: UnknownChild) -> Self {
        Self::new(Kind::NotFound).detail("there is no such actor: `GET /api/admin/actors` has their names")
    }
}
