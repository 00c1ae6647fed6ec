//! The pages behind the `type` of problems, and their index: embedded, so that a link never leads nowhere.

use axum::{
    Router,
    response::{Html, IntoResponse, Response},
    routing,
};

use super::{
    extract::Path,
    problem::{Kind, Problem},
};

pub(super) fn pages() -> Router {
    Router::new().route("/docs/problems", routing::get(index)).route("/docs/problems/{name}", routing::get(page))
}

async fn index() -> Html<String> {
    let items = Kind::ALL.map(|kind| {
        let (name, title, status) = (kind.name(), kind.title(), kind.status().as_u16());
        format!("<li><a href=\"/docs/problems/{name}\">{name}</a> ({status}): {}</li>\n", escape(title))
    });
    Html(document("Problems", &format!("<h1>Problems</h1>\n<ul>\n{}</ul>", items.concat())))
}

async fn page(Path(name): Path<String>) -> Response {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else {
        return Problem::new(Kind::NotFound)
            .detail("no problem has this name; /docs/problems lists all")
            .into_response();
    };
    let content = format!("<p><a href=\"/docs/problems\">All problems</a></p>\n<pre>{}</pre>", escape(text(kind)));
    Html(document(kind.title(), &content)).into_response()
}

/// What the page says, in Markdown.
pub(super) const fn text(kind: Kind) -> &'static str {
    macro_rules! page {
        ($name:literal) => {
            include_str!(concat!("../../docs/problems/", $name, ".md"))
        };
    }
    match kind {
        Kind::NotFound => page!("not-found"),
        Kind::MethodNotAllowed => page!("method-not-allowed"),
        Kind::MalformedBody => page!("malformed-body"),
        Kind::InvalidParameter => page!("invalid-parameter"),
        Kind::InvalidInput => page!("invalid-input"),
        Kind::UnsupportedMediaType => page!("unsupported-media-type"),
        Kind::BodyTooLarge => page!("body-too-large"),
        Kind::RequestTimeout => page!("request-timeout"),
        Kind::HeadersTooLarge => page!("headers-too-large"),
        Kind::Unauthorized => page!("unauthorized"),
        Kind::Forbidden => page!("forbidden"),
        Kind::Conflict => page!("conflict"),
        Kind::PreconditionFailed => page!("precondition-failed"),
        Kind::PreconditionRequired => page!("precondition-required"),
        Kind::QuotaExceeded => page!("quota-exceeded"),
        Kind::CapabilityDisabled => page!("capability-disabled"),
        Kind::TemporaryReducedCapacity => page!("temporary-reduced-capacity"),
        Kind::ProviderUnavailable => page!("provider-unavailable"),
        Kind::Gone => page!("gone"),
        Kind::RangeNotSatisfiable => page!("range-not-satisfiable"),
        Kind::StorageUnavailable => page!("storage-unavailable"),
        Kind::Internal => page!("internal"),
    }
}

fn document(title: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{}</title></head>\n<body>\n{content}\n</body>\n</html>\n",
        escape(title)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
