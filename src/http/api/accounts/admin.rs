//! `/api/admin/users`

use axum::{extract::State, response::IntoResponse};
use serde::Deserialize;

use super::fields;
use crate::{
    accounts::{self, Account, AccountChange, AccountError, AccountFilter, Role, UserId},
    app::App,
    http::{Admin, Context, Json, Kind, PageQuery, Path, Problem, Query},
};

/// Which accounts.
#[derive(Deserialize)]
pub struct FilterQuery {
    email: Option<String>,
    role: Option<Role>,
}

/// `GET /api/admin/users`
pub async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<FilterQuery>,
    Query(page): Query<PageQuery<UserId>>,
) -> Result<impl IntoResponse, Problem> {
    let email = filter.email.map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty());
    if email.as_ref().is_some_and(|email| email.len() > 254 || email.contains(char::is_control)) {
        return Err(Problem::new(Kind::InvalidParameter).error("#/email", "expected a part of an address"));
    }
    let filter = AccountFilter { email, role: filter.role };
    Ok(Json(accounts::all_accounts(&app.db, &filter, &page.request()?).await?))
}

/// `GET /api/admin/users/{user}`
pub async fn show(State(app): State<App>, _: Admin, Path(user): Path<UserId>) -> Result<impl IntoResponse, Problem> {
    find(&app, user).await.map(Json)
}

/// What changes, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    role: Option<Role>,
    disabled: Option<bool>,
    reason: String,
}

/// `PATCH /api/admin/users/{user}`
pub async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(user): Path<UserId>,
    Json(body): Json<ChangeBody>,
) -> Result<impl IntoResponse, Problem> {
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
