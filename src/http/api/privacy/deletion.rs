//! `/api/account/deletion`

use std::sync::Arc;

use axum::{Extension, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Limits, refusals::no_deletion};
use crate::{
    accounts::{self, NewPassword, SecondFactor},
    app::App,
    http::{Accepted, Caller, Context, Json, Kind, NoContent, Problem},
    privacy::{self, AccountDeletion, RequestedBy, Scheduling, SchedulingError},
};

/// Who wants it shows once more who they are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AccountDeletionWish")]
pub(super) struct DeletionBody {
    /// Your password.
    password: String,
    /// The code of your second factor, if you have one.
    totp: Option<String>,
    /// Or a recovery code.
    recovery_code: Option<String>,
}

/// `POST /api/account/deletion`: nothing is lost before its time is over, and until then it can be cancelled.
pub(super) async fn schedule(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    caller: Caller,
    context: Context,
    Json(body): Json<DeletionBody>,
) -> Result<Accepted<AccountDeletion>, Problem> {
    caller.session()?;
    if body.password.chars().count() > NewPassword::LONGEST {
        let detail = format!("at most {} characters", NewPassword::LONGEST);
        return Err(Problem::new(Kind::InvalidInput).error("#/password", detail));
    }
    limits.passwords.check(&caller.user.to_string())?;
    let second = body.totp.map(SecondFactor::Totp).or(body.recovery_code.map(SecondFactor::RecoveryCode));
    if second.is_some() {
        limits.codes.check(&caller.user.to_string())?;
    }
    let tools = (&app.keys, &app.passwords);
    let shown = accounts::show_again(&app.db, tools, &caller, (body.password, second)).await?;
    let (by, due_at) = (caller.by(&context), app.db.now() + app.privacy.policy.deletion_grace);
    let wanted = Scheduling { user: caller.user, requested_by: RequestedBy::Person, due_at, reason: None };
    let scheduled = app
        .db
        .write(async |tx| {
            shown.redeem(tx).await?;
            Ok::<_, Problem>(privacy::schedule_deletion(tx, wanted, &by).await?)
        })
        .await?;
    Ok(Accepted(scheduled))
}

/// `GET /api/account/deletion`
pub(super) async fn show(State(app): State<App>, caller: Caller) -> Result<Json<AccountDeletion>, Problem> {
    caller.session()?;
    privacy::deletion_of(&app.db, caller.user).await?.map(Json).ok_or_else(no_deletion)
}

/// `DELETE /api/account/deletion`: the account is kept.
pub(super) async fn cancel(State(app): State<App>, caller: Caller, context: Context) -> Result<NoContent, Problem> {
    caller.session()?;
    let by = caller.by(&context);
    app.db
        .write(async |tx| privacy::cancel_deletion(tx, caller.user, &by).await)
        .await
        .map_err(|error: SchedulingError| Problem::from(error))?;
    Ok(NoContent)
}
