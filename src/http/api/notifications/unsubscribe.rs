//! `/unsubscribe/{token}`: the link in letters that can be declined.
//!
//! Reading it changes nothing: mail scanners and link previews follow every link. A mail program, or the page's button,
//! posts to it (RFC 8058); who has the link needs no credential, and no cookie counts.

use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{Html, IntoResponse, Response},
};

use super::letterhead;
use crate::{
    app::App,
    http::{Context, Kind, Path, Problem},
    notifications::{self, Holder, Permission, UnsubscribePage},
};

/// `GET /unsubscribe/{token}`: asks.
pub(super) async fn ask(State(app): State<App>, Path(token): Path<String>) -> Result<Response, Problem> {
    let permission = permitted(&app, &token)?;
    page(&app, &permission, false).await
}

/// `POST /unsubscribe/{token}`: declines, whatever the body says.
pub(super) async fn decline(
    State(app): State<App>,
    context: Context,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let permission = permitted(&app, &token)?;
    let request = Some(context.request_id().to_owned());
    app.db.write(async |tx| notifications::unsubscribe(tx, &permission, request).await).await?;
    page(&app, &permission, true).await
}

fn permitted(app: &App, token: &str) -> Result<Permission, Problem> {
    let missing = || Problem::new(Kind::NotFound).detail("the link is not complete: copy all of it out of the mail");
    notifications::permission(&app.keys, token).ok_or_else(missing)
}

async fn page(app: &App, permission: &Permission, done: bool) -> Result<Response, Problem> {
    let code = match &permission.holder {
        Holder::User(user) => notifications::language_of(&app.db, *user).await?,
        Holder::Address(_) => None,
    };
    let language =
        notifications::language(code.as_deref()).ok_or_else(|| Problem::internal("no language can be read"))?;
    let head = letterhead(app);
    let page = UnsubscribePage { head: &head, language, topic: permission.topic, done };
    let html = page.render().map_err(Problem::internal)?;
    let policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
    let headers: [(HeaderName, &str); 3] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Ok((headers, Html(html)).into_response())
}
