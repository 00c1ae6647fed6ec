//! `/api/admin/users`

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    accounts::{self, Account, AccountChange, AccountError, AccountFilter, Role, UserId},
    app::App,
    http::{Admin, Context, Json, Kind, PageQuery, Path, Problem, Query, reason},
    kernel::Page,
    licenses, orders,
};

/// The filter with its address as addresses are stored.
pub(super) fn tidy(mut filter: AccountFilter) -> Result<AccountFilter, Problem> {
    filter.email = filter.email.map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty());
    if filter.email.as_ref().is_some_and(|email| email.len() > 254 || email.contains(char::is_control)) {
        return Err(Problem::new(Kind::InvalidParameter).error("#/email", "expected a part of an address"));
    }
    Ok(filter)
}

/// `GET /api/admin/users`
pub async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AccountFilter>,
    Query(page): Query<PageQuery<String>>,
) -> Result<Json<Page<Account>>, Problem> {
    let (page, filter) = (page.sorted(filter.sort)?, tidy(filter)?);
    Ok(Json(accounts::all_accounts(&app.db, &filter, &page).await?))
}

/// An account with how much there is of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AccountInFull")]
pub struct Whole {
    #[serde(flatten)]
    account: Account,
    /// Orders of its personal tenant, paid or not.
    orders: i64,
    /// Licences of its personal tenant, whatever their standing.
    licenses: i64,
}

/// `GET /api/admin/users/{user}`
pub async fn show(State(app): State<App>, _: Admin, Path(user): Path<UserId>) -> Result<Json<Whole>, Problem> {
    let account = find(&app, user).await?;
    let orders = orders::count_of(&app.db, account.tenant_id).await?;
    let licenses = licenses::count_of(&app.db, account.tenant_id).await?;
    Ok(Json(Whole { account, orders, licenses }))
}

/// What changes, and why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserChange", transform = crate::http::because::must_be_given)]
pub struct ChangeBody {
    /// What they are to be.
    role: Option<Role>,
    /// Whether they are to stay outside.
    disabled: Option<bool>,
    /// Why: it is kept in the audit trail.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
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
    let reason = reason(&body.reason)?;
    let change = AccountChange { role: body.role, disabled: body.disabled };
    accounts::change_account(&app.db, (user, Some(admin.user)), change, &admin.by(&context), reason).await?;
    find(&app, user).await.map(Json)
}

pub(super) async fn find(app: &App, user: UserId) -> Result<Account, Problem> {
    accounts::find_any_account(&app.db, user).await?.ok_or_else(|| AccountError::Unknown.into())
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Unknown => Self::new(Kind::NotFound).detail(error.to_string()),
            AccountError::Taken
            | AccountError::Self_
            | AccountError::LastOperator
            | AccountError::Verified
            | AccountError::Disabled
            | AccountError::Overtaken => Self::new(Kind::Conflict).detail(error.to_string()),
            AccountError::Hash(error) => error.into(),
            AccountError::Db(error) => error.into(),
        }
    }
}
