//! What operators do with accounts besides changing them: find them, let people in again, and put them out.

use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::{Account, AccountError, Email, Name, Role, account::ACCOUNT, by::By, register, reset, session, tenant};
use crate::{
    bind_place,
    db::{Compared, Db, DbError, Tx, conditions, page_of},
    execute, fetch_all, fetch_optional,
    kernel::{Page, Sort, SortField, SortKey, Sorted, Time, UserId},
    text_enum,
};

text_enum! {
    /// What accounts are sorted by.
    pub enum AccountSort {
        /// When they were made.
        Created = "created",
        /// Their address.
        Email = "email",
        /// What their owner is called.
        Name = "name",
        /// When somebody signed in last; those whom nobody ever signed in to are the smallest.
        LastLogin = "last_login",
    }
}

impl SortField for AccountSort {
    const CREATED: Self = Self::Created;
}

/// Which accounts; everything that is given must fit.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct AccountFilter {
    /// A part of the address, in lower case.
    pub email: Option<String>,
    /// In this role.
    pub role: Option<Role>,
    /// Those that are disabled, or the others.
    pub disabled: Option<bool>,
    /// Those whose address is proven, or the others.
    pub verified: Option<bool>,
    /// Made at this time or later.
    pub from: Option<Time>,
    /// Made before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<AccountSort>>,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    account: Account,
    sort_text: String,
    sort_number: i64,
}

/// All accounts that fit.
pub async fn all_accounts(
    db: &Db,
    filter: &AccountFilter,
    page: &Sorted<AccountSort, UserId>,
) -> Result<Page<Account>, DbError> {
    let dialect = db.dialect();
    let by = match page.field() {
        AccountSort::Created => Compared::BY_ID,
        AccountSort::Email => Compared::text("u.email"),
        AccountSort::Name => Compared::text("u.name"),
        AccountSort::LastLogin => Compared::number(dialect.pick(
            "COALESCE(u.last_login_at, 0)",
            "COALESCE((EXTRACT(EPOCH FROM u.last_login_at) * 1000000)::bigint, 0)",
        )),
    };
    let part = dialect.pick("instr(u.email, $1) > 0", "strpos(u.email, $1) > 0");
    let conditions = conditions(&[
        (filter.email.is_some(), part),
        (filter.role.is_some(), "u.role = $2"),
        (filter.disabled == Some(true), "u.disabled_at IS NOT NULL"),
        (filter.disabled == Some(false), "u.disabled_at IS NULL"),
        (filter.verified == Some(true), "u.email_verified_at IS NOT NULL"),
        (filter.verified == Some(false), "u.email_verified_at IS NULL"),
        (filter.from.is_some(), "u.created_at >= $3"),
        (filter.until.is_some(), "u.created_at < $4"),
    ]);
    let select = ACCOUNT.replacen(" FROM ", &format!(", {} FROM ", by.columns()), 1);
    let text = format!("{select} WHERE TRUE{conditions}{}", page_of(page, by, "u.id", 5, dialect));
    let rows: Vec<Row> = fetch_all!(
        db,
        bind_place!(
            sqlx::query_as(AssertSqlSafe(text.as_str()))
                .bind(&filter.email)
                .bind(filter.role.map(Role::as_str))
                .bind(filter.from)
                .bind(filter.until),
            page
        )
    )?;
    let place = |row: &Row| (row.account.id, SortKey { number: row.sort_number, text: row.sort_text.clone() });
    Ok(page.page(rows, place).map(|row| row.account))
}

/// Somebody whom an operator lets in: they prove their address by a link, and choose their password by another.
#[derive(Debug, Clone)]
pub struct Invited {
    /// What they are called.
    pub name: Name,
    /// Their address.
    pub email: Email,
    /// What they are to the shop.
    pub role: Role,
}

/// Makes an account and owes its owner the link.
pub async fn invite(tx: &mut Tx, new: &Invited, by: &By, reason: &str) -> Result<UserId, AccountError> {
    let (id, now): (UserId, _) = (tx.new_id(), tx.now());
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO users (id, email, name, role, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)
             ON CONFLICT (email) DO NOTHING"
        )
        .bind(id)
        .bind(&new.email)
        .bind(new.name.as_str())
        .bind(new.role)
        .bind(now)
    )?;
    if made == 0 {
        return Err(AccountError::Taken);
    }
    tenant::create_personal(tx, id, new.name.as_str()).await?;
    tx.audit(by.did("user.invited", "user", id).change(None, serde_json::json!({ "role": new.role })).reason(reason));
    register::resend(tx, &new.email).await?;
    Ok(id)
}

/// What is taken from somebody who is put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOut {
    /// Sessions, and what logins gave in their place.
    Sessions,
    /// The tokens that they made for programs, too.
    Everything,
}

/// Ends what an account is signed in with.
pub async fn put_out(tx: &mut Tx, user: UserId, what: PutOut, by: &By, reason: &str) -> Result<(), AccountError> {
    address(tx, user).await?;
    session::end_others(tx, user, None).await?;
    if what == PutOut::Everything {
        let now = tx.now();
        execute!(
            tx,
            sqlx::query("UPDATE access_tokens SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL")
                .bind(now)
                .bind(user)
        )?;
    }
    let after = serde_json::json!({ "tokens": what == PutOut::Everything });
    tx.audit(by.did("user.put_out", "user", user).change(None, after).reason(reason));
    Ok(())
}

/// A link that is mailed to an account's owner once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// That proves the address.
    Verification,
    /// That sets another password.
    Password,
}

/// Owes an account's owner a link. A link that proves the address is for those who have not proven theirs.
pub async fn send_link(tx: &mut Tx, user: UserId, link: Link, by: &By, reason: &str) -> Result<(), AccountError> {
    let (email, verified, disabled) = address(tx, user).await?;
    let action = match link {
        _ if disabled => return Err(AccountError::Disabled),
        Link::Verification if verified => return Err(AccountError::Verified),
        Link::Verification => {
            register::resend(tx, &email).await?;
            "user.verification_resent"
        }
        Link::Password => {
            reset::owe_link(tx, &email).await?;
            "user.password_link_sent"
        }
    };
    tx.audit(by.did(action, "user", user).reason(reason));
    Ok(())
}

/// An account's address, whether it is proven, and whether the account is disabled.
async fn address(tx: &mut Tx, user: UserId) -> Result<(Email, bool, bool), AccountError> {
    let row: Option<(Email, bool, bool)> = fetch_optional!(
        tx,
        sqlx::query_as("SELECT email, email_verified_at IS NOT NULL, disabled_at IS NOT NULL FROM users WHERE id = $1")
            .bind(user)
    )?;
    row.ok_or(AccountError::Unknown)
}
