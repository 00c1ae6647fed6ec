//! People who are signed in already.

use mintreu::{
    accounts::{Role, SESSION_TOKEN_PREFIX, token_hash},
    db::{Db, DbError},
    execute,
    kernel::{TenantId, UserId},
};

/// Somebody with an account and a session.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) tenant: TenantId,
    pub(crate) email: String,
    /// The value of the `Cookie` header.
    pub(crate) cookie: String,
}

/// Makes an account with a verified address, its personal tenant and a session, without a password.
pub(crate) async fn sign_in(db: &Db, email: &str, role: Role) -> Person {
    let (user, tenant): (UserId, TenantId) = (db.ids().next(), db.ids().next());
    let (session, token) = (db.ids().next_uuid(), format!("{SESSION_TOKEN_PREFIX}{}", db.ids().next_uuid().simple()));
    let now = db.now();
    let expires = mintreu::kernel::Time::from_micros(now.as_micros() + 86_400_000_000);
    db.write(async |tx| {
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO users (id, email, name, role, email_verified_at, created_at, updated_at)
                 VALUES ($1, $2, $2, $3, $4, $4, $4)"
            )
            .bind(user)
            .bind(email)
            .bind(role)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO tenants (id, kind, owner_id, name, created_at) VALUES ($1, 'personal', $2, $3, $4)"
            )
            .bind(tenant)
            .bind(user)
            .bind(email)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO sessions (id, user_id, token_hash, created_at, last_seen_at, expires_at)
                 VALUES ($1, $2, $3, $4, $4, $5)"
            )
            .bind(session)
            .bind(user)
            .bind(token_hash(&token))
            .bind(now)
            .bind(expires)
        )?;
        Ok::<_, DbError>(())
    })
    .await
    .expect("the account is made");
    Person { user, tenant, email: email.to_owned(), cookie: format!("mintreu_session={token}") }
}
