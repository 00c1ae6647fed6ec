//! The page where a buyer pretends to pay. It works without scripts.

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::{HeaderName, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{named, sandbox};
use crate::{
    app::App,
    http::{Kind, Path, Problem, unread},
    kernel::Currency,
    payments::sandbox::{Completion, Delivering, PayOutcome, SandboxError, SandboxSession},
};

#[derive(Template)]
#[template(path = "http/sandbox/pay.html")]
struct Page<'a> {
    session: &'a SandboxSession,
    total: String,
    is_open: bool,
}

/// `GET /sandbox/pay/{session}`
pub(super) async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let session = sandbox(&app)?.session(named(&id)?).await?.ok_or(SandboxError::Unknown)?;
    let is_open = session.state == "open" && session.expires_at > app.db.now();
    let page = Page { total: session.total().to_string(), session: &session, is_open };
    let html = page.render().map_err(Problem::internal)?;
    let headers: [(HeaderName, String); 2] =
        [(header::CACHE_CONTROL, "no-store".to_owned()), (header::CONTENT_SECURITY_POLICY, policy(&session))];
    Ok((headers, Html(html)).into_response())
}

/// The form leads back to the shop, which browsers take for a form's target too.
fn policy(session: &SandboxSession) -> String {
    let mut shops: Vec<&str> =
        [&session.success_url, &session.cancel_url].into_iter().filter_map(|url| origin(url)).collect();
    shops.dedup();
    format!(
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {}",
        shops.join(" ")
    )
}

/// `https://shop.example.com` of any page there; none of what is no plain address of the web.
fn origin(url: &str) -> Option<&str> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| url.starts_with(scheme))?.len();
    let end = url[scheme..].find(['/', '?', '#']).map_or(url.len(), |end| scheme + end);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]/".contains(&byte);
    url[..end].bytes().all(plain).then_some(&url[..end])
}

/// What the form sends. Fields that are left empty are sent all the same.
#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    outcome: PayOutcome,
    #[serde(default)]
    copies: String,
    #[serde(default)]
    delay_seconds: String,
    #[serde(default)]
    reversed: String,
    #[serde(default)]
    amount: String,
    #[serde(default)]
    currency: String,
}

impl Choice {
    fn completion(&self) -> Result<Completion, Problem> {
        let defaults = Delivering::default();
        let delivering = Delivering {
            copies: number(&self.copies, "#/copies")?.unwrap_or(defaults.copies),
            delay_seconds: number(&self.delay_seconds, "#/delay_seconds")?.unwrap_or(defaults.delay_seconds),
            reversed: !self.reversed.is_empty(),
        };
        let currency = match self.currency.trim() {
            "" => None,
            code => Some(code.parse::<Currency>().map_err(|error| wrong("#/currency", &error))?),
        };
        Ok(Completion { outcome: self.outcome, delivering, amount: number(&self.amount, "#/amount")?, currency })
    }
}

fn number<T: std::str::FromStr>(text: &str, pointer: &str) -> Result<Option<T>, Problem> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| wrong(pointer, &"expected a whole number")),
    }
}

fn wrong(pointer: &str, why: &dyn std::fmt::Display) -> Problem {
    Problem::new(Kind::InvalidInput).error(pointer, why.to_string())
}

/// `POST /sandbox/pay/{session}`: does it, and leads back to the shop.
pub(super) async fn act(
    State(app): State<App>,
    Path(id): Path<String>,
    choice: Result<Form<Choice>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(choice) = choice.map_err(|rejection| match rejection {
        FormRejection::BytesRejection(rejection) => unread(&rejection),
        FormRejection::InvalidFormContentType(_) => {
            Problem::new(Kind::UnsupportedMediaType).detail("the body must be the page's form")
        }
        _ => Problem::new(Kind::MalformedBody).detail("this is not the page's form"),
    })?;
    let completion = choice.completion()?;
    let session = sandbox(&app)?.complete(named(&id)?, completion).await?;
    let page = format!("/sandbox/pay/{}", session.id);
    let url = match completion.outcome {
        PayOutcome::Paid | PayOutcome::PaidAndRefunded | PayOutcome::Delayed | PayOutcome::DelayedFails => {
            &session.success_url
        }
        PayOutcome::Expired => &session.cancel_url,
        PayOutcome::Declined => &page,
    };
    Ok(Redirect::to(url))
}

/// `GET /sandbox/style.css`
pub(super) async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, include_str!("style.css"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shops_origin_is_all_that_the_policy_names() {
        assert_eq!(origin("https://shop.example.com/done?x=1"), Some("https://shop.example.com"));
        assert_eq!(origin("http://127.0.0.1:8080"), Some("http://127.0.0.1:8080"));
        for url in ["", "javascript:alert(1)", "https://a;script-src *", "https://a b/", "//evil.example/"] {
            assert_eq!(origin(url), None, "{url}");
        }
    }
}
