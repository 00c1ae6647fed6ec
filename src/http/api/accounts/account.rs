//! `/api/account`

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields;
use crate::{
    accounts::{self, Account, Scope},
    app::App,
    http::{Caller, Context, Json, Problem},
    privacy::{self, AccountDeletion},
};

/// `GET /api/account`
pub async fn show(State(app): State<App>, caller: Caller) -> Result<Json<OwnView>, Problem> {
    caller.require(Scope::AccountRead)?;
    own(&app, &caller).await.map(Json)
}

/// What changes.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "AccountChange")]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// What you are called.
    name: Option<String>,
}

/// `PATCH /api/account`
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Json(body): Json<ChangeBody>,
) -> Result<Json<OwnView>, Problem> {
    caller.require(Scope::AccountWrite)?;
    if let Some(name) = body.name.as_deref().map(fields::name).transpose()? {
        accounts::rename(&app.db, caller.user, &name, &caller.by(&context)).await?;
    }
    own(&app, &caller).await.map(Json)
}

/// The caller's account.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OwnAccount")]
pub struct OwnView {
    #[serde(flatten)]
    account: Account,
    /// That it will be deleted, if it will.
    deletion: Option<AccountDeletion>,
}

async fn own(app: &App, caller: &Caller) -> Result<OwnView, Problem> {
    let account = accounts::find_any_account(&app.db, caller.user).await?;
    let account = account.ok_or_else(|| Problem::internal("a caller without an account"))?;
    Ok(OwnView { account, deletion: privacy::deletion_of(&app.db, caller.user).await? })
}
