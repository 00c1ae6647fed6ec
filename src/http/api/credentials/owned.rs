//! `/api/licenses/{license}/credentials`: what owners see and do.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::{Value, json};

use crate::{
    accounts::Scope,
    app::App,
    credentials::{self, CredentialId},
    http::{Caller, Context, Json, Kind, Path, Problem},
    kernel::LicenseId,
    licenses,
};

/// `GET /api/licenses/{license}/credentials`: one, or none.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(license): Path<LicenseId>,
) -> Result<Json<Value>, Problem> {
    caller.require(Scope::KeysRead)?;
    let found = credentials::list(&app.db, caller.tenant, license).await?;
    if found.is_empty() && !licenses::is_owned(&app.db, caller.tenant, license).await? {
        return Err(Problem::new(Kind::NotFound).detail("there is no such licence"));
    }
    Ok(Json(json!({ "data": found, "has_more": false, "next_cursor": null })))
}

/// `POST /api/licenses/{license}/credentials/{credential}/reveal`: the key and the secret. Each time is audited.
pub(super) async fn reveal(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path(which): Path<(LicenseId, CredentialId)>,
) -> Result<impl IntoResponse, Problem> {
    caller.require(Scope::CredentialsRead)?;
    let by = caller.by(&context);
    let keys = app.credentials.keys();
    let revealed = app.db.write(async |tx| credentials::reveal(tx, keys, caller.tenant, which, &by).await).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(revealed)))
}

/// `POST /api/licenses/{license}/credentials/{credential}/rotate`: has the vendor asked for another.
pub(super) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path(which): Path<(LicenseId, CredentialId)>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::KeysWrite)?;
    let by = caller.by(&context);
    app.db.write(async |tx| credentials::ask_rotation(tx, caller.tenant, which, &by).await).await?;
    Ok(StatusCode::ACCEPTED)
}
