//! `/api/admin/users/…`: letting people in and putting them out, and the list as a file.

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{admin, fields};
use crate::{
    accounts::{
        self, AccessToken, AccessTokenId, Account, AccountFilter, AccountSort, Invited, Link, PutOut, Role, Session,
        SessionId, UserId,
    },
    app::App,
    http::{
        Admin, Because, Context, ExportQuery, Exported, IdempotencyKey, Json, Keyed, ListFile, NoContent, Once,
        PageQuery, Path, Problem, Promised, Query, reason,
    },
    kernel::{Page, PageRequest, Place, Sorted},
};

const EXPORTED: Exported = Exported {
    name: "users",
    columns: &[
        "id",
        "tenant_id",
        "email",
        "name",
        "role",
        "email_verified_at",
        "password_set",
        "second_factor",
        "disabled_at",
        "last_login_at",
        "created_at",
    ],
};

/// `GET /api/admin/users/export`
pub async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<AccountFilter>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let (filter, shop) = (admin::tidy(filter)?, app.clone());
    let read = move |page: PageRequest<Place<AccountSort, UserId>>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move {
            let page = Sorted::of(filter.sort.unwrap_or_default(), page)?;
            Ok(accounts::all_accounts(&app.db, &filter, &page).await?)
        }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

/// Whom an operator lets in, and why.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserInvitation", transform = crate::http::because::must_be_given)]
pub struct InviteBody {
    /// Their address.
    #[schemars(extend("format" = "email"))]
    email: String,
    /// What they are called.
    name: String,
    /// What they may do.
    role: Role,
    /// Why: it is kept in the audit trail.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// Whom an operator let in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InvitedUser {
    /// Which account.
    id: UserId,
    /// Their address.
    email: String,
    /// What they are called.
    name: String,
    /// What they may do.
    role: Role,
}

/// `POST /api/admin/users`: the account's owner gets a link by mail, and chooses a password then.
pub async fn invite(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    Json(body): Json<InviteBody>,
) -> Result<Once<InvitedUser>, Problem> {
    let why = reason(&body.reason)?;
    let new = Invited { name: fields::name(&body.name)?, email: fields::email(&body.email)?, role: body.role };
    let keyed = Keyed::new(key, format!("{} POST /api/admin/users", admin.user), &body)?;
    if let Some(answer) = keyed.recall(&app).await? {
        return Ok(answer);
    }
    let by = admin.by(&context);
    keyed
        .once(&app, async |tx| {
            let id = accounts::invite(tx, &new, &by, why).await?;
            let (email, name) = (new.email.to_string(), new.name.as_str().to_owned());
            Ok::<_, accounts::AccountError>(InvitedUser { id, email, name, role: new.role })
        })
        .await
}

/// What is taken, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserSignOut", transform = crate::http::because::must_be_given)]
pub struct PutOutBody {
    /// The tokens that they made for programs, too.
    #[serde(default)]
    tokens: bool,
    /// Why: it is kept in the audit trail.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// `POST /api/admin/users/{user}/sign-out`: ends all sessions.
pub async fn put_out(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(user): Path<UserId>,
    Json(body): Json<PutOutBody>,
) -> Result<NoContent, Problem> {
    let (why, by) = (reason(&body.reason)?, admin.by(&context));
    let what = if body.tokens { PutOut::Everything } else { PutOut::Sessions };
    app.db.write(async |tx| accounts::put_out(tx, user, what, &by, why).await).await?;
    Ok(NoContent)
}

async fn send(app: &App, who: (&Admin, &Context), user: UserId, link: Link, why: &str) -> Result<Promised, Problem> {
    let by = who.0.by(who.1);
    app.db.write(async |tx| accounts::send_link(tx, user, link, &by, why).await).await?;
    Ok(Promised)
}

/// `POST /api/admin/users/{user}/resend-verification`
pub async fn resend_verification(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(user): Path<UserId>,
    Json(why): Json<Because>,
) -> Result<Promised, Problem> {
    send(&app, (&admin, &context), user, Link::Verification, why.reason()?).await
}

/// `POST /api/admin/users/{user}/send-password-link`
pub async fn send_password_link(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(user): Path<UserId>,
    Json(why): Json<Because>,
) -> Result<Promised, Problem> {
    send(&app, (&admin, &context), user, Link::Password, why.reason()?).await
}

/// `POST /api/admin/users/{user}/reset-totp`: they sign in without a second factor then.
pub async fn reset_second_factor(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(user): Path<UserId>,
    Json(why): Json<Because>,
) -> Result<Json<Account>, Problem> {
    let (why, by) = (why.reason()?, admin.by(&context));
    admin::find(&app, user).await?;
    app.db.write(async |tx| accounts::reset_second_factor(tx, user, &by, why).await).await?;
    admin::find(&app, user).await.map(Json)
}

/// `GET /api/admin/users/{user}/sessions`
pub async fn sessions(
    State(app): State<App>,
    _: Admin,
    Path(user): Path<UserId>,
    Query(page): Query<PageQuery<SessionId>>,
) -> Result<Json<Page<Session>>, Problem> {
    let page = page.request()?;
    admin::find(&app, user).await?;
    Ok(Json(accounts::sessions(&app.db, user, &page).await?))
}

/// `GET /api/admin/users/{user}/tokens`: what they made for programs; never the tokens themselves.
pub async fn tokens(
    State(app): State<App>,
    _: Admin,
    Path(user): Path<UserId>,
    Query(page): Query<PageQuery<AccessTokenId>>,
) -> Result<Json<Page<AccessToken>>, Problem> {
    let page = page.request()?;
    admin::find(&app, user).await?;
    Ok(Json(accounts::access_tokens(&app.db, user, &page).await?))
}
