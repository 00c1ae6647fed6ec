//! Accounts: registration, sessions, access tokens.
//!
//! The way in: `POST /api/register` answers 202 to everybody. A new address gets a link by mail, whose token goes to
//! `POST /api/verify-email`; then `POST /api/login` signs in. An address that has an account gets word of that by mail
//! instead, and everything stays as it is. No answer, and no way that does not go through the mailbox, tells the two apart.

pub mod access_tokens;
pub mod account;
pub mod admin;
pub mod claim;
pub mod desk;
mod fields;
mod limits;
pub mod login;
pub mod password;
pub mod register;
pub mod second_factor;
pub mod sessions;

use std::sync::Arc;

use axum::{
    Extension, Router,
    routing::{delete, get, post},
};

use self::limits::Limits;
use crate::app::App;

/// The routes.
pub fn routes(_app: &App) -> Router<App> {
    Router::new()
        .route("/api/register", post(register::register))
        .route("/api/verify-email", post(register::verify))
        .route("/api/verify-email/resend", post(register::resend))
        .route("/api/login", post(login::login))
        .route("/api/logout", post(login::logout))
        .route("/api/password/forgot", post(password::forgot))
        .route("/api/password/reset", post(password::reset))
        .route("/api/password/change", post(password::change))
        .route("/api/claim", post(claim::claim))
        .route("/api/account", get(account::show).patch(account::change))
        .route("/api/account/sessions", get(sessions::list))
        .route("/api/account/sessions/{session}", delete(sessions::end))
        .route("/api/account/tokens", get(access_tokens::list).post(access_tokens::make))
        .route("/api/account/tokens/{token}", delete(access_tokens::revoke))
        .route("/api/account/totp", post(second_factor::begin))
        .route("/api/account/totp/confirm", post(second_factor::confirm))
        .route("/api/account/totp/disable", post(second_factor::disable))
        .route("/api/admin/users", get(admin::list).post(desk::invite))
        .route("/api/admin/users/export", get(desk::export))
        .route("/api/admin/users/{user}", get(admin::show).patch(admin::change))
        .route("/api/admin/users/{user}/sign-out", post(desk::put_out))
        .route("/api/admin/users/{user}/resend-verification", post(desk::resend_verification))
        .route("/api/admin/users/{user}/send-password-link", post(desk::send_password_link))
        .route("/api/admin/users/{user}/reset-totp", post(desk::reset_second_factor))
        .route("/api/admin/users/{user}/sessions", get(desk::sessions))
        .route("/api/admin/users/{user}/tokens", get(desk::tokens))
        .layer(Extension(Arc::new(Limits::new())))
}
