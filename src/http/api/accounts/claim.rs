//! `/api/claim`

use std::sync::Arc;

use axum::{Extension, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{fields, limits::Limits};
use crate::{
    accounts::{self, Claim, ClaimError, ClaimedBy},
    app::App,
    http::{Context, Json, Limited, Problem, SameOrigin},
};

/// A link's token, and what a new account is to have.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Claim")]
pub struct ClaimBody {
    /// The link's token.
    token: String,
    /// What the owner of a new account is called.
    name: Option<String>,
    /// The password of a new account; without one it is set by `POST /api/password/forgot`.
    password: Option<String>,
}

/// What became of the claim.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Claimed")]
pub struct ClaimedView {
    /// Which account has the purchases now.
    account: ClaimedBy,
    /// Its address.
    email: String,
    /// Whether one can sign in, or needs `POST /api/password/forgot` first.
    password_set: bool,
}

/// `POST /api/claim`
pub async fn claim(
    _: SameOrigin,
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    context: Context,
    Json(body): Json<ClaimBody>,
) -> Result<Limited<Json<ClaimedView>>, Problem> {
    let name = body.name.as_deref().map(fields::name).transpose()?;
    let allowance = limits.link(&context)?;
    let request = Some(context.request_id().to_owned());
    let claim = Claim { token: body.token, name, password: body.password };
    let claimed = accounts::claim_purchases(&app.db, (&app.keys, &app.passwords), claim, request).await?;
    let (account, email, password_set) = (claimed.account, claimed.email.to_string(), claimed.password_set);
    Ok(Limited::of(allowance, Json(ClaimedView { account, email, password_set })))
}

impl From<ClaimError> for Problem {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Token => fields::invalid("#/token", error),
            ClaimError::Weak(error) => error.into(),
            ClaimError::Hash(error) => error.into(),
            ClaimError::Db(error) => error.into(),
        }
    }
}
