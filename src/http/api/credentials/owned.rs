//! `/api/licenses/{license}/credentials`: what owners see and do.

use axum::extract::State;

use crate::{
    accounts::Scope,
    app::App,
    credentials::{self, CredentialId, CredentialView, Revealed},
    http::{Caller, Context, Json, Kind, NotStored, Path, Problem, Promised},
    kernel::{LicenseId, Page},
    licenses,
};

/// `GET /api/licenses/{license}/credentials`: one, or none.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(license): Path<LicenseId>,
) -> Result<Json<Page<CredentialView>>, Problem> {
    caller.require(Scope::KeysRead)?;
    let found = credentials::list(&app.db, caller.tenant, license).await?;
    if found.is_empty() && !licenses::is_owned(&app.db, caller.tenant, license).await? {
        return Err(Problem::new(Kind::NotFound).detail("there is no such licence"));
    }
    Ok(Json(Page::whole(found)))
}

/// `POST /api/licenses/{license}/credentials/{credential}/reveal`: the key and the secret. Each time is audited.
pub(super) async fn reveal(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path(which): Path<(LicenseId, CredentialId)>,
) -> Result<NotStored<Json<Revealed>>, Problem> {
    caller.require(Scope::CredentialsRead)?;
    let by = caller.by(&context);
    let keys = app.credentials.keys();
    let revealed = app.db.write(async |tx| credentials::reveal(tx, keys, caller.tenant, which, &by).await).await?;
    Ok(NotStored(Json(revealed)))
}

/// `POST /api/licenses/{license}/credentials/{credential}/rotate`: has the vendor asked for another.
pub(super) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path(which): Path<(LicenseId, CredentialId)>,
) -> Result<Promised, Problem> {
    caller.require(Scope::KeysWrite)?;
    let by = caller.by(&context);
    app.db.write(async |tx| credentials::ask_rotation(tx, caller.tenant, which, &by).await).await?;
    Ok(Promised)
}
