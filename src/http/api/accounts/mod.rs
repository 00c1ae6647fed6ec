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

use aide::axum::{
    ApiRouter,
    routing::{delete_with, get_with, post_with},
};
use axum::Extension;

use self::limits::Limits;
use crate::{
    accounts::Scope::{AccountRead, AccountWrite},
    app::App,
    http::{Kind, openapi::Tell},
};

/// The routes.
pub fn routes(_app: &App) -> ApiRouter<App> {
    way_in()
        .merge(own())
        .merge(people())
        .layer(Extension(Arc::new(Limits::new())))
        .with_path_items(|item| item.tag("accounts"))
}

/// How one gets an account, gets in, and gets out.
fn way_in() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/api/register", post_with(register::register, |op| op.told("register", "Register")))
        .api_route("/api/verify-email", post_with(register::verify, |op| op.told("verifyEmail", "Confirm an address")))
        .api_route(
            "/api/verify-email/resend",
            post_with(register::resend, |op| op.told("resendVerification", "Have the link of confirmation sent again")),
        )
        .api_route(
            "/api/login",
            post_with(login::login, |op| {
                op.told("login", "Sign in")
                    .description("Answers with the session's cookie and, with `\"token\": true`, with an access token.")
                    .may(&[Kind::Unauthorized, Kind::Forbidden])
            }),
        )
        .api_route("/api/logout", post_with(login::logout, |op| op.told("logout", "Sign out")))
        .api_route(
            "/api/password/forgot",
            post_with(password::forgot, |op| op.told("forgotPassword", "Have a link for a new password sent")),
        )
        .api_route(
            "/api/password/reset",
            post_with(password::reset, |op| op.told("resetPassword", "Set a new password with a link's token")),
        )
        .api_route(
            "/api/password/change",
            post_with(password::change, |op| op.told("changePassword", "Change your password").by_session()),
        )
        .api_route(
            "/api/claim",
            post_with(claim::claim, |op| op.told("claimPurchases", "Take what a guest bought into an account")),
        )
}

/// One's own account.
fn own() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/account",
            get_with(account::show, |op| op.told("showAccount", "Show your account").scope(AccountRead))
                .patch_with(account::change, |op| op.told("changeAccount", "Change your account").scope(AccountWrite)),
        )
        .api_route(
            "/api/account/sessions",
            get_with(sessions::list, |op| op.told("listSessions", "List your sessions").by_session()),
        )
        .api_route(
            "/api/account/sessions/{session}",
            delete_with(sessions::end, |op| op.told("endSession", "End a session").by_session()),
        )
        .api_route(
            "/api/account/tokens",
            get_with(access_tokens::list, |op| op.told("listAccessTokens", "List your access tokens").by_session())
                .post_with(access_tokens::make, |op| {
                    op.told("createAccessToken", "Make an access token")
                        .description("The token itself is shown this once.")
                        .by_session()
                }),
        )
        .api_route(
            "/api/account/tokens/{token}",
            delete_with(access_tokens::revoke, |op| {
                op.told("revokeAccessToken", "Revoke an access token").by_session()
            }),
        )
        .api_route(
            "/api/account/totp",
            post_with(second_factor::begin, |op| {
                op.told("beginSecondFactor", "Begin to set up a second factor").by_session().may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/account/totp/confirm",
            post_with(second_factor::confirm, |op| {
                op.told("confirmSecondFactor", "Put the second factor in force").by_session().may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/account/totp/disable",
            post_with(second_factor::disable, |op| {
                op.told("disableSecondFactor", "Do without the second factor").by_session().may(&[Kind::Conflict])
            }),
        )
}

/// Everybody's, for operators.
fn people() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/users",
            get_with(admin::list, |op| op.told("listUsers", "List accounts")).post_with(desk::invite, |op| {
                op.told("inviteUser", "Make an account for somebody, and have them sent a link for their password")
            }),
        )
        .api_route(
            "/api/admin/users/export",
            get_with(desk::export, |op| op.told("exportUsers", "Fetch accounts as a file")),
        )
        .api_route(
            "/api/admin/users/{user}",
            get_with(admin::show, |op| op.told("showUser", "Show an account")).patch_with(admin::change, |op| {
                op.told("changeUser", "Change somebody's role, or keep them out").may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/admin/users/{user}/sign-out",
            post_with(desk::put_out, |op| op.told("signUserOut", "End all of somebody's sessions")),
        )
        .api_route(
            "/api/admin/users/{user}/resend-verification",
            post_with(desk::resend_verification, |op| {
                op.told("resendUserVerification", "Send somebody the link that confirms their address once more")
                    .may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/admin/users/{user}/send-password-link",
            post_with(desk::send_password_link, |op| {
                op.told("sendUserPasswordLink", "Send somebody a link for another password").may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/admin/users/{user}/reset-totp",
            post_with(desk::reset_second_factor, |op| {
                op.told("resetUserSecondFactor", "Take away a second factor that somebody lost")
            }),
        )
        .api_route(
            "/api/admin/users/{user}/sessions",
            get_with(desk::sessions, |op| op.told("listUserSessions", "List somebody's sessions")),
        )
        .api_route(
            "/api/admin/users/{user}/tokens",
            get_with(desk::tokens, |op| op.told("listUserTokens", "List somebody's access tokens")),
        )
}
