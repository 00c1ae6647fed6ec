//! `/api/admin/users`

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::fields;
use crate::{
    accounts::{self, Account, AccountChange, AccountError, AccountFilter, Role, UserId},
    app::App,
    http::{Admin, Context, Json, Kind, PageQuery, Path, Problem, Query},
    kernel::Page,
};

/// Which accounts.
#[derive(Deserialize, JsonSchema)]
pub struct FilterQuery {
    /// Those with this in their address.
    #[schemars(length(max = 254))]
    email: Option<String>,
    /// Those who are this.
    role: Option<Role>,
}

/// `GET /api/admin/users`
pub async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<FilterQuery>,
    Query(page): Query<PageQuery<UserId>>,
) -> Result<Json<Page<Account>>, Problem> {
    let email = filter.email.map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty());
    if email.as_ref().is_some_and(|email| email.len() > 254 || email.contains(char::is_control)) {
        return Err(Problem::new(Kind::InvalidParameter).error("#/email", "expected a part of an address"));
    }
    let filter = AccountFilter { email, role: filter.role };
    Ok(Json(accounts::all_accounts(&app.db, &filter, &page.request()?).await?))
}

/// `GET /api/admin/users/{user}`
pub async fn show(State(app): State<App>, _: Admin, Path(user): Path<UserId>) -> Result<Json<Account>, Problem> {
    find(&app, user).await.map(Json)
}

/// What changes, and why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserChange")]
pub struct ChangeBody {
    /// What they are to be.
    role: Option<Role>,
    /// Whether they are to stay outside.
    disabled: Option<bool>,
    /// Why, for the audit trail.
    reason: String,
}

/// `PATCH /api/admin/users/{user}`
pub async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(user): Path<UserId>,
    Json(body): Json<ChangeBody>,
) -> Result<Json<Account>, Problem> {
    let reason = fields::reason(&body.reason)?;
    let change = AccountChange { role: body.role, disabled: body.disabled };
    accounts::change_account(&app.db, (user, Some(admin.user)), change, &admin.by(&context), &reason).await?;
    find(&app, user).await.map(Json)
}

async fn find(app: &App, user: UserId) -> Result<Account, Problem> {
    accounts::find_any_account(&app.db, user).await?.ok_or_else(|| AccountError::Unknown.into())
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Unknown => Self::new(Kind::NotFound).detail(error.to_string()),
            AccountError::Taken | AccountError::Self_ | AccountError::Overtaken => {
                Self::new(Kind::Conflict).detail(error.to_string())
            }
            AccountError::Hash(error) => error.into(),
            AccountError::Db(error) => error.into(),
        }
    }
}
